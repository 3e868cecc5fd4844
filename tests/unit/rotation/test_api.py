"""The rotation service over its kernel, on SQLite and PostgreSQL, following devices and vault."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.errors import StalePositionError
from solekey_protocol.events import Stream, devices, vault
from solekey_protocol.events import rotation as events
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import compute_digest
from solekey_protocol.streams import RotationStream
from solekey_protocol.wrap import SecretKind
from solekey_rotation import schedule
from solekey_rotation.definition import DEFINITION
from solekey_rotation.gauges import GAUGES
from solekey_rotation.refusals import RotationOpen
from solekey_rotation.tables import metadata
from solekey_service.refusals import DeviceNotTrusted, Forbidden, RevokedDevice, StepUpRequired
from solekey_vault.definition import DEFINITION as VAULT
from tests.support.actors import Actor, UserKey, derive_rotation_id
from tests.support.keys import derive_commit_key
from tests.support.migrated_schema import find_differences

LAPTOP, PHONE = Actor("ana", "laptop"), Actor("ana", "phone")
NEW = UserKey("ana's second user key")
ROTATION = derive_rotation_id("one")


@pytest.fixture
def api(rig, tmp_path):
    rig.build(DEVICES)
    rig.build(VAULT, object_store_url=f"file://{tmp_path}/objects")
    api = rig.build(DEFINITION)
    rig.log_in(LAPTOP)
    rig.log_in(PHONE)
    return api


def wrap(epoch=1, version=1, key_id=LAPTOP.user_key.key_id, rotation=None):
    suite = vault.WrapSuite.HKDF_SHA256_AES256GCM
    digest = compute_digest(f"{epoch}/{version}".encode())
    commit_key = derive_commit_key(epoch).public
    return vault.KeyWrapped(SecretKind.DATA_KEY, epoch, version, key_id, suite, digest, commit_key, rotation)


def derive_digest(*wraps):
    """Spec: rotation.md §3."""
    return compute_digest(b"".join(sorted(bytes.fromhex(wrap.wrap) for wrap in wraps)))


def append(rig, actor, body, **signers):
    """Put an event where another service would have put it."""
    others = [stream for stream in Stream if stream is not body.STREAM and stream in rig.kernels]
    heads = {s: h for s, h in rig.heads(actor.account, *others).items() if h.seq}
    return rig.append(actor.sign(body, rig.head(body.STREAM, actor.account), heads, **signers))


def say(rig, api, actor, body, **signers):
    heads = rig.heads(actor.account, Stream.DEVICES, Stream.VAULT)
    signed = actor.sign(
        body, rig.head(Stream.ROTATION, actor.account), {s: h for s, h in heads.items() if h.seq}, **signers
    )
    return api.post_statement(actor.request(signed.to_json()))


@pytest.fixture
def account(rig, api):
    append(rig, LAPTOP, LAPTOP.founded())
    append(rig, LAPTOP, wrap())
    rig.deliver(Stream.ROTATION)
    return api


def started(rotation=ROTATION, new=NEW):
    return events.RotationStarted(
        rotation,
        RotationKind.USER_KEY,
        events.RotationReason.REQUESTED,
        LAPTOP.user_key.key_id,
        new.key_id,
        1,
        1,
    )


def test_the_migrated_schema_is_the_metadata(api):
    assert find_differences(api.kernel.engine, metadata) == []


def test_to_start_a_rotation_asks_for_a_fresh_second_factor_unless_it_is_due(rig, account):
    rig.clock.advance(301)
    with pytest.raises(StepUpRequired):
        say(rig, account, LAPTOP, started())
    rig.step_up(LAPTOP)
    assert say(rig, account, LAPTOP, started()).status == 201
    append(rig, LAPTOP, devices.KeyChangeAbandoned(ROTATION, NEW.key_id))
    rig.deliver(Stream.ROTATION)
    aborted = events.RotationAborted(ROTATION, events.AbortReason.USER_REQUEST)
    assert say(rig, account, LAPTOP, aborted).status == 201
    rig.clock.advance(366 * 86400)
    assert announce(rig, account) == 2
    due_one = started(derive_rotation_id("due"), UserKey("ana's third user key"))
    assert say(rig, account, LAPTOP, due_one).status == 201


def test_a_saga_from_start_to_end(rig, account):
    assert say(rig, account, LAPTOP, started()).status == 201
    append(rig, LAPTOP, wrap(1, 2, NEW.key_id, ROTATION))
    rig.deliver(Stream.ROTATION)
    assert (
        say(rig, account, LAPTOP, events.RotationVerified(ROTATION, 1, derive_digest(wrap(1, 2)))).status
        == 201
    )
    append(rig, LAPTOP, LAPTOP.key_changed(NEW, ROTATION), next_account=NEW.signing)
    rig.deliver(Stream.ROTATION)
    new = {"account": NEW.signing}
    assert say(rig, account, LAPTOP, events.RotationCommitted(ROTATION, ()), **new).status == 201
    append(rig, LAPTOP, vault.WrapRetired(SecretKind.DATA_KEY, 1, 1, wrap().wrap), **new)
    rig.deliver(Stream.ROTATION)
    assert say(rig, account, LAPTOP, events.RotationCompleted(ROTATION), **new).status == 201


def read_gauges(api):
    return {
        (gauge.name.removeprefix("solekey_"), *labels): number
        for gauge in GAUGES
        for labels, number in gauge.read(api).items()
    }


def test_the_operator_sees_how_many_rotations_are_open_and_since_when(rig, account):
    names = ("rotations_open", "rotation_oldest_seconds")
    nothing = {(name, kind): 0 for name in names for kind in RotationKind}
    assert read_gauges(account) == nothing
    say(rig, account, LAPTOP, started())
    rig.clock.advance(90)
    open_one = nothing | {
        ("rotations_open", RotationKind.USER_KEY): 1,
        ("rotation_oldest_seconds", RotationKind.USER_KEY): 90,
    }
    assert read_gauges(account) == open_one
    account.rebuild_key_ages()
    assert read_gauges(account) == open_one
    append(rig, LAPTOP, devices.KeyChangeAbandoned(ROTATION, NEW.key_id))
    rig.deliver(Stream.ROTATION)
    say(rig, account, LAPTOP, events.RotationAborted(ROTATION, events.AbortReason.USER_REQUEST))
    assert read_gauges(account) == nothing


def test_a_rotation_of_a_closed_account_is_not_open_for_ever(rig, account):
    say(rig, account, LAPTOP, started())
    rig.close_account(LAPTOP)
    assert set(read_gauges(account).values()) == {0}


def test_the_same_statement_is_written_once(rig, account):
    heads = rig.heads(LAPTOP.account, Stream.DEVICES, Stream.VAULT)
    signed = LAPTOP.sign(started(), heads=heads)
    first = account.post_statement(LAPTOP.request(signed.to_json()))
    again = account.post_statement(LAPTOP.request(signed.to_json()))
    assert (first.status, again.status) == (201, 200)
    assert first.body == again.body
    other = LAPTOP.sign(events.PolicySet(1, 1), heads=heads)
    with pytest.raises(StalePositionError):
        account.post_statement(LAPTOP.request(other.to_json()))


def test_a_second_rotation_is_told_of_the_first(rig, account):
    say(rig, account, LAPTOP, started())
    with pytest.raises(RotationOpen) as refused:
        say(rig, account, LAPTOP, started(derive_rotation_id("another")))
    assert refused.value.extras["rotation"] == ROTATION


def test_only_trusted_devices_speak(rig, account):
    append(rig, PHONE, PHONE.enrolled())
    rig.deliver(Stream.ROTATION)
    with pytest.raises(DeviceNotTrusted):
        say(rig, account, PHONE, events.PolicySet(90, 90))
    append(rig, PHONE, PHONE.trusted())
    rig.deliver(Stream.ROTATION)
    assert say(rig, account, PHONE, events.PolicySet(90, 90)).status == 201
    append(rig, LAPTOP, devices.DeviceRevoked(PHONE.device, devices.RevocationReason.LOST))
    rig.deliver(Stream.ROTATION)
    with pytest.raises(RevokedDevice):
        say(rig, account, PHONE, events.PolicySet(30, 30))


def test_nobody_speaks_for_another_device(rig, account):
    signed = LAPTOP.sign(started(), heads=rig.heads(LAPTOP.account, Stream.DEVICES, Stream.VAULT))
    with pytest.raises(Forbidden):
        account.post_statement(PHONE.request(signed.to_json()))


def due(rig):
    history = rig.events(Stream.ROTATION, LAPTOP.account)
    return [event.body.kind for event in history if isinstance(event.body, events.RotationDue)]


def announce(rig, api):
    """One run of the job, when every feed was heard."""
    rig.hear(Stream.ROTATION)
    return api.announce_due()


def test_keys_become_due_once_and_again_after_a_rotation(rig, account):
    say(rig, account, LAPTOP, events.PolicySet(90, 30))
    assert announce(rig, account) == 0
    rig.clock.advance(timedelta(days=31).total_seconds())
    assert announce(rig, account) == 1
    assert due(rig) == [RotationKind.DATA_KEY]
    assert announce(rig, account) == 0
    rig.clock.advance(timedelta(days=60).total_seconds())
    assert announce(rig, account) == 1
    assert due(rig) == [RotationKind.DATA_KEY, RotationKind.USER_KEY]
    rig.clock.advance(timedelta(days=365).total_seconds())
    assert announce(rig, account) == 0


def test_a_rewrap_makes_no_key_younger(rig, account):
    say(rig, account, LAPTOP, events.PolicySet(90, 30))
    rig.clock.advance(timedelta(days=29).total_seconds())
    append(rig, LAPTOP, wrap(1, 2))
    rig.deliver(Stream.ROTATION)
    rig.clock.advance(timedelta(days=2).total_seconds())
    assert announce(rig, account) == 1
    assert due(rig) == [RotationKind.DATA_KEY]


def test_a_revocation_makes_both_rotations_due_if_the_device_had_the_keys(rig, account):
    for phone, had_the_keys in ((Actor("ana", "pending"), False), (PHONE, True)):
        append(rig, phone, phone.enrolled())
        if had_the_keys:
            append(rig, phone, phone.trusted())
        append(rig, LAPTOP, devices.DeviceRevoked(phone.device, devices.RevocationReason.LOST))
        rig.deliver(Stream.ROTATION)
        assert due(rig) == ([RotationKind.USER_KEY, RotationKind.DATA_KEY] if had_the_keys else [])
    rig.deliver(Stream.ROTATION)  # again: said once
    assert len(due(rig)) == 2


def test_the_key_ages_rebuild_from_zero(rig, account):
    rig.clock.advance(timedelta(days=3).total_seconds())
    append(rig, LAPTOP, LAPTOP.key_changed(NEW, ROTATION), next_account=NEW.signing)
    rig.deliver(Stream.ROTATION)
    rig.step_up(LAPTOP)
    say(rig, account, LAPTOP, events.PolicySet(90, 30), account=NEW.signing)

    def dump():
        with account.kernel.store.read() as uow:
            return uow.connection.execute(select(metadata.tables["key_ages"])).all()

    before = dump()
    assert before[0].user_key_since - before[0].data_key_since == timedelta(days=3)
    account.rebuild_key_ages()
    assert dump() == before


def test_without_a_policy_the_operators_holds(rig, account):
    rig.clock.advance(timedelta(days=364).total_seconds())
    assert announce(rig, account) == 0
    rig.clock.advance(timedelta(days=1).total_seconds())
    assert announce(rig, account) == 2


@pytest.mark.parametrize("days", [-30, 400])
def test_a_clock_that_jumps_announces_nothing(rig, account, days):
    """Not even for keys that would be due by it; once it runs evenly for an hour it is taken for right."""
    say(rig, account, LAPTOP, events.PolicySet(90, 30))
    assert announce(rig, account) == 0
    right = rig.clock.now()
    rig.clock.set_wall(right + timedelta(days=days))
    assert announce(rig, account) == 0
    rig.clock.advance(600)
    assert announce(rig, account) == 0
    rig.clock.set_wall(right + timedelta(seconds=600))
    assert announce(rig, account) == 0
    rig.clock.advance(timedelta(days=31).total_seconds())
    assert announce(rig, account) == 1
    assert due(rig) == [RotationKind.DATA_KEY]


def test_a_clock_that_stays_where_it_jumped_to_is_right_after_an_hour(rig, account):
    assert announce(rig, account) == 0
    rig.clock.set_wall(rig.clock.now() + timedelta(days=400))
    assert announce(rig, account) == 0
    rig.clock.advance(3600)
    assert announce(rig, account) == 2


def test_nothing_is_announced_before_the_other_streams_are_followed(rig, account):
    """After a downtime: what was closed or revoked meanwhile is not applied yet."""
    rig.clock.advance(timedelta(days=400).total_seconds())
    assert account.announce_due() == 0
    assert announce(rig, account) == 2


def test_several_replicas_announce_once(rig, account):
    rig.clock.advance(timedelta(days=400).total_seconds())
    replica = rig.start(DEFINITION, account.kernel.config)
    for api in (account, replica):
        rig.kernels[Stream.ROTATION] = api.kernel
        rig.hear(Stream.ROTATION)
    with ThreadPoolExecutor(2) as pool:
        stated = list(pool.map(lambda api: api.announce_due(), (account, replica)))
    replica.kernel.close()
    rig.kernels[Stream.ROTATION] = account.kernel
    assert sum(stated) == 2
    assert sorted(due(rig)) == [RotationKind.DATA_KEY, RotationKind.USER_KEY]


def test_a_long_downtime_is_worked_off_in_one_run(rig, account, monkeypatch):
    monkeypatch.setattr(schedule, "_PER_PAGE", 1)
    others = [Actor(f"user {number}", "laptop") for number in range(3)]
    for other in others:
        rig.append(other.sign(other.founded()))
    rig.deliver(Stream.ROTATION)
    rig.clock.advance(timedelta(days=400).total_seconds())
    assert announce(rig, account) == 2 + len(others)


@pytest.mark.parametrize("enforced", [False, True])
def test_what_is_due_states_the_operators_enforcement(rig, tmp_path, enforced):
    rig.build(DEVICES)
    rig.build(VAULT, object_store_url=f"file://{tmp_path}/objects")
    api = rig.build(DEFINITION, enforce_max_age=enforced)
    rig.append(LAPTOP.sign(LAPTOP.founded()))
    rig.deliver(Stream.ROTATION)
    rig.clock.advance(timedelta(days=400).total_seconds())
    announce(rig, api)
    with api.kernel.store.read() as uow:
        state = api.kernel.streams.fold(uow, LAPTOP.account, RotationStream)
    assert [due.cause for due in state.dues] == [events.DueCause.AGE]
    assert state.enforced == ({RotationKind.USER_KEY} if enforced else set())


def test_nothing_becomes_due_in_an_account_that_was_closed(rig, account):
    rig.close_account(LAPTOP)
    append(rig, PHONE, PHONE.enrolled())
    append(rig, PHONE, PHONE.trusted())
    append(rig, LAPTOP, devices.DeviceRevoked(PHONE.device, devices.RevocationReason.LOST))
    rig.deliver(Stream.ROTATION)
    for rebuild in (False, True):
        if rebuild:
            account.rebuild_key_ages()
        rig.clock.advance(timedelta(days=400).total_seconds())
        assert announce(rig, account) == 0
    assert due(rig) == []
