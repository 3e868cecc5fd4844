"""Records that are applied together: what that costs the database, and that it changes nothing else."""

import pytest
from sqlalchemy import select

from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.streams import DevicesStream
from solekey_service.kernel import Kernel
from tests.support.demo_service import reacting as demo
from tests.support.eventlog.author import Author
from tests.support.eventlog.services import Deliveries, StartService
from tests.support.keys import Key
from tests.support.traffic import recording
from tests.unit.eventlog.test_projector import forge, own_events, reasons, seqs

PEOPLE = 12


@pytest.fixture
def kernel(start: StartService) -> Kernel:
    return start()


@pytest.fixture
def people() -> list[Author]:
    return [Author(f"person {number}") for number in range(PEOPLE)]


def test_many_records_cost_the_statements_of_one(kernel: Kernel, people: list[Author]) -> None:
    deliveries = Deliveries(kernel)
    deliveries.give(*(person.found() for person in people))
    events = [event for person in people for event in (person.enrol(), person.trust())]
    with recording(kernel.engine) as traffic:
        deliveries.give(*events)
    assert traffic.committed == traffic.begun == 1
    lookups = 1 if kernel.engine.dialect.name == "postgresql" else PEOPLE  # calls
    locks = 1 if kernel.engine.dialect.name == "postgresql" else 0
    assert len(traffic.queries) == locks + lookups + len(["applied", "advance", "inbox"])


def test_what_was_applied_is_known_without_a_look(kernel: Kernel, alice: Author) -> None:
    Deliveries(kernel).give(alice.found(), alice.enrol(), alice.trust())
    with kernel.store.read() as uow, recording(kernel.engine) as traffic:
        kernel.streams.look_up(uow, (alice.account, Stream.DEVICES))
        assert len(kernel.streams.fold(uow, alice.account, DevicesStream).trusted) == 2
    assert len(traffic.queries) == 1


def test_what_was_undone_is_not_known(kernel: Kernel, alice: Author, bob: Author) -> None:
    """Because of bob's event all is undone: alice's fold must be of what is stored."""
    deliveries = Deliveries(kernel)
    deliveries.give(alice.found(), bob.found())
    deliveries.give(alice.enrol(), forge(bob.enrol(), Key("mallory")), alice.trust())
    with kernel.store.read() as uow:
        known = kernel.streams.fold(uow, alice.account, DevicesStream)
        inbox = demo.TABLES.inbox
        stored = uow.connection.execute(select(inbox.c.seq).where(inbox.c.account == alice.account))
        assert known.head.seq == max(stored.scalars()) == 3


def test_one_bad_event_holds_up_nobody_else(kernel: Kernel, people: list[Author]) -> None:
    deliveries = Deliveries(kernel)
    deliveries.give(*(person.found() for person in people))
    bad, *good = people
    deliveries.give(
        *(person.enrol() for person in good[:5]),
        forge(bad.enrol(), Key("mallory")),
        *(person.enrol() for person in good[5:]),
    )
    assert reasons(kernel, bad) == ["signature_invalid"]
    assert [seqs(kernel, person)["devices"] for person in people] == [1] + [2] * len(good)


def test_a_reaction_that_fails_undoes_the_others_reactions_once(
    kernel: Kernel, people: list[Author], monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Event] = []
    for person in people:
        events += person.found(), person.enrol(), person.trust(), person.revoke()
    failing = people[PEOPLE // 2]
    reactions = dict(kernel.projector._reactions)

    def fail_for_one(uow: object, event: Event) -> None:
        if event.account == failing.account:
            raise RuntimeError("a defect")
        reactions[type(event.body)](uow, event)

    monkeypatch.setattr(kernel.projector, "_reactions", dict.fromkeys(reactions, fail_for_one))
    Deliveries(kernel).give(*events)
    assert reasons(kernel, failing) == ["reaction_failed"]
    assert [own_events(kernel, person) for person in people if person is not failing] == [1] * (PEOPLE - 1)
