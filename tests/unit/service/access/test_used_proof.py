"""A proof that is noted with what its request writes: nothing is ever written for one proof twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select

from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.foundations import note_foundation
from solekey_eventlog.noted_first import noting_first, settling
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_service.access import Access
from solekey_service.access.used_proof import UsedProofs
from solekey_service.clock_watch import SETTLE_S
from solekey_service.http import Request
from solekey_service.http.caller import DpopProof
from solekey_service.refusals import DeviceNotTrusted, DpopInvalid
from tests.support.kernels import Rig
from tests.support.traffic import recording
from tests.unit.service.access.test_guard import Gate


class Desk(Gate):
    """A gate behind which requests write a row each."""

    def let_in(self, request: Request) -> Request:
        return self.guard.admit(request, Access.TRUSTED, note_later=True)

    def write(self, admitted: Request) -> None:
        """Write, as the handler of a request does, who knows nothing of notes."""
        with noting_first(admitted.note), self.vault.store.begin() as uow:
            self._insert(uow)

    def write_without_note(self, _: Request) -> None:
        """The control: what a handler would do whose transactions did not begin with the note."""
        with self.vault.store.begin() as uow:
            self._insert(uow)

    def fail(self, admitted: Request) -> None:
        with pytest.raises(ZeroDivisionError):
            self._write_and_fail(admitted)

    def _write_and_fail(self, admitted: Request) -> None:
        with noting_first(admitted.note), self.vault.store.begin() as uow:
            self._insert(uow)
            raise ZeroDivisionError

    def count(self) -> int:
        """Count what requests have written."""
        with self.vault.store.read() as uow:
            return self._count(uow)

    def pass_time(self, seconds: float) -> None:
        self.rig.clock.advance(seconds)
        self.sync()

    def _insert(self, uow: UnitOfWork) -> None:
        note_foundation(uow, f"written {self._count(uow)}", "by a request")

    def _count(self, uow: UnitOfWork) -> int:
        name = uow.tables.foundations.c.name
        query = select(func.count()).where(name.startswith("written"))
        return int(uow.connection.execute(query).scalar_one())


@pytest.fixture
def desk(rig: Rig) -> Desk:
    desk = Desk(rig)
    desk.open(desk.laptop)
    desk.admit(desk.laptop, method="GET")  # folds are cached
    return desk


def test_a_write_is_admitted_by_one_query_and_no_commit(desk: Desk) -> None:
    request = desk.request(desk.laptop)
    with recording(desk.vault.engine) as traffic:
        admitted = desk.let_in(request)
    assert (traffic.begun, traffic.committed) == (1, 0)
    assert [each.split()[0] for each in traffic.queries] == ["SELECT"]
    with recording(desk.vault.engine) as traffic:
        desk.write(admitted)
    assert (traffic.begun, traffic.committed) == (1, 1)
    assert "dpop_proofs" in traffic.queries[0]


def test_who_has_written_has_used_the_proof(desk: Desk) -> None:
    request = desk.request(desk.laptop)
    with settling((admitted := desk.let_in(request)).note):
        desk.write(admitted)
        desk.write(admitted)  # a request may write as often as it wants to
    assert desk.count() == 2
    with pytest.raises(DpopInvalid, match="used before"):
        desk.let_in(request)


def test_who_writes_nothing_or_is_refused_has_used_it_too(desk: Desk) -> None:
    read, refused = desk.request(desk.laptop), desk.request(desk.laptop)
    with settling(desk.let_in(read).note):
        pass
    with pytest.raises(ZeroDivisionError), settling(desk.let_in(refused).note):
        raise ZeroDivisionError
    desk.log_in(desk.phone)
    desk.sync()
    unknown = desk.request(desk.phone)
    with pytest.raises(DeviceNotTrusted):
        desk.let_in(unknown)
    for request in (read, refused, unknown):
        with pytest.raises(DpopInvalid, match="used before"):
            desk.let_in(request)


@pytest.mark.parametrize("writes", [Desk.write, Desk.write_without_note])
def test_of_two_that_are_let_in_with_one_proof_one_writes(
    desk: Desk, writes: Callable[[Desk, Request], None]
) -> None:
    request = desk.request(desk.laptop)
    admitted = [desk.let_in(request), desk.let_in(request)]
    writes(desk, admitted[0])
    if writes is Desk.write_without_note:  # the control: the proof admits twice
        writes(desk, admitted[1])
        assert desk.count() == 2
        return
    with pytest.raises(DpopInvalid, match="used before"):
        writes(desk, admitted[1])
    with pytest.raises(DpopInvalid, match="used before"), settling(admitted[1].note):
        pass  # nor is one answered that has written nothing
    assert desk.count() == 1


def test_of_many_at_once_with_one_proof_one_writes(desk: Desk) -> None:
    request, start = desk.request(desk.laptop), Barrier(6)

    def send(_: int) -> bool:
        admitted = desk.let_in(request)
        start.wait()
        try:
            desk.write(admitted)
        except DpopInvalid:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(send, range(6))) == [False] * 5 + [True]
    assert desk.count() == 1


def test_what_is_undone_has_used_nothing_until_it_is_answered(desk: Desk) -> None:
    """A transaction that fails may be run again; a process that dies in it leaves neither effect nor note."""
    request = desk.request(desk.laptop)
    first, second = desk.let_in(request), desk.let_in(request)
    desk.fail(first)
    assert not desk.count()
    desk.write(second)
    with pytest.raises(DpopInvalid, match="used before"):
        desk.write(first)
    assert desk.count() == 1


def test_a_request_that_begins_to_write_too_late_writes_nothing(desk: Desk) -> None:
    admitted = desk.let_in(desk.request(desk.laptop))
    desk.pass_time(44)
    desk.write(admitted)
    late = desk.let_in(desk.request(desk.laptop))
    desk.pass_time(46)
    with pytest.raises(UnavailableError, match="too long"):
        desk.write(late)
    assert desk.count() == 1


def test_a_note_outlives_every_request_that_it_could_refuse(desk: Desk) -> None:
    """The proof is as old, the second write as late as it may be, and what is over is cleared away."""
    request = desk.request(desk.laptop)
    desk.pass_time(60)
    first, second = desk.let_in(request), desk.let_in(request)
    desk.write(first)
    desk.pass_time(44)
    desk.admit(desk.laptop)  # clears away
    with pytest.raises(DpopInvalid, match="used before"):
        desk.write(second)
    assert desk.count() == 1


def test_a_clock_that_is_ahead_for_a_while_makes_no_used_proof_good_again(desk: Desk) -> None:
    store, clock = desk.vault.store, desk.rig.clock

    def use(proof_id: str) -> None:
        proof = DpopProof(desk.laptop.key.public, "laptop", proof_id, clock.now(), None)
        with store.begin() as uow:
            proofs.insert(uow, proof)

    proofs = UsedProofs(store)
    clock.advance(55)
    use("first")
    right = clock.now()
    clock.set_wall(right + timedelta(minutes=3))
    clock.advance(5)
    use("second")  # clears away what is over
    clock.set_wall(right + timedelta(seconds=5))
    with pytest.raises(DpopInvalid, match="used before"):
        use("first")
    for proof_id in ("third", "fourth"):  # one notices the jump back; an hour later the other clears away
        clock.advance(SETTLE_S)
        use(proof_id)
    use("first")  # control: its note is over, and its age would refuse it
