"""What an operator does to the bus is found, and the record is named: BUS-01 to BUS-07."""

from dataclasses import replace

import pytest

from solekey.audit import Bounds, Pin, Verdict, verify_log
from solekey.audit.sources import BusPlace, Extent, Record, TopicState
from solekey_protocol.encoding import encode_json
from solekey_protocol.partition import derive_partition
from solekey_protocol.services import HEARTBEAT_TOPIC
from tests.support.audit.on_bus import PARTITIONS, SECOND_MS, put_on_bus
from tests.support.protocol.keyring import ACCOUNT, USER
from tests.support.protocol.story import tell_whole

PINS = {ACCOUNT: Pin(USER.public)}
VAULT = "solekey.vault.v1"
HOME = derive_partition(ACCOUNT, PARTITIONS)
MINUTE_MS = 60 * SECOND_MS


def find(log, topic, offset):
    return next(
        number
        for number, record in enumerate(log.kept)
        if (record.place.topic, record.place.offset) == (topic, offset) and record.key == ACCOUNT.encode()
    )


def beat(log, **members):
    number = next(i for i, record in enumerate(log.kept) if record.is_heartbeat)
    log.change(number, **members)


def swap(log):
    first, second = find(log, VAULT, 1), find(log, VAULT, 2)
    raws = log.kept[first].raw, log.kept[second].raw
    log.change(first, raw=raws[1])
    log.change(second, raw=raws[0])


def drop(log, topic, offset):
    del log.kept[find(log, topic, offset)]


def shadow(log):
    log.bus = replace(
        log.bus, topics={**log.bus.topics, "plain": TopicState({0: Extent(0, 7)}, exported=False)}
    )


def forget(log, topic):
    log.kept = [record for record in log.kept if record.place.topic != topic]
    log.bus = replace(log.bus, topics={name: each for name, each in log.bus.topics.items() if name != topic})


def delete_first(log):
    drop(log, VAULT, 0)
    partitions = log.bus.topics[VAULT].partitions
    log.change_topic(VAULT, partitions={**partitions, HOME: Extent(1, partitions[HOME].end)})


def stay_unread(log):
    partitions = log.bus.topics[VAULT].partitions
    log.change_topic(VAULT, partitions={**partitions, HOME: Extent(0, partitions[HOME].end + 1)})


def last_of(log, topic):
    return log.bus.topics[topic].partitions[HOME].end - 1


def backdate(log):
    """Another event was published two minutes after this one was written, and this one much later."""
    last = find(log, VAULT, last_of(log, VAULT))
    before = find(log, VAULT, last_of(log, VAULT) - 1)
    for number, minutes in ((before, 2), (last, 20)):
        log.change(number, timestamp_ms=log.kept[number].timestamp_ms + minutes * MINUTE_MS)


def move(log, topic, partition):
    """Move the newest record of the vault to the end of another partition."""
    number = find(log, VAULT, last_of(log, VAULT))
    for name, place, by in ((VAULT, HOME, -1), (topic, partition, 1)):
        partitions = log.bus.topics[name].partitions
        extent = Extent(0, partitions[place].end + by)
        log.change_topic(name, partitions={**partitions, place: extent})
    log.change(number, topic=topic, partition=partition, offset=extent.end - 1)


TAMPERED = {
    "a record on another topic": (
        lambda log: move(log, "solekey.rotation.v1", HOME),
        "BUS-04",
        "topic_wrong",
    ),
    "another partition": (
        lambda log: move(log, VAULT, (HOME + 1) % PARTITIONS),
        "BUS-04",
        "partition_wrong",
    ),
    "a hole in the offsets": (lambda log: drop(log, VAULT, 2), "BUS-03", "offset_missing"),
    "the first record deleted": (delete_first, "BUS-03", "offset_missing"),
    "a partition that was not read to its end": (stay_unread, "BUS-03", "offset_missing"),
    "an offset twice": (
        lambda log: log.kept.append(log.kept[find(log, VAULT, 4)]),
        "BUS-03",
        "offset_repeated",
    ),
    "another key": (lambda log: log.change(find(log, VAULT, 1), key=b"acc_other"), "BUS-04", "key_wrong"),
    "no key": (lambda log: log.change(find(log, VAULT, 1), key=None), "BUS-04", "key_wrong"),
    "plaintext in headers": (
        lambda log: log.change(find(log, VAULT, 1), headers=(("note", b"dear diary"),)),
        "BUS-04",
        "headers_present",
    ),
    "two records in reversed order": (swap, "BUS-05", "order_wrong"),
    "published before it was written": (
        lambda log: log.change(find(log, VAULT, 0), timestamp_ms=log.kept[0].timestamp_ms - 2 * MINUTE_MS),
        "BUS-06",
        "published_before_written",
    ),
    "published long after others": (backdate, "BUS-06", "published_late"),
    "published in the future": (
        lambda log: log.change(find(log, VAULT, 4), timestamp_ms=2**45),
        "BUS-06",
        "publish_time_impossible",
    ),
    "publish times that go back": (
        lambda log: log.change(find(log, VAULT, 3), timestamp_ms=log.kept[0].timestamp_ms + 5 * MINUTE_MS),
        "BUS-06",
        "publish_time_backwards",
    ),
    "plaintext in a heartbeat": (
        lambda log: beat(log, raw=encode_json({"at": "2026-11-23T12:00:00.000Z", "diary": "dear"})),
        "BUS-07",
        "heartbeat_malformed",
    ),
    "plaintext in a heartbeat's key": (lambda log: beat(log, key=b"dear"), "BUS-07", "heartbeat_malformed"),
    "a heartbeat without a value": (lambda log: beat(log, raw=None), "BUS-07", "heartbeat_malformed"),
    "a heartbeat of another time": (
        lambda log: beat(log, timestamp_ms=log.kept[0].timestamp_ms + 60 * MINUTE_MS),
        "BUS-07",
        "heartbeat_time",
    ),
    "the topic of heartbeats gone": (lambda log: forget(log, HEARTBEAT_TOPIC), "BUS-01", "topic_missing"),
    "a topic gone": (lambda log: forget(log, "solekey.rotation.v1"), "BUS-01", "topic_missing"),
    "a shadow topic": (shadow, "BUS-01", "topic_unknown"),
    "a retention of a day": (
        lambda log: log.change_topic(VAULT, settings={"retention.ms": "86400000"}),
        "BUS-02",
        "setting_wrong",
    ),
    "a topic that is compacted": (
        lambda log: log.change_topic(VAULT, settings={"cleanup.policy": "compact"}),
        "BUS-02",
        "setting_wrong",
    ),
    "a tombstone": (lambda log: log.change(find(log, VAULT, 4), raw=None), "REC-01", "malformed"),
}


def judge(log, **bounds):
    return verify_log(log, PINS, Bounds(**bounds))


def test_an_honest_bus_is_clean_and_every_check_has_looked():
    report = judge(put_on_bus(tell_whole()))
    assert report.findings == ()
    assert report.verdict is Verdict.CLEAN
    rows = {row.check.id: row.looked_at for row in report.coverage}
    assert all(rows[f"BUS-0{number}"] for number in range(1, 8))


@pytest.mark.parametrize("how", TAMPERED)
def test_tampering_with_the_bus_is_found_and_named(how):
    tamper, check, code = TAMPERED[how]
    log = put_on_bus(tell_whole())
    tamper(log)
    report = judge(log)
    assert (check, code) in {(each.check, each.code) for each in report.findings}
    assert report.verdict is Verdict.VIOLATIONS


def test_a_finding_names_the_record_and_what_it_claims_to_be():
    log = put_on_bus(tell_whole())
    number = find(log, VAULT, 3)
    event = tell_whole()[number]
    log.change(
        number,
        raw=event.raw.replace(b'"bytes":5120', b'"bytes":"5120"').replace(b'"seq":', b'"comment":1,"seq":'),
    )
    finding = next(each for each in judge(log).findings if each.check in {"REC-01", "REC-02"})
    assert (finding.account, finding.stream, finding.seq) == (ACCOUNT, "vault", event.seq)
    assert finding.place == BusPlace(VAULT, HOME, 3)
    assert (finding.summary()["topic"], finding.summary()["offset"]) == (VAULT, 3)


def test_a_finding_of_a_chain_names_the_place_on_the_bus():
    log = put_on_bus(tell_whole())
    number = find(log, VAULT, 1)
    log.change(number, raw=log.kept[number].raw.replace(b'"bytes":4096', b'"bytes":4097'))
    finding = next(each for each in judge(log).findings if each.code == "signature_invalid")
    assert finding.place == log.kept[number].place


def test_what_is_repeated_later_is_no_finding():
    """A publisher that was killed between publishing and marking repeats records."""
    log = put_on_bus(tell_whole())
    again = log.kept[find(log, VAULT, 1)]
    end = log.bus.topics[VAULT].partitions[HOME].end
    at_ms = log.kept[find(log, VAULT, 4)].timestamp_ms + 60 * MINUTE_MS
    log.kept.append(replace(again, place=replace(again.place, offset=end), timestamp_ms=at_ms))
    partitions = log.bus.topics[VAULT].partitions
    log.change_topic(VAULT, partitions={**partitions, HOME: Extent(0, end + 1)})
    report = judge(log)
    assert (report.findings, report.repeated) == ((), 1)


def test_what_waited_while_the_bus_was_away_is_not_late():
    """All were published late, since nobody published in between."""
    log = put_on_bus(tell_whole())
    for number in range(len(log.kept) - 4):
        log.change(number, timestamp_ms=log.kept[number].timestamp_ms + 300 * MINUTE_MS)
    assert [each.code for each in judge(log).findings] == []


def test_a_heartbeat_that_knows_more_than_the_export_holds():
    """The operator exports a bus without its newest events, and leaves the heartbeats as they were."""
    log = put_on_bus(tell_whole())
    last = log.bus.topics[VAULT].partitions[HOME].end - 1
    drop(log, VAULT, last)
    partitions = log.bus.topics[VAULT].partitions
    log.change_topic(VAULT, partitions={**partitions, HOME: Extent(0, last)})
    assert "heartbeat_ahead" in {each.code for each in judge(log).findings}


def test_an_operator_may_name_topics_of_others():
    log = put_on_bus(tell_whole())
    shadow(log)
    assert judge(log, other_topics=frozenset({"plain"})).verdict is Verdict.CLEAN
    assert judge(log).verdict is Verdict.VIOLATIONS


@pytest.mark.parametrize(
    "raw", [b"", b"[" * 60_000, b"\x00\xff", b'{"seq":' + b"9" * 5000 + b"}", b"x" * 200_000]
)
def test_bytes_that_are_no_event_have_their_place(raw):
    log = put_on_bus(tell_whole())
    log.change(find(log, VAULT, 4), raw=raw)
    found = [each for each in judge(log).findings if each.check.startswith("REC")]
    assert [each.place for each in found] == [BusPlace(VAULT, HOME, 4)]


def test_a_file_of_lines_leaves_the_bus_unjudged():
    report = verify_log([event.raw for event in tell_whole()], PINS)
    assert {check.id for check in report.not_run} >= {f"BUS-0{number}" for number in range(1, 8)}


def test_a_record_without_a_place_is_no_heartbeat():
    assert not Record(b"{}").is_heartbeat


def test_a_bus_that_ends_before_a_record_that_was_read():
    log = put_on_bus(tell_whole())
    state = log.bus.topics[VAULT]
    shorter = {
        number: replace(extent, end=max(0, extent.end - 1)) for number, extent in state.partitions.items()
    }
    kept = list(log.kept)
    log.change_topic(VAULT, partitions=shorter)
    log.records = lambda: iter(kept)
    (found,) = (each for each in verify_log(log, PINS).findings if each.check == "BUS-03")
    assert found.code == "partition_shorter"
    assert found.place == BusPlace(VAULT, HOME, shorter[HOME].end)
