"""The projector: verified, in order, once; a bad event parks its account and nothing else."""

import itertools
from collections.abc import Iterable
from dataclasses import replace

import pytest
from sqlalchemy import Table, select

from solekey_eventlog.errors import AccountParkedError, NotYetAppliedError
from solekey_protocol.errors import SchemaError
from solekey_protocol.event import Event, encode_event, parse_event
from solekey_protocol.events import Stream, devices
from solekey_protocol.ids import SignatureHex
from solekey_protocol.services import TOPICS
from solekey_protocol.statements import SignedStatement
from solekey_protocol.streams import AuthStream, DevicesStream, DeviceStatus
from solekey_service.kernel import Kernel
from tests.support.demo_service import reacting as demo
from tests.support.eventlog.author import Author
from tests.support.eventlog.services import CuttableBus, Deliveries, Feed, StartService
from tests.support.keys import Key


@pytest.fixture
def kernel(start: StartService) -> Kernel:
    return start()


@pytest.fixture(params=[True, False], ids=["together", "one by one"])
def bus_of(kernel: Kernel, request: pytest.FixtureRequest) -> Deliveries:
    return Deliveries(kernel, together=request.param)


def seqs(kernel: Kernel, person: Author) -> dict[str, int]:
    """How far each followed stream of a person is applied."""
    with kernel.store.read() as uow:
        known = {s: kernel.streams.position(uow, person.account, s).seq for s in kernel.streams.subscribed}
    return {stream.value: seq for stream, seq in known.items() if seq}


def reasons(kernel: Kernel, person: Author) -> list[str]:
    parked = demo.TABLES.parked
    with kernel.store.read() as uow:
        rows = select(parked.c.reason).where(parked.c.account == person.account).order_by(parked.c.seq)
        return list(uow.connection.execute(rows).scalars())


def require_free(kernel: Kernel, person: Author) -> None:
    with kernel.store.read() as uow:
        kernel.streams.require_free(uow, person.account)


def own_events(kernel: Kernel, person: Author) -> int:
    with kernel.store.read() as uow:
        return len(uow.events(person.account))


def rows(kernel: Kernel, *tables: Table) -> list[object]:
    with kernel.store.read() as uow:
        return [sorted(map(tuple, uow.connection.execute(select(table)))) for table in tables]


def forge(event: Event, key: Key) -> Event:
    """The same event with the device's signature by another key."""
    assert event.signed is not None
    signature = key.sign(event.signed.statement.signing_bytes())
    signed = SignedStatement(event.signed.statement, dict.fromkeys(event.signed.signatures, signature))
    before = replace(event.head, seq=event.seq - 1, digest=event.prev)
    return encode_event(signed, account=event.account, after=before, time=event.time)


def test_verified_events_are_kept_word_for_word(kernel: Kernel, bus_of: Deliveries, alice: Author) -> None:
    events = [alice.found(), alice.enrol(), alice.trust()]
    bus_of.give(*events)
    inbox = demo.TABLES.inbox
    with kernel.store.read() as uow:
        kept = uow.connection.execute(select(inbox.c.raw, inbox.c.digest).order_by(inbox.c.seq)).all()
        devices_now = kernel.streams.fold(uow, alice.account, DevicesStream)
    assert [(bytes(raw), digest) for raw, digest in kept] == [(e.raw, e.digest) for e in events]
    assert devices_now.head == events[-1].head
    assert len(devices_now.trusted) == 2


def test_repetitions_are_ignored(kernel: Kernel, bus_of: Deliveries, alice: Author) -> None:
    events = [alice.found(), alice.enrol(), alice.trust(), alice.revoke()]
    bus_of.give(*events, *events)
    assert seqs(kernel, alice) == {"devices": 4}
    assert own_events(kernel, alice) == 1  # one reaction to one revocation
    require_free(kernel, alice)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[1::5])
def test_out_of_order_parks_and_then_drains(
    kernel: Kernel, bus_of: Deliveries, alice: Author, order: Iterable[int]
) -> None:
    events = [alice.found(), alice.enrol(), alice.trust(), alice.revoke()]
    bus_of.give(*(events[i] for i in order))
    assert seqs(kernel, alice) == {"devices": 4}
    assert own_events(kernel, alice) == 1
    assert kernel.projector.count_parked() == 0
    require_free(kernel, alice)


def test_a_gap_parks_its_account_only(
    kernel: Kernel, bus_of: Deliveries, alice: Author, bob: Author, caplog: pytest.LogCaptureFixture
) -> None:
    first, missing, third = alice.found(), alice.enrol(), alice.trust()
    bus_of.give(first, third, bob.found(), bob.enrol())
    assert reasons(kernel, alice) == ["sequence_gap"]
    assert "parked: sequence_gap" in caplog.text
    with pytest.raises(AccountParkedError):
        require_free(kernel, alice)
    with kernel.store.read() as uow, pytest.raises(AccountParkedError):
        kernel.streams.fold(uow, alice.account, AuthStream)
    require_free(kernel, bob)
    assert seqs(kernel, bob) == {"devices": 2}
    bus_of.give(missing)
    require_free(kernel, alice)
    assert seqs(kernel, alice) == {"devices": 3}


def test_a_poisoned_event_parks_its_account_and_never_its_partition(
    kernel: Kernel, bus_of: Deliveries, alice: Author, bob: Author
) -> None:
    mallory = Key("mallory")
    bus_of.give(alice.found())
    genuine = alice.enrol()
    bus_of.give(forge(genuine, mallory))
    assert reasons(kernel, alice) == ["signature_invalid"]
    assert seqs(kernel, alice) == {"devices": 1}
    bus_of.give(bob.found(), bob.enrol(), bob.trust(), bob.revoke())
    assert own_events(kernel, bob) == 1
    bus_of.give(genuine)  # the control: the same words, rightly signed, free the account
    require_free(kernel, alice)
    assert seqs(kernel, alice) == {"devices": 2}


def test_a_revocation_is_applied_while_another_stream_of_the_account_is_poisoned(
    kernel: Kernel, bus_of: Deliveries, alice: Author
) -> None:
    bus_of.give(alice.found(), alice.enrol(), alice.trust())
    bus_of.give(forge(alice.say(alice.wrapped()), alice.phone))
    assert reasons(kernel, alice) == ["signature_invalid"]
    bus_of.give(alice.revoke())
    assert seqs(kernel, alice) == {"devices": 4}
    assert own_events(kernel, alice) == 1


def test_a_revoked_device_cannot_speak_for_another_stream(
    kernel: Kernel, bus_of: Deliveries, alice: Author
) -> None:
    bus_of.give(alice.found(), alice.enrol(), alice.trust())
    before = {Stream.DEVICES: alice.head(Stream.DEVICES)}
    bus_of.give(alice.revoke())
    late = alice.sign(alice.wrapped(), device=alice.phone)
    bus_of.give(encode(alice, late))
    assert reasons(kernel, alice) == ["untrusted_device"]
    early = alice.sign(alice.wrapped(), device=alice.phone, heads=before)  # the control
    bus_of.give(encode(alice, early))
    require_free(kernel, alice)


def encode(person: Author, signed: SignedStatement) -> Event:
    stream = signed.statement.stream
    moment = person.events[Stream.DEVICES][0].time
    return encode_event(signed, account=person.account, after=person.head(stream), time=moment)


def test_a_fork_of_an_applied_event_parks(kernel: Kernel, bus_of: Deliveries, alice: Author) -> None:
    bus_of.give(alice.found())
    bus_of.give(forge(alice.events[Stream.DEVICES][0], Key("mallory")))
    assert reasons(kernel, alice) == ["chain_fork"]
    with pytest.raises(AccountParkedError):
        require_free(kernel, alice)


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff\x00", b'{"type":"solekey.devices.account_founded.v2"}'])
def test_bytes_that_are_no_event_park_the_account_of_their_key(
    kernel: Kernel, bus_of: Deliveries, alice: Author, bob: Author, value: bytes
) -> None:
    bus_of.give(alice.found(), bob.found())
    bus_of.give_bytes(TOPICS[Stream.DEVICES], alice.account, value)
    with pytest.raises(AccountParkedError):
        require_free(kernel, alice)
    require_free(kernel, bob)
    bus_of.give(alice.enrol())  # the stream went on without a hole: nothing was in those bytes
    require_free(kernel, alice)


def test_an_event_under_another_key_or_on_another_topic_is_not_applied(
    kernel: Kernel, bus_of: Deliveries, alice: Author, bob: Author
) -> None:
    founded = alice.found()
    bus_of.give_bytes(TOPICS[Stream.DEVICES], bob.account, founded.raw)
    bus_of.give_bytes(TOPICS[Stream.VAULT], alice.account, founded.raw)
    bus_of.give_bytes(TOPICS[Stream.DEVICES], "nobody", founded.raw)
    assert seqs(kernel, alice) == {}
    assert seqs(kernel, bob) == {}
    assert kernel.projector.count_parked() == 2


def test_an_author_who_saw_more_devices_events_than_we_waits_for_them(
    kernel: Kernel, bus_of: Deliveries, alice: Author, bob: Author
) -> None:
    founded, enrolled, trusted = alice.found(), alice.enrol(), alice.trust()
    wrapped = alice.say(alice.wrapped(), device=alice.phone)
    again = alice.say(alice.wrapped(2), device=alice.phone)
    policy = alice.say(alice.policy(), device=alice.phone)
    bus_of.give(founded, wrapped, again, policy, bob.found())
    assert seqs(kernel, alice) == {"devices": 1}
    assert sorted(reasons(kernel, alice)) == ["ahead_of_devices", "ahead_of_devices", "sequence_gap"]
    with pytest.raises(AccountParkedError):
        require_free(kernel, alice)
    require_free(kernel, bob)
    bus_of.give(enrolled)
    assert seqs(kernel, alice) == {"devices": 2}
    bus_of.give(trusted)
    assert seqs(kernel, alice) == {"devices": 3, "vault": 2, "rotation": 1}
    require_free(kernel, alice)


def test_waiting_for_devices_alone_is_a_matter_of_time(
    kernel: Kernel, bus_of: Deliveries, alice: Author
) -> None:
    founded = alice.found()
    bus_of.give(alice.say(alice.wrapped()))
    with pytest.raises(NotYetAppliedError):
        require_free(kernel, alice)
    bus_of.give(founded)
    require_free(kernel, alice)


def test_what_waited_is_still_verified(kernel: Kernel, bus_of: Deliveries, alice: Author) -> None:
    founded = alice.found()
    bus_of.give(forge(alice.say(alice.wrapped()), Key("mallory")))
    assert reasons(kernel, alice) == ["ahead_of_devices"]
    bus_of.give(founded)
    assert seqs(kernel, alice) == {"devices": 1}
    assert reasons(kernel, alice) == ["signature_invalid"]


def test_a_forged_signature_never_passes_whatever_the_stream(
    kernel: Kernel, bus_of: Deliveries, alice: Author
) -> None:
    bus_of.give(alice.found())
    for body in (alice.wrapped(), alice.policy()):
        genuine = alice.say(body)
        assert genuine.signed is not None
        zero = SignedStatement(genuine.signed.statement, dict.fromkeys(body.SIGNERS, SignatureHex("00" * 64)))
        alice.events[body.STREAM].pop()
        bus_of.give(encode(alice, zero))
        assert reasons(kernel, alice) == ["signature_invalid"]
        bus_of.give(genuine)
        require_free(kernel, alice)


def test_a_defective_reaction_leaves_no_trace_and_is_tried_again_after_the_repair(
    kernel: Kernel, bus_of: Deliveries, alice: Author, bob: Author
) -> None:
    compromised = devices.RevocationReason.COMPROMISED
    bus_of.give(alice.found(), alice.enrol(), alice.trust(), alice.revoke(compromised))
    assert reasons(kernel, alice) == ["reaction_failed"]
    assert own_events(kernel, alice) == 0
    assert rows(kernel, demo.NOTES) == [[]]
    assert seqs(kernel, alice) == {"devices": 3}
    bus_of.give(bob.found())
    kernel.projector.react({})
    kernel.projector.retry_parked()
    require_free(kernel, alice)
    assert seqs(kernel, alice) == {"devices": 4}


def test_what_an_earlier_release_could_not_read_is_applied_by_a_later_one(
    kernel: Kernel, bus_of: Deliveries, alice: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    founded, enrolled = alice.found(), alice.enrol()

    def parse_as_earlier(raw: bytes) -> Event:
        if raw == founded.raw:
            raise SchemaError("unknown type")
        return parse_event(raw)

    with monkeypatch.context() as earlier:
        earlier.setattr("solekey_eventlog.projector.parse_event", parse_as_earlier)
        bus_of.give(founded, enrolled)
        kernel.projector.retry_parked()
        with pytest.raises(AccountParkedError):
            require_free(kernel, alice)
    kernel.projector.retry_parked()
    require_free(kernel, alice)
    assert seqs(kernel, alice) == {"devices": 2}


def test_a_rebuild_from_zero_equals_the_live_inbox_and_reacts_to_nothing_twice(
    start: StartService, bus: CuttableBus, alice: Author, bob: Author
) -> None:
    kernel = start()
    for person in (alice, bob):
        person.found(), person.enrol(), person.trust()
        person.say(person.wrapped(), device=person.phone)
        person.say(person.policy())
        person.revoke()
        person.say(person.wrapped(2))
    for stream in reversed(kernel.streams.subscribed):  # vault and rotation before devices: they have to wait
        for event in [*alice.events[stream], *bob.events[stream]]:
            bus.publish(TOPICS[stream], event.account, event.raw)
    bus.publish(TOPICS[Stream.ROTATION], alice.account, b"junk")
    feed = Feed(bus, kernel)
    assert feed.run() == 15
    tables = demo.TABLES
    live = rows(kernel, tables.inbox, tables.applied, tables.events, demo.NOTES)
    waiting = reasons(kernel, alice)
    kernel.make_rebuild().run()
    assert rows(kernel, tables.inbox, tables.applied, tables.events, demo.NOTES) == live
    assert reasons(kernel, alice) == waiting == ["malformed"]
    assert seqs(kernel, bob) == {"devices": 4, "vault": 2, "rotation": 1}
    with kernel.store.read() as uow:
        phone = kernel.streams.fold(uow, bob.account, DevicesStream).devices[bob.phone.certificate.device]
    assert phone.status is DeviceStatus.REVOKED


def test_a_rebuild_reacts_to_what_had_not_been_applied(
    start: StartService, bus: CuttableBus, alice: Author
) -> None:
    kernel = start()
    for event in (alice.found(), alice.enrol(), alice.trust()):
        bus.publish(TOPICS[Stream.DEVICES], event.account, event.raw)
    Feed(bus, kernel).run()
    bus.publish(TOPICS[Stream.DEVICES], alice.account, alice.revoke().raw)
    kernel.make_rebuild().run()
    assert own_events(kernel, alice) == 1


def test_topics_that_are_not_followed_are_refused(start: StartService, alice: Author) -> None:
    kernel = start(demo.VAULT)
    alice.found()
    with pytest.raises(LookupError):
        Deliveries(kernel).give(alice.say(alice.wrapped()))
