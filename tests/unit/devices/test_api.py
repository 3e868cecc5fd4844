"""The devices service over its kernel, on SQLite and PostgreSQL: each refusal beside what is accepted."""

import json
import threading
from datetime import timedelta

import pytest
from sqlalchemy import event

from solekey_devices.definition import DEFINITION
from solekey_devices.tables import metadata
from solekey_eventlog.errors import StalePositionError, UnavailableError
from solekey_protocol.errors import (
    LineageError,
    MalformedError,
    SchemaError,
    SignatureError,
    UntrustedDeviceError,
)
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream, devices
from solekey_protocol.statements import Head
from solekey_protocol.streams import DevicesStream
from solekey_service.http import Headers, Request, problem_response
from solekey_service.refusals import BadRequest, Forbidden, StepUpRequired, UnsupportedMediaType
from tests.support.actors import Actor, UserKey
from tests.support.migrated_schema import find_differences
from tests.support.saga import Saga

LAPTOP, PHONE, TABLET = (Actor("ana", name) for name in ("laptop", "phone", "tablet"))
STRANGER = Actor("ben", "laptop")


@pytest.fixture
def api(rig):
    api = rig.build(DEFINITION)
    for actor in (LAPTOP, PHONE, TABLET):
        rig.log_in(actor)
    return api


@pytest.fixture
def head(rig):
    return lambda: rig.head(Stream.DEVICES, LAPTOP.account)


def post(api, actor, signed, **members):
    return api.post_statement(actor.request({**signed.to_json(), **members}))


@pytest.fixture
def founded(api):
    assert post(api, LAPTOP, LAPTOP.sign(LAPTOP.founded()), name=LAPTOP.name).status == 201
    return api


@pytest.fixture
def both(founded, head):
    post(founded, PHONE, PHONE.sign(PHONE.enrolled(), head()), name=PHONE.name)
    post(founded, PHONE, PHONE.sign(PHONE.trusted(), head()))
    return founded


def test_the_migrated_schema_is_the_metadata(rig, api):
    assert find_differences(api.kernel.engine, metadata) == []


def test_a_statement_is_answered_with_the_events_exact_bytes(rig, api):
    signed = LAPTOP.sign(LAPTOP.founded())
    response = post(api, LAPTOP, signed, name=LAPTOP.name)
    assert response.status == 201
    assert response.headers["Solekey-Position"] == "devices=1"
    (event,) = rig.events(Stream.DEVICES, LAPTOP.account)
    assert response.body == event.raw
    assert event.signed == signed


def test_the_same_statement_again_is_the_same_event(founded, rig):
    signed = LAPTOP.sign(LAPTOP.founded())
    again = post(founded, LAPTOP, signed, name=LAPTOP.name)
    assert again.status == 200
    assert [event.raw for event in rig.events(Stream.DEVICES, LAPTOP.account)] == [again.body]


def test_enrol_trust_revoke_and_change_the_account_key(both, head, rig, tmp_path):
    new = UserKey("new")
    saga = Saga(rig, LAPTOP, new, tmp_path)
    saga.stage()
    changed = LAPTOP.key_changed(new, saga.rotation, PHONE)

    def change():
        return post(both, LAPTOP, saga.sign(changed, next_account=new.signing))

    with pytest.raises(LineageError, match="not verified"):
        change()
    saga.verify()
    assert change().status == 201
    revoked = devices.DeviceRevoked(PHONE.device, devices.RevocationReason.LOST)
    with pytest.raises(SignatureError):  # the user key that was
        post(both, LAPTOP, saga.sign(revoked))
    assert post(both, LAPTOP, saga.sign(revoked, account=new.signing)).status == 201
    with both.kernel.store.read() as uow:
        state = both.kernel.streams.fold(uow, LAPTOP.account, DevicesStream)
    assert state.key_id == new.key_id
    assert set(state.trusted) == {LAPTOP.device}


def test_a_revocation_asks_for_a_fresh_second_factor(both, head, rig):
    revoked = devices.DeviceRevoked(PHONE.device, devices.RevocationReason.LOST)
    said = LAPTOP.sign(revoked, head())
    rig.clock.advance(301)
    with pytest.raises(StepUpRequired) as refused:
        post(both, LAPTOP, said)
    assert refused.value.extras == {"max_age_s": 300}
    rig.step_up(LAPTOP)
    assert post(both, LAPTOP, said).status == 201
    rig.clock.advance(301)
    assert post(both, LAPTOP, said).status == 200  # a lost answer is given again
    enrolled = TABLET.sign(TABLET.enrolled(), head())
    assert post(both, TABLET, enrolled, name=TABLET.name).status == 201  # what is no revocation asks for none


def test_a_factor_proven_in_the_future_or_in_another_session_does_not_count(both, head, rig):
    said = LAPTOP.sign(devices.DeviceRevoked(PHONE.device, devices.RevocationReason.LOST), head())
    rig.clock.set_wall(rig.clock.now() - timedelta(seconds=61))
    with pytest.raises(StepUpRequired):
        post(both, LAPTOP, said)
    rig.clock.advance(61 + 301)
    rig.step_up(PHONE)
    with pytest.raises(StepUpRequired):
        post(both, LAPTOP, said)
    rig.step_up(LAPTOP)
    assert post(both, LAPTOP, said).status == 201


def test_names_are_listed_and_stand_in_no_event(both, rig):
    names = json.loads(both.get_names(LAPTOP.request(method="GET")).body)["names"]
    expected = [{"device": actor.device, **actor.name, "last_seen": None} for actor in (LAPTOP, PHONE)]
    assert sorted(names, key=lambda row: row["device"]) == sorted(expected, key=lambda row: row["device"])
    assert json.loads(both.get_names(STRANGER.request(method="GET")).body) == {"names": []}
    log = b"".join(event.raw for event in rig.events(Stream.DEVICES, LAPTOP.account))
    assert LAPTOP.certificate.name_commitment.encode() in log  # positive control
    assert LAPTOP.name["salt"].encode() not in log


def last_seen(api):
    names = json.loads(api.get_names(LAPTOP.request(method="GET")).body)["names"]
    return {row["device"]: row["last_seen"] for row in names}


def test_a_device_is_seen_on_the_day_on_which_it_reads_the_stream(both, rig):
    both.get_events(PHONE.request(method="GET"))
    assert last_seen(both) == {LAPTOP.device: None, PHONE.device: "2026-11-23"}
    both.get_events(STRANGER.request(method="GET"))  # another account's device is not among them
    rig.clock.advance(24 * 3600)
    both.get_events(LAPTOP.request(method="GET"))
    assert last_seen(both) == {LAPTOP.device: "2026-11-24", PHONE.device: "2026-11-23"}
    rig.clock.set_wall(rig.clock.now() - timedelta(days=2))
    both.get_events(LAPTOP.request(method="GET"))
    assert last_seen(both)[LAPTOP.device] == "2026-11-24"  # a clock that goes back unsees nobody


def test_a_device_is_written_down_once_a_day(both, rig):
    writes = []
    event.listen(
        both.kernel.engine,
        "before_cursor_execute",
        lambda *seen: writes.append(seen[2]) if seen[2].startswith("INSERT") else None,
    )
    for _ in range(3):
        rig.clock.advance(60)
        both.get_events(PHONE.request(method="GET"))
    assert len(writes) == 1


def test_a_busy_database_does_not_stop_reading(both, monkeypatch):
    def refuse(**_):
        raise UnavailableError("the database is busy")

    monkeypatch.setattr(both.kernel.store, "begin", refuse)
    assert both.get_events(PHONE.request(method="GET")).status == 200
    assert last_seen(both)[PHONE.device] is None


def test_events_are_read_in_pages(both, rig):
    raws = [event.raw for event in rig.events(Stream.DEVICES, LAPTOP.account)]
    page = both.get_events(PHONE.request(method="GET", query={"after": "1", "limit": "1"}))
    assert page.body == raws[1] + b"\n"
    assert page.headers["Solekey-Position"] == "devices=3"
    everything = both.get_events(PHONE.request(method="GET"))
    assert [parse_event(line).seq for line in everything.body.splitlines()] == [1, 2, 3]
    nobody = both.get_events(STRANGER.request(method="GET"))
    assert (nobody.body, nobody.headers["Solekey-Position"]) == (b"", "devices=0")
    with pytest.raises(BadRequest):
        both.get_events(PHONE.request(method="GET", query={"after": "-1"}))


def test_health_says_503_while_a_feed_is_silent(founded):
    response = founded.get_health(LAPTOP.request())
    assert response.status == 503
    document = json.loads(response.body)
    assert (document["stream"], document["unpublished"], document["parked"]) == ("devices", 1, 0)
    founded.kernel.publisher.publish_pending()
    assert json.loads(founded.get_health(LAPTOP.request()).body)["unpublished"] == 0


REFUSED = {
    "a stale parent": (
        lambda at: (PHONE, PHONE.sign(PHONE.enrolled(), Head(0, at.digest)), {"name": PHONE.name}),
        StalePositionError,
    ),
    "another history": (
        lambda at: (PHONE, PHONE.sign(PHONE.enrolled(), Head(at.seq, "0" * 64)), {"name": PHONE.name}),
        StalePositionError,
    ),
    "somebody else's statement": (
        lambda at: (LAPTOP, PHONE.sign(PHONE.enrolled(), at), {"name": PHONE.name}),
        Forbidden,
    ),
    "another account's session": (
        lambda at: (STRANGER, PHONE.sign(PHONE.enrolled(), at), {"name": PHONE.name}),
        Forbidden,
    ),
    "a pending or unknown device revokes": (
        lambda at: (
            PHONE,
            PHONE.sign(devices.DeviceRevoked(LAPTOP.device, devices.RevocationReason.STOLEN), at),
            {},
        ),
        UntrustedDeviceError,
    ),
    "trust without the user key": (
        lambda at: (PHONE, PHONE.sign(PHONE.trusted(), at, account=PHONE.key), {}),
        SignatureError,
    ),
    "an unknown member": (
        lambda at: (PHONE, PHONE.sign(PHONE.enrolled(), at), {"name": PHONE.name, "note": "x"}),
        BadRequest,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_changes_nothing(founded, head, rig, what):
    make, error = REFUSED[what]
    actor, signed, members = make(head())
    with pytest.raises(error):
        post(founded, actor, signed, **members)
    assert head().seq == 1
    assert len(json.loads(founded.get_names(LAPTOP.request(method="GET")).body)["names"]) == 1
    accepted = PHONE.sign(PHONE.enrolled(), head())  # positive control
    assert post(founded, PHONE, accepted, name=PHONE.name).status == 201


def test_a_stale_parent_is_told_the_head_and_loses_nothing(founded, head):
    with pytest.raises(StalePositionError) as refused:
        post(founded, PHONE, PHONE.sign(PHONE.enrolled()), name=PHONE.name)
    told = refused.value.extras["head"]
    rebased = PHONE.sign(PHONE.enrolled(), Head(told["seq"], told["digest"]))
    assert post(founded, PHONE, rebased, name=PHONE.name).status == 201


def test_malformed_bodies(founded):
    for body in (b"{", b'{"statement":1.5,"signatures":{}}', b'{"a":1,"a":1}', b"\xff"):
        request = Request("POST", "/", {}, Headers({"Content-Type": "application/json"}), body, LAPTOP.caller)
        with pytest.raises(MalformedError):
            founded.post_statement(request)
    with pytest.raises(SchemaError):
        founded.post_statement(LAPTOP.request({"statement": {}, "signatures": {}}))
    with pytest.raises(BadRequest):
        founded.post_statement(LAPTOP.request([]))
    with pytest.raises(UnsupportedMediaType):
        founded.post_statement(LAPTOP.request(b"raw"))


def race(api, signed):
    """Send two statements at the same moment; return what each was answered."""
    barrier = threading.Barrier(2)
    outcomes = []

    def run(actor):
        barrier.wait()
        try:
            outcomes.append(post(api, actor, signed[actor]).status)
        except StalePositionError as refusal:
            outcomes.append(problem_response(refusal).status)

    threads = [threading.Thread(target=run, args=(actor,)) for actor in signed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_of_two_statements_at_the_same_moment_one_wins(both, head, rig):
    """Whichever it is: the other gets 409, and the stream has exactly one more event."""
    post(both, TABLET, TABLET.sign(TABLET.enrolled(), head()), name=TABLET.name)
    at = head()
    revoked = devices.DeviceRevoked(TABLET.device, devices.RevocationReason.LOST)
    signed = {actor: actor.sign(revoked, at) for actor in (LAPTOP, PHONE)}
    assert sorted(race(both, signed)) == [201, 409]
    assert head().seq == at.seq + 1


def test_a_trusted_device_approves_another_with_the_user_key(both, head):
    post(both, TABLET, TABLET.sign(TABLET.enrolled(), head()), name=TABLET.name)
    with pytest.raises(SignatureError):  # a key that is not the account's
        post(both, LAPTOP, LAPTOP.sign(TABLET.trusted(), head(), account=LAPTOP.key))
    assert post(both, LAPTOP, LAPTOP.sign(TABLET.trusted(), head())).status == 201
    with both.kernel.store.read() as uow:
        state = both.kernel.streams.fold(uow, LAPTOP.account, DevicesStream)
    assert set(state.trusted) == {LAPTOP.device, PHONE.device, TABLET.device}


def test_a_pending_device_approves_nobody(founded, head):
    for actor in (PHONE, TABLET):
        post(founded, actor, actor.sign(actor.enrolled(), head()), name=actor.name)
    with pytest.raises(UntrustedDeviceError):
        post(founded, PHONE, PHONE.sign(TABLET.trusted(), head()))
    assert post(founded, LAPTOP, LAPTOP.sign(TABLET.trusted(), head())).status == 201  # positive control


def test_of_two_approvals_at_the_same_moment_one_wins(both, head):
    post(both, TABLET, TABLET.sign(TABLET.enrolled(), head()), name=TABLET.name)
    at = head()
    signed = {actor: actor.sign(TABLET.trusted(), at) for actor in (LAPTOP, PHONE)}
    assert sorted(race(both, signed)) == [201, 409]
    assert head().seq == at.seq + 1


def test_the_same_statement_twice_at_the_same_moment_is_one_event(founded, head):
    signed = PHONE.sign(PHONE.enrolled(), head())
    barrier = threading.Barrier(2)
    responses = []

    def run():
        barrier.wait()
        responses.append(post(founded, PHONE, signed, name=PHONE.name))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(response.status for response in responses) == [200, 201]
    assert responses[0].body == responses[1].body
    assert head().seq == 2


def test_names_and_days_go_with_the_account(both, rig):
    both.get_events(LAPTOP.request(method="GET"))
    rows = [metadata.tables[name] for name in ("device_names", "device_sightings")]

    def count():
        with both.kernel.store.read() as uow:
            return [len(uow.connection.execute(table.select()).all()) for table in rows]

    rig.close_account(STRANGER)
    assert count() == [2, 1]  # positive control: somebody else's end takes nothing
    rig.close_account(LAPTOP)
    assert count() == [0, 0]
