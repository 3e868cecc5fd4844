"""python -m solekey_<service> check|republish: the log lost what the database has, and gets it back."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.bus import BusUnavailableError
from solekey_eventlog.bus.embedded import EmbeddedBus
from solekey_eventlog.log_index import LogIndex
from solekey_eventlog.publisher_lock import open_publisher_lock
from solekey_protocol.event import encode_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import Timestamp
from solekey_protocol.partition import derive_partition
from solekey_protocol.services import TOPICS
from solekey_protocol.statements import EMPTY_HEAD
from solekey_rotation.definition import DEFINITION as ROTATION
from tests.support.actors import Actor
from tests.support.eventlog.broken_logs import cut_tail, open_empty, read_values
from tests.unit.service.follower import build_follower

TOPIC = TOPICS[Stream.DEVICES]
ANA, BEN, PHONE = Actor("ana", "laptop"), Actor("ben", "laptop"), Actor("ana", "phone")
SAME = "the database of {} and the log hold the same\n"


@pytest.fixture
def rotation(rig, devices):
    """Follows devices. Both know two accounts, of which one has a second device, and which log they use."""
    rotation = build_follower(rig, devices, ANA, BEN)
    enrol(rig)
    rig.deliver()
    return rotation


def enrol(rig, phone=PHONE):
    return rig.append(phone.sign(phone.enrolled(), rig.head(Stream.DEVICES, phone.account)))


def read_inbox(api):
    with api.kernel.store.read() as uow:
        table = uow.tables.inbox
        columns = (table.c.account, table.c.stream, table.c.seq, table.c.raw)
        return uow.connection.execute(table.select().with_only_columns(*columns).order_by(*columns[:3])).all()


def follow(rig, api):
    """Deliver the whole log again: repetitions, and what is new."""
    for topic in api.kernel.topics:
        for record in rig.bus.read(topic):
            api.kernel.projector.apply(record)


def test_where_nothing_differs_there_is_nothing_to_do(devices, rotation, operate):
    for api, definition in ((devices, DEVICES), (rotation, ROTATION)):
        assert operate(api, definition, "check")[:2] == (0, SAME.format(definition.service))
        with open_publisher_lock(api.kernel.engine) as lock:  # as a running service does
            assert lock.acquire()
            assert operate(api, definition, "check")[0] == 0
            assert operate(api, definition, "republish")[0] == 1
    assert operate(devices, DEVICES, "republish")[1] == f"{TOPIC} lacks nothing\n"


def test_what_the_log_has_lost_is_found_and_published_again(rig, devices, rotation, operate, path):
    before = read_values(rig.bus, TOPIC)
    partition = cut_tail(path, TOPIC, 1)
    assert partition == derive_partition(ANA.account, 6)
    lost = f"1 events of 1 accounts ({ANA.account}) in partition {partition}: 1"

    code, told, _ = operate(devices, DEVICES, "check")
    assert (code, f"{TOPIC}: the log lacks {lost}" in told) == (1, True)
    assert re.findall(r"\d\. python -m (.+)", told) == ["solekey_devices republish"]
    code, told, _ = operate(rotation, ROTATION, "check")
    assert (code, f"lacks what was applied here: {lost}" in told) == (1, True)
    steps = ["solekey_devices republish", "solekey_rotation rebuild"]
    assert re.findall(r"\d\. python -m (.+)", told) == steps

    said = operate(devices, DEVICES, "republish", "--dry-run")
    assert said[:2] == (0, f"{TOPIC} lacks {lost}; nothing was published\n")
    assert len(read_values(rig.bus, TOPIC)) == len(before) - 1
    assert "ends at" in devices.kernel.find_log_fault()

    assert operate(devices, DEVICES, "republish")[:2] == (0, f"{TOPIC} lacked {lost}; published 1 events\n")
    assert read_values(rig.bus, TOPIC) == before  # byte for byte, under the same keys, in their partitions
    for api, definition in ((devices, DEVICES), (rotation, ROTATION)):
        assert operate(api, definition, "check")[0] == 0
        assert api.kernel.find_log_fault() is None
    assert operate(devices, DEVICES, "republish")[1] == f"{TOPIC} lacks nothing\n"


def test_a_log_that_grew_again_gets_what_it_lost_and_followers_have_everything_once(
    rig, devices, rotation, operate, path
):
    """The end was lost before rotation had read it, and newer events of the account were published since."""
    enrol(rig, Actor("ana", "tablet"))
    devices.kernel.publisher.publish_pending()
    cut_tail(path, TOPIC, 2)  # rotation knows the first of them
    newest = enrol(rig, Actor("ana", "watch"))
    rig.bus.publish(TOPIC, ANA.account, newest.raw)
    follow(rig, rotation)
    assert rotation.kernel.projector.count_parked() == 1  # the newest continues what it does not know
    assert operate(devices, DEVICES, "check")[0] == 1
    code, told, _ = operate(devices, DEVICES, "republish")
    assert (code, "lacked 2 events of 1 accounts" in told) == (0, True)
    follow(rig, rotation)
    follow(rig, rotation)
    assert rotation.kernel.projector.count_parked() == 0
    with devices.kernel.store.read() as uow:
        own = uow.records(ANA.account)
    assert [row.raw for row in read_inbox(rotation) if row.account == ANA.account] == own
    assert len(own) == 4


def test_another_empty_log_gets_everything(rig, devices, rotation, operate, tmp_path):
    """The broker lost its disk, and was formatted anew: another id, and no record."""
    before = read_values(rig.bus, TOPIC)
    other = tmp_path / "other.db"
    with open_empty(other, 6) as bus:
        assert "ends at 0" in replace(devices.kernel, bus=bus).find_log_fault()
        assert operate(devices, DEVICES, "check", bus=other)[0] == 1
        code, told, _ = operate(devices, DEVICES, "republish", bus=other)
        assert (code, "published 3 events" in told) == (0, True)
        assert sorted(read_values(bus, TOPIC)) == sorted(before)
        assert "solekey_devices republish" not in operate(devices, DEVICES, "check", bus=other)[1]
        assert f"{TOPIC} " not in replace(devices.kernel, bus=bus).find_log_fault()
        assert "not the log that" in replace(rotation.kernel, bus=bus).find_log_fault()


def test_a_republish_that_is_interrupted_is_repeated(rig, devices, rotation, operate, path, monkeypatch):
    before = read_values(rig.bus, TOPIC)
    cut_tail(path, TOPIC, 1)

    def publish(*_):
        raise BusUnavailableError("cut")

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedBus, "publish_many", publish)
        assert operate(devices, DEVICES, "republish")[0] == 1
    assert operate(devices, DEVICES, "check")[0] == 0  # it waits in the outbox, as if it had never gone
    assert devices.kernel.store.count_unpublished() == 1
    assert operate(devices, DEVICES, "republish")[0] == 0
    assert read_values(rig.bus, TOPIC) == before


def test_a_republish_that_skips_an_event_is_caught_by_check(
    rig, devices, rotation, operate, path, monkeypatch
):
    """Positive control: one of the two lost events is passed over, and the ends are noted as they are."""
    cut_tail(path, TOPIC, 2)
    skipped = []

    def missing(index):
        first, *skipped[:] = _missing(index)
        return iter([first])

    _missing = LogIndex.missing
    with monkeypatch.context() as patch:
        patch.setattr(LogIndex, "missing", missing)
        assert "published 1 events" in operate(devices, DEVICES, "republish")[1]
    assert devices.kernel.find_log_fault() is None  # the ends do not tell
    code, told, _ = operate(devices, DEVICES, "check")
    assert (code, f"the log lacks 1 events of 1 accounts ({skipped[0].account})" in told) == (1, True)


def test_a_record_that_only_the_log_has_stops_a_republish(rig, devices, rotation, operate, path):
    cut_tail(path, TOPIC, 1)
    rig.bus.publish(TOPIC, BEN.account, b"forged")
    before = read_values(rig.bus, TOPIC)
    code, told, why = operate(devices, DEVICES, "republish")
    assert (code, told) == (1, "")
    assert "the database of this service does not have; nothing was changed" in why
    assert read_values(rig.bus, TOPIC) == before
    code, told, _ = operate(devices, DEVICES, "check")
    assert (code, f"the log has, and the database lacks, 1 events of 1 accounts ({BEN.account})" in told) == (
        1,
        True,
    )


def test_a_follower_that_passed_a_record_over_is_found(rig, devices, rotation, operate):
    with rotation.kernel.store.begin() as uow:
        inbox = uow.tables.inbox
        uow.connection.execute(delete(inbox).where(inbox.c.account == ANA.account, inbox.c.seq == 2))
    code, told, _ = operate(rotation, ROTATION, "check")
    assert code == 1
    assert f"{TOPIC}: passed over, neither applied nor parked: 1 events of 1 accounts ({ANA.account})" in told
    assert "python -m solekey_rotation rebuild" in told
    assert operate(rotation, ROTATION, "rebuild")[0] == 0
    assert operate(rotation, ROTATION, "check")[0] == 0


def test_records_that_are_on_their_way_are_no_finding(rig, devices, rotation, operate):
    enrol(rig, Actor("ana", "tablet"))
    assert operate(devices, DEVICES, "check")[0] == 0  # unpublished
    devices.kernel.publisher.publish_pending()
    assert operate(rotation, ROTATION, "check")[0] == 0  # not applied


def test_parked_accounts_and_places_with_other_bytes_are_found(rig, devices, rotation, operate):
    (founded,) = rig.events(Stream.DEVICES, BEN.account)
    later = Timestamp.from_datetime(rig.clock.now() + timedelta(hours=1))
    other = encode_event(founded.signed, account=BEN.account, after=EMPTY_HEAD, time=later)
    rig.bus.publish(TOPIC, BEN.account, other.raw)
    follow(rig, rotation)
    code, told, _ = operate(rotation, ROTATION, "check")
    assert (code, "1 accounts are parked and refused (chain_fork)" in told) == (1, True)
    with rotation.kernel.store.begin() as uow:  # as an event does that fills the place
        uow.connection.execute(delete(uow.tables.parked))
    code, told, _ = operate(rotation, ROTATION, "check")
    assert (code, "other bytes for places that were applied: 1 events" in told) == (1, True)


@pytest.mark.parametrize("change", ["raw", "gap"])
def test_stored_events_that_are_damaged_are_found(rig, devices, rotation, operate, change):
    with devices.kernel.store.begin() as uow:
        events = uow.tables.events
        place = (events.c.account == ANA.account, events.c.seq == 1)
        if change == "raw":
            uow.connection.execute(update(events).where(*place).values(raw=b"x"))
        else:
            uow.connection.execute(delete(events).where(*place))
    code, told, _ = operate(devices, DEVICES, "check")
    assert code == 1
    assert f"stored events are damaged or do not follow each other: 1 ({ANA.account} seq" in told
    assert "1. restore the database of devices from a backup" in told


def test_topics_that_are_not_as_configured_are_a_configuration_error(devices, rotation, operate, tmp_path):
    with open_empty(tmp_path / "few.db", 3):
        for command in ("check", "republish"):
            code, told, why = operate(devices, DEVICES, command, bus=tmp_path / "few.db")
            assert (code, told, "3 partitions, configured are 6" in why) == (2, "", True)
