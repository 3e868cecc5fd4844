"""One request too many is refused at once, and one whose body has come is not."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from solekey_eventlog.errors import UnavailableError
from solekey_protocol.ids import AccountId, DeviceId
from solekey_service.access import Access
from solekey_service.access.load_limit import PATIENCE_S, LoadLimit, verify_patience
from tests.support.kernels import Rig
from tests.unit.service.access.test_admission_cost import recording
from tests.unit.service.access.test_guard import Gate


def test_one_more_than_the_limit_is_refused_until_another_ends():
    limit = LoadLimit(2)
    with limit.begin():
        with limit.begin(), pytest.raises(UnavailableError), limit.begin():
            raise AssertionError("it was let in")
        with limit.begin():
            assert limit.running == 2
    assert limit.running == 0


def test_a_body_that_has_come_is_worked_on_and_counts():
    limit = LoadLimit(1)
    with ExitStack() as running:
        running.enter_context(limit.begin())
        running.enter_context(limit.resume())
        running.enter_context(limit.resume())
        assert limit.running == 3
    with limit.resume(), pytest.raises(UnavailableError), limit.begin():
        raise AssertionError("it was let in")


def test_what_fails_counts_no_more():
    limit = LoadLimit(1)
    with pytest.raises(LookupError), limit.begin():
        raise LookupError
    with limit.begin():
        assert limit.running == 1


def test_who_has_waited_too_long_is_refused_before_the_work():
    assert verify_patience(PATIENCE_S) == PATIENCE_S
    with pytest.raises(UnavailableError) as caught:
        verify_patience(PATIENCE_S + 0.1)
    assert caught.value.retry_after_s


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_refused_costs_nothing_and_its_proof_is_good_afterwards(rig: Rig, method: str) -> None:
    gate = Gate(rig)
    gate.open(gate.laptop)
    guard = gate.guard
    guard.load = LoadLimit(1)
    guard.admit(gate.request(gate.laptop, method=method), Access.TRUSTED)
    request = gate.request(gate.laptop, method=method)
    with guard.load.resume(), recording(gate.vault.engine) as traffic, pytest.raises(UnavailableError):
        guard.admit(request, Access.TRUSTED)
    assert traffic.statements == []
    assert guard.admit(request, Access.TRUSTED)


def test_an_account_that_waits_for_its_own_turn_takes_no_place_of_others(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(rig)
    gate.open(gate.laptop)
    guard, take_turn, places = gate.guard, gate.guard.limiter.take_turn, []

    @contextmanager
    def waiting(account: AccountId, device: DeviceId) -> Iterator[None]:
        places.append(guard.load.running)
        with take_turn(account, device):
            yield

    monkeypatch.setattr(guard.limiter, "take_turn", waiting)
    guard.admit(gate.request(gate.laptop), Access.TRUSTED)
    assert places == [0]
