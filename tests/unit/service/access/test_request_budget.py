"""One account's requests are bounded in number and at once; another's are not touched by it."""

import queue
import threading

import pytest

from solekey_eventlog.clock import ManualClock
from solekey_protocol.ids import AccountId
from solekey_service.access.request_budget import BURST_S, RequestBudget
from solekey_service.refusals import RateLimited
from tests.support.keys import derive_raw

ANA, BEN = (AccountId.from_raw(derive_raw(name)) for name in ("ana", "ben"))


def test_a_burst_then_so_many_a_second() -> None:
    clock = ManualClock()
    budget = RequestBudget(clock, per_second=5, at_once=1)
    for _ in range(5 * BURST_S):
        budget.spend(ANA)
    with pytest.raises(RateLimited) as refused:
        budget.spend(ANA)
    assert refused.value.retry_after_s == 1
    budget.spend(BEN)
    clock.advance(1)
    for _ in range(5):
        budget.spend(ANA)
    with pytest.raises(RateLimited):
        budget.spend(ANA)


def test_only_so_many_at_once() -> None:
    budget = RequestBudget(ManualClock(), per_second=5, at_once=2)
    two = (budget.hold(ANA), budget.hold(ANA), budget.hold(BEN))
    with two[0], two[1], two[2], pytest.raises(RateLimited), budget.hold(ANA):
        raise AssertionError("a third one was let in")
    with budget.hold(ANA), budget.hold(ANA):
        pass


def test_of_one_account_two_are_worked_on_at_a_time_and_the_others_wait() -> None:
    budget = RequestBudget(ManualClock(), per_second=5, at_once=9)
    done: queue.SimpleQueue[str] = queue.SimpleQueue()

    def work(account: AccountId, name: str) -> threading.Thread:
        def run() -> None:
            with budget.take_turn(account):
                done.put(name)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    with budget.take_turn(ANA), budget.take_turn(ANA):
        third = work(ANA, "the third of hers")
        work(BEN, "his").join()
        assert done.get() == "his"
        assert done.empty()
    third.join()
    assert done.get() == "the third of hers"


def test_a_turn_ends_with_an_error() -> None:
    budget = RequestBudget(ManualClock(), per_second=5, at_once=9)
    for _ in range(3):
        with pytest.raises(KeyError), budget.take_turn(ANA):
            raise KeyError
    with budget.take_turn(ANA), budget.take_turn(ANA):
        pass
