"""python -m solekey_<service> rebuild and recover-own: what the log has and a database lacks."""

from dataclasses import replace

import pytest
from sqlalchemy import delete

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.inbox_replacement import Replacement
from solekey_protocol.event import encode_event
from solekey_protocol.events import Stream
from solekey_protocol.events.devices import DeviceRevoked, RevocationReason
from solekey_protocol.ids import Timestamp
from solekey_protocol.services import TOPICS
from solekey_protocol.streams import DevicesStream, DeviceStatus
from solekey_rotation.definition import DEFINITION as ROTATION
from tests.support.actors import Actor
from tests.support.eventlog.broken_logs import cut_tail, open_empty, read_values
from tests.unit.service.follower import build_follower

TOPIC = TOPICS[Stream.DEVICES]
ANA, BEN, PHONE = Actor("ana", "laptop"), Actor("ben", "laptop"), Actor("ana", "phone")


@pytest.fixture
def rotation(rig, devices):
    """Follows devices, and states that rotations are due once the phone is revoked."""
    rotation = build_follower(rig, devices, ANA, BEN)
    say(rig, PHONE, PHONE.enrolled())
    say(rig, PHONE, PHONE.trusted(), account=ANA.user_key.signing)
    rig.deliver()
    return rotation


def say(rig, actor, body, **keys):
    return rig.append(actor.sign(body, rig.head(body.STREAM, actor.account), **keys))


def revoke(rig):
    event = say(rig, ANA, DeviceRevoked(PHONE.device, RevocationReason.LOST))
    rig.deliver()
    return event


def read_rows(api, *names):
    with api.kernel.store.read() as uow:
        tables = [getattr(uow.tables, name) for name in names]
        return [sorted(map(tuple, uow.connection.execute(table.select()))) for table in tables]


def go_back(api, account, seq):
    """Make a database older: its own events of an account after a place are gone."""
    with api.kernel.store.begin() as uow:
        events, published = uow.tables.events, uow.tables.published
        uow.connection.execute(delete(events).where(events.c.account == account, events.c.seq > seq))
        uow.connection.execute(delete(published))
    api.kernel.streams.forget()


# rebuild


def test_an_inbox_that_is_as_the_log_says_is_compared_and_left(rig, rotation, operate):
    before = read_rows(rotation, "inbox", "events", "parked")
    assert operate(rotation, ROTATION, "rebuild", "--dry-run")[:2] == (
        0,
        "compared 4 events; nothing was changed\nkey ages: as the events say\n",
    )
    for option in ((), ("--verify-signatures",)):
        code, told, _ = operate(rotation, ROTATION, "rebuild", *option)
        assert (code, told) == (
            0,
            "rebuilt the inbox from 4 events; 0 accounts are parked\nkey ages: as the events say\n",
        )
    assert read_rows(rotation, "inbox", "events", "parked") == before


@pytest.mark.parametrize("damage", ["lost", "all", "bytes", "digest", "place"])
def test_an_inbox_that_differs_becomes_what_the_log_says(rig, rotation, operate, damage):
    revoke(rig)
    before, whole = read_rows(rotation, "inbox"), read_rows(rotation, "events")
    with rotation.kernel.store.begin() as uow:
        inbox = uow.tables.inbox
        place = (inbox.c.account == ANA.account, inbox.c.seq == 2)
        change = {"bytes": {"raw": b"x"}, "digest": {"digest": "0" * 64}, "place": {"seq": 9}}.get(damage)
        if change is not None:
            uow.connection.execute(inbox.update().where(*place).values(change))
        else:
            uow.connection.execute(delete(inbox).where(*(place if damage == "lost" else ())))
    rotation.kernel.streams.forget()
    code, told, _ = operate(rotation, ROTATION, "rebuild", "--dry-run")
    assert (code, "accounts differ" in told, "nothing was changed" in told) == (1, True, True)
    assert read_rows(rotation, "inbox") != before
    assert operate(rotation, ROTATION, "rebuild")[0] == 0
    assert read_rows(rotation, "inbox") == before
    if damage != "all":  # then nobody knows any more what had been reacted to
        assert read_rows(rotation, "events") == whole
    assert operate(rotation, ROTATION, "check")[0] == 0


def test_what_was_applied_and_is_not_in_the_log_is_not_forgotten_without_consent(
    rig, devices, rotation, operate, path
):
    """A revocation: a rebuild from a log that lost it would trust the phone again."""
    revoke(rig)
    before = read_rows(rotation, "inbox")
    partition = cut_tail(path, TOPIC, 1)
    code, told, why = operate(rotation, ROTATION, "rebuild")
    assert (code, told) == (1, "")
    lost = f"{TOPIC}: 1 events of 1 accounts ({ANA.account}) in partition {partition}: 1"
    assert lost in why
    assert "First: python -m solekey_devices republish" in why
    assert operate(rotation, ROTATION, "rebuild", "--dry-run")[0] == 1
    assert read_rows(rotation, "inbox") == before
    assert operate(rotation, ROTATION, "rebuild", "--accept-loss")[0] == 0
    assert status_of_phone(rotation) is DeviceStatus.TRUSTED
    assert rotation.kernel.find_log_fault() is None
    assert operate(devices, DEVICES, "republish")[0] == 0
    for record in rig.bus.read(TOPIC):
        rotation.kernel.projector.apply(record)
    assert status_of_phone(rotation) is DeviceStatus.REVOKED


def status_of_phone(api):
    with api.kernel.store.read() as uow:
        return api.kernel.streams.fold(uow, ANA.account, DevicesStream).devices[PHONE.device].status


def test_after_another_log_was_filled_each_service_takes_it_for_its_own(
    rig, devices, rotation, operate, tmp_path
):
    """The broker lost its disk (F4): everybody republishes, then everybody rebuilds, and all is as before."""
    revoke(rig)
    before = read_rows(rotation, "inbox", "events"), read_rows(devices, "inbox", "events")
    other = tmp_path / "other.db"
    services = ((devices, DEVICES), (rotation, ROTATION))
    with open_empty(other, 6) as bus:
        assert operate(rotation, ROTATION, "rebuild", bus=other)[0] == 1  # nothing is there yet
        for command in ("republish", "rebuild", "check"):
            for api, definition in services:
                code, told, why = operate(api, definition, command, bus=other)
                assert code == 0, (command, told, why)
        for api, _ in services:
            replace(api.kernel, bus=bus).check_bus()
        assert sorted(read_values(bus, TOPIC)) == sorted(read_values(rig.bus, TOPIC))
    after = read_rows(rotation, "inbox"), read_rows(devices, "inbox")
    assert after == (before[0][:1], before[1][:1])


def test_a_forged_signature_is_parked_by_a_rebuild_and_found_where_it_was_let_in(rig, rotation, operate):
    """Positive control of --verify-signatures: a row that somebody wrote into log and inbox."""
    event = forge(rig, DeviceRevoked(PHONE.device, RevocationReason.LOST), account=PHONE.key)
    place = rig.bus.publish(TOPIC, ANA.account, event.raw)
    with rotation.kernel.store.begin() as uow:
        row = {"account": event.account, "stream": "devices", "seq": event.seq}
        row |= {"digest": event.digest, "raw": event.raw}
        uow.connection.execute(uow.tables.inbox.insert().values(row))
    assert place.offset == 3
    assert operate(rotation, ROTATION, "rebuild", "--dry-run")[0] == 0
    assert operate(rotation, ROTATION, "rebuild", "--dry-run", "--verify-signatures")[0] == 1
    code, told, _ = operate(rotation, ROTATION, "rebuild", "--verify-signatures")
    assert (code, "1 accounts are parked" in told) == (0, True)


def test_a_rebuild_that_is_interrupted_has_changed_nothing(rig, rotation, operate, monkeypatch):
    with rotation.kernel.store.begin() as uow:
        uow.connection.execute(delete(uow.tables.inbox))
    before = read_rows(rotation, "inbox", "applied", "foundations")

    def interrupt(self, copy, accounts):
        _replace(self, copy, accounts)
        raise KeyboardInterrupt

    _replace = Replacement.replace
    with monkeypatch.context() as patch:
        patch.setattr(Replacement, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            operate(rotation, ROTATION, "rebuild")
    assert read_rows(rotation, "inbox", "applied", "foundations") == before
    assert operate(rotation, ROTATION, "rebuild")[0] == 0


# recover-own


def test_own_events_that_only_the_log_has_come_back_byte_for_byte(rig, devices, rotation, operate):
    """The database of devices is older than the log (F5): without them it would trust the phone again."""
    revoke(rig)
    before = read_rows(devices, "events")
    go_back(devices, ANA.account, 2)
    assert "does not have" in devices.kernel.find_log_fault()
    code, told, _ = operate(devices, DEVICES, "check")
    assert (code, "1. python -m solekey_devices recover-own" in told) == (1, True)
    assert "recover-own" in operate(devices, DEVICES, "republish")[2]

    said = operate(devices, DEVICES, "recover-own", "--dry-run")
    assert (said[0], f"the database lacks, 2 events of 1 accounts ({ANA.account})" in said[1]) == (0, True)
    assert len(read_rows(devices, "events")[0]) == 3
    code, told, why = operate(devices, DEVICES, "recover-own")
    assert code == 0, why
    assert "of them nobody has signed: none" in told
    assert operate(devices, DEVICES, "republish")[0] == 0
    after = read_rows(devices, "events")
    assert [row[:5] for row in after[0]] == [row[:5] for row in before[0]]
    assert devices.kernel.find_log_fault() is None
    assert operate(devices, DEVICES, "check")[0] == 0
    devices.kernel.streams.forget()
    assert status_of_phone(devices) is DeviceStatus.REVOKED
    assert "nothing that the database lacks" in operate(devices, DEVICES, "recover-own")[1]


def test_facts_that_nobody_signed_are_taken_back_with_consent_only(rig, devices, rotation, operate):
    """Rotation states what is due; its inbox is as old as its database, and it reacts only once."""
    revoke(rig)
    before = read_rows(rotation, "events")
    stated = len(before[0])
    assert stated == 2
    go_back(rotation, ANA.account, 0)
    with rotation.kernel.store.begin() as uow:
        inbox = uow.tables.inbox
        uow.connection.execute(delete(inbox).where(inbox.c.account == ANA.account, inbox.c.seq > 1))
        uow.connection.execute(delete(uow.tables.applied))
    code, told, why = operate(rotation, ROTATION, "recover-own")
    assert (code, "nobody can be asked" in why) == (1, True)
    assert "rotation_due.v1 2" in told
    assert read_rows(rotation, "events") == [[]]
    assert operate(rotation, ROTATION, "recover-own", "--yes")[0] == 0
    for command in ("republish", "rebuild", "check"):
        assert operate(rotation, ROTATION, command)[0] == 0, command
    assert [row[:5] for row in read_rows(rotation, "events")[0]] == [row[:5] for row in before[0]]


def test_without_recovery_the_reaction_would_contradict_the_log(rig, devices, rotation, operate):
    """Positive control: what F5 saw, a second history of the same account."""
    revoke(rig)
    go_back(rotation, ANA.account, 0)
    with rotation.kernel.store.begin() as uow:
        inbox = uow.tables.inbox
        uow.connection.execute(delete(inbox).where(inbox.c.account == ANA.account, inbox.c.seq > 1))
    rig.clock.advance(3600)
    assert operate(rotation, ROTATION, "rebuild")[0] == 0
    code, _, why = operate(rotation, ROTATION, "recover-own", "--yes")
    assert (code, "two histories" in why) == (1, True)


def forge(rig, body, *, actor=ANA, after=None, **keys):
    head = after or rig.head(Stream.DEVICES, actor.account)
    signed = actor.sign(body, head, **keys)
    now = Timestamp.from_datetime(rig.clock.now())
    return encode_event(signed, account=actor.account, after=head, time=now)


@pytest.mark.parametrize("how", ["signature", "other account's key", "gap", "fork", "junk"])
def test_a_forged_record_of_the_own_topic_is_never_taken(rig, devices, rotation, operate, how):
    revoked = DeviceRevoked(PHONE.device, RevocationReason.LOST)
    event = forge(rig, revoked)
    key, value, why_not = ANA.account, event.raw, "does not continue"
    if how == "signature":  # of somebody who has the phone, and not the user key
        value = forge(rig, revoked, account=PHONE.key).raw
    elif how == "other account's key":
        key, why_not = BEN.account, "its key or topic is not its event's"
    elif how == "gap":
        value = forge(rig, revoked, after=replace(rig.head(Stream.DEVICES, ANA.account), seq=7)).raw
    elif how == "fork":
        value = forge(rig, revoked, after=rig.events(Stream.DEVICES, ANA.account)[1].head).raw
    elif how == "junk":
        value, why_not = b"junk", "it is no event"
    rig.bus.publish(TOPIC, key, value)
    before = read_rows(devices, "events")
    code, _, why = operate(devices, DEVICES, "recover-own", "--yes")
    assert (code, why_not in why, "othing was changed" in why) == (1, True, True), why
    assert read_rows(devices, "events") == before
    assert devices.kernel.find_log_fault() is not None  # and nothing is served beside it


def test_a_true_record_is_taken_where_a_forged_one_is_not(rig, devices, rotation, operate):
    """Positive control of the forgeries."""
    event = forge(rig, DeviceRevoked(PHONE.device, RevocationReason.LOST))
    rig.bus.publish(TOPIC, ANA.account, event.raw)
    assert operate(devices, DEVICES, "recover-own")[0] == 0
    with devices.kernel.store.read() as uow:
        assert uow.head(ANA.account) == event.head
