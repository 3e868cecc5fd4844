"""What every bus promises (solekey_eventlog.bus.interface), on the embedded bus and on a real Kafka."""

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import count

import pytest

from solekey_eventlog.bus import (
    BusConfigurationError,
    BusUnavailableError,
    Message,
    PartitionLostError,
    Position,
    Record,
    TopicSettings,
)
from solekey_protocol.limits import MAX_EVENT_BYTES
from solekey_protocol.partition import derive_partition
from tests.support.engines.waiting import collect, wait_until


def by_key(records: Iterable[Record]) -> dict[str, list[bytes]]:
    found = defaultdict(list)
    for record in records:
        found[record.key].append(record.value)
    return dict(found)


def make_messages(topic: str, keys: int, each: int) -> list[Message]:
    return [Message(topic, f"account-{key}", b"%d" % n) for n in range(each) for key in range(keys)]


def test_a_record_arrives_byte_for_byte_at_the_position_that_publish_gave(under_test) -> None:
    topic, bus = under_test.make_topic(), under_test.open()
    value = bytes(range(256)) + "é\0".encode()
    position = bus.publish(topic, "account-ä", value)
    (record,) = collect(under_test.join(bus, "g-bytes", topic), 1)
    assert record == Record(topic, position.partition, position.offset, "account-ä", value)
    assert position.partition == derive_partition("account-ä", 3)
    assert bus.publish(topic, "account-ä", b"") == Position(position.partition, position.offset + 1)


def test_the_order_of_each_key_is_the_order_of_publishing(under_test) -> None:
    topic, bus = under_test.make_topic(), under_test.open()
    messages = make_messages(topic, keys=7, each=20)
    positions = bus.publish_many(messages[:100])
    positions += bus.publish_many(messages[100:])
    records = collect(under_test.join(bus, "g-order", topic), len(messages))
    assert by_key(records) == {f"account-{k}": [b"%d" % n for n in range(20)] for k in range(7)}
    at = {(r.partition, r.offset): (r.key, r.value) for r in records}
    assert [at[p.partition, p.offset] for p in positions] == [(m.key, m.value) for m in messages]


def test_what_was_not_committed_comes_again_after_a_crash(under_test) -> None:
    topic, bus = under_test.make_topic(partitions=1), under_test.open()
    bus.publish_many([Message(topic, "a", b"%d" % n) for n in range(5)])
    consumer = under_test.join(bus, "g-crash", topic)
    records = collect(consumer, 5)
    consumer.commit(records[1])  # the effect of the third is not durable when the process ends
    consumer.close()
    again = collect(under_test.join(under_test.open(), "g-crash", topic), 3)
    assert [record.value for record in again] == [b"2", b"3", b"4"]


def test_a_commit_is_seen_by_a_bus_that_is_opened_later(under_test) -> None:
    topic, bus = under_test.make_topic(partitions=1), under_test.open()
    bus.publish(topic, "a", b"0")
    with bus.consumer("g-reopen", [topic]) as consumer:
        (record,) = collect(consumer, 1)
        consumer.commit(record)
    bus.close()
    reopened = under_test.open()
    consumer = under_test.join(reopened, "g-reopen", topic)
    reopened.publish(topic, "a", b"1")
    assert [record.value for record in collect(consumer, 1)] == [b"1"]


def test_two_groups_know_nothing_of_each_other(under_test) -> None:
    topic, bus = under_test.make_topic(), under_test.open()
    bus.publish_many(make_messages(topic, keys=5, each=1))
    first, second = under_test.join(bus, "g-one", topic), under_test.join(bus, "g-two", topic)
    for record in collect(first, 5):
        first.commit(record)
    assert len(collect(second, 5)) == 5
    second.close()
    assert len(collect(under_test.join(bus, "g-two", topic), 5)) == 5  # it has committed nothing itself


def test_a_group_reads_several_topics(under_test) -> None:
    topics, bus = [under_test.make_topic(), under_test.make_topic()], under_test.open()
    for topic in topics:
        bus.publish(topic, "a", topic.encode())
    records = collect(under_test.join(bus, "g-several", *topics), 2)
    assert {(record.topic, record.value) for record in records} == {(t, t.encode()) for t in topics}


def test_seek_delivers_a_record_and_those_after_it_again(under_test) -> None:
    topic, bus = under_test.make_topic(partitions=1), under_test.open()
    bus.publish_many([Message(topic, "a", b"%d" % n) for n in range(4)])
    consumer = under_test.join(bus, "g-seek", topic)
    records = collect(consumer, 4)
    consumer.commit(records[0])
    consumer.seek(records[1])
    with pytest.raises(PartitionLostError):
        consumer.commit(records[3])  # no longer held: it will come again
    again = collect(consumer, 3)
    assert again == records[1:]
    consumer.commit(again[-1])
    consumer.close()
    bus.publish(topic, "a", b"4")
    assert [record.value for record in collect(under_test.join(bus, "g-seek", topic), 1)] == [b"4"]


def test_a_record_that_was_never_delivered_can_be_neither_committed_nor_sought(under_test) -> None:
    topic, bus = under_test.make_topic(partitions=1), under_test.open()
    bus.publish(topic, "a", b"0")
    consumer = under_test.join(bus, "g-foreign", topic)
    (record,) = collect(consumer, 1)
    foreign = Record(topic, 0, record.offset + 1, "a", b"1")
    for act in (consumer.commit, consumer.seek):
        with pytest.raises(PartitionLostError):
            act(foreign)
    consumer.commit(record)  # positive control


def test_many_partitions_are_committed_at_once_and_a_lost_one_spoils_no_other(under_test) -> None:
    topic, bus = under_test.make_topic(partitions=2), under_test.open()
    bus.publish_many(make_messages(topic, keys=6, each=1))
    consumer = under_test.join(bus, "g-many", topic)
    last = {record.partition: record for record in collect(consumer, 6)}
    assert len(last) == 2
    foreign = replace(last[1], offset=last[1].offset + 1)
    with pytest.raises(PartitionLostError):
        consumer.commit(last[0], foreign)
    consumer.close()
    again = under_test.join(bus, "g-many", topic)
    records = collect(again, last[1].offset + 1)
    assert {record.partition for record in records} == {1}
    again.commit(records[-1])
    again.close()


def test_from_end_delivers_only_what_is_published_once_partitions_are_assigned(under_test) -> None:
    topic, bus = under_test.make_topic(partitions=2), under_test.open()
    bus.publish_many(make_messages(topic, keys=6, each=1))
    consumer = under_test.join(bus, "g-end", topic, from_end=True)
    records: list[Record] = []
    published = count()

    def has_joined() -> bool:
        """Publish to both partitions until something arrives: then the consumer has its partitions."""
        bus.publish_many([Message(topic, f"late-{next(published)}", b"late") for _ in range(8)])
        records.extend(consumer.poll(0.5))
        return bool(records)

    wait_until(has_joined)
    assert {record.value for record in records} == {b"late"}


@pytest.mark.parametrize("timeout_s", [0.0, 0.01])
def test_polls_of_no_time_get_there_too(under_test, timeout_s: float) -> None:
    topic, bus = under_test.make_topic(partitions=2), under_test.open()
    bus.publish(topic, "a", b"0")
    consumer = under_test.join(bus, "g-short", topic)
    records: list[Record] = []
    wait_until(lambda: bool(records.extend(consumer.poll(timeout_s)) or records))
    assert [record.value for record in records] == [b"0"]


def test_read_gives_everything_to_the_end_and_stops_there(under_test) -> None:
    topic, bus = under_test.make_topic(), under_test.open()
    assert list(bus.read(topic)) == []
    messages = make_messages(topic, keys=11, each=60)
    bus.publish_many(messages)
    reading = bus.read(topic)
    bus.publish(topic, "account-0", b"later")
    records = list(reading)
    assert by_key(records) == {f"account-{k}": [b"%d" % n for n in range(60)] for k in range(11)}
    assert [(r.partition, r.offset) for r in records] == sorted((r.partition, r.offset) for r in records)
    assert sum(bus.end_offsets(topic).values()) == len(messages) + 1
    assert list(bus.end_offsets(topic)) == [0, 1, 2]


def test_a_log_keeps_its_id_and_no_two_have_the_same(under_test) -> None:
    topics = [under_test.make_topic(partitions=1), under_test.make_topic(partitions=1)]
    bus = under_test.open()
    ids = [bus.log_id(topic) for topic in topics]
    assert len(set(ids)) == 2
    assert [under_test.open().log_id(topic) for topic in topics] == ids
    with pytest.raises(BusConfigurationError, match="does not exist"):
        bus.log_id("test.unknown.v1")


def test_publishing_while_the_bus_is_down_fails_in_time_and_works_when_it_is_back(outage) -> None:
    topic, bus = outage.under_test.make_topic(partitions=1), outage.under_test.open(publish_timeout_s=1.0)
    bus.publish(topic, "a", b"before")
    with outage.unavailable():
        started = time.monotonic()
        with pytest.raises(BusUnavailableError):
            bus.publish_many([Message(topic, "a", b"lost?"), Message(topic, "a", b"never sent")])
        assert time.monotonic() - started < 30.0  # it gives up by itself; how soon, the machine decides
    bus.publish(topic, "a", b"after")
    values = [record.value for record in bus.read(topic)]
    assert [value for value in values if value != b"lost?"] == [b"before", b"after"]


@pytest.mark.slow
def test_a_consumer_outlives_an_outage(outage) -> None:
    topic, bus = outage.under_test.make_topic(partitions=1), outage.under_test.open(request_timeout_s=2.0)
    consumer = outage.under_test.join(bus, "g-outage", topic)
    bus.publish(topic, "a", b"before")
    (record,) = collect(consumer, 1)
    with outage.unavailable(), pytest.raises(BusUnavailableError):
        consumer.commit(record)
    bus.publish(topic, "a", b"after")
    assert b"after" in [record.value for record in collect(consumer, 1)]


def test_a_topic_is_never_created_by_accident(under_test) -> None:
    bus = under_test.open()
    for act in (
        lambda: bus.publish("test.unknown.v1", "a", b""),
        lambda: list(bus.read("test.unknown.v1")),
        lambda: bus.end_offsets("test.unknown.v1"),
        lambda: under_test.join(bus, "g-unknown", "test.unknown.v1").poll(1),
    ):
        with pytest.raises(BusConfigurationError, match="does not exist"):
            act()
    with pytest.raises(BusConfigurationError, match="does not exist"):
        bus.check([TopicSettings("test.unknown.v1")])


def test_check_accepts_the_right_settings_and_names_each_wrong_one(under_test) -> None:
    bus = under_test.open()
    right = TopicSettings(f"test.{time.time_ns()}.v1", partitions=2)
    brief = TopicSettings(f"test.{time.time_ns()}.v1", partitions=1, retention_ms=3_600_000)
    bus.create_topics([right, brief])
    bus.check([right, brief])
    bus.create_topics([TopicSettings(right.name, partitions=5)])  # exists already: stays as it is
    bus.check([right])
    with pytest.raises(BusConfigurationError, match="2 partitions, configured are 6"):
        bus.check([TopicSettings(right.name)])
    with pytest.raises(BusConfigurationError, match=r"retention.ms=3600000, expected -1"):
        bus.check([right, TopicSettings(brief.name, partitions=1)])


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [("", b"", "a key of"), ("k" * 129, b"", "a key of"), ("a", bytes(MAX_EVENT_BYTES + 1), "at most")],
)
def test_what_the_log_could_not_hold_is_refused(under_test, key: str, value: bytes, complaint: str) -> None:
    topic, bus = under_test.make_topic(), under_test.open()
    with pytest.raises(ValueError, match=complaint):
        bus.publish(topic, key, value)
    bus.publish(topic, "k" * 128, bytes(MAX_EVENT_BYTES))  # positive control
    (record,) = bus.read(topic)
    assert len(record.value) == MAX_EVENT_BYTES
