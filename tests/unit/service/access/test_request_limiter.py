"""One account's requests are bounded in number and at once; another's are not touched by it."""

import queue
import threading

import pytest

from solekey_eventlog.clock import ManualClock
from solekey_protocol.ids import AccountId
from solekey_service.access.request_limiter import BURST_S, RequestLimiter
from solekey_service.refusals import RateLimited
from tests.support.keys import derive_raw

ANA, BEN = (AccountId.from_raw(derive_raw(name)) for name in ("ana", "ben"))


def test_a_burst_then_so_many_a_second() -> None:
    clock = ManualClock()
    limiter = RequestLimiter(clock, per_second=5, at_once=1)
    for _ in range(5 * BURST_S):
        limiter.take(ANA)
    with pytest.raises(RateLimited) as refused:
        limiter.take(ANA)
    assert refused.value.retry_after_s == 1
    limiter.take(BEN)
    clock.advance(1)
    for _ in range(5):
        limiter.take(ANA)
    with pytest.raises(RateLimited):
        limiter.take(ANA)


def test_only_so_many_at_once() -> None:
    limiter = RequestLimiter(ManualClock(), per_second=5, at_once=2)
    two = (limiter.running(ANA), limiter.running(ANA), limiter.running(BEN))
    with two[0], two[1], two[2], pytest.raises(RateLimited), limiter.running(ANA):
        raise AssertionError("a third one was let in")
    with limiter.running(ANA), limiter.running(ANA):
        pass


def test_of_one_account_two_are_worked_on_at_a_time_and_the_others_wait() -> None:
    limiter = RequestLimiter(ManualClock(), per_second=5, at_once=9)
    done: queue.SimpleQueue[str] = queue.SimpleQueue()

    def work(account: AccountId, name: str) -> threading.Thread:
        def run() -> None:
            with limiter.take_turn(account):
                done.put(name)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    with limiter.take_turn(ANA), limiter.take_turn(ANA):
        third = work(ANA, "the third of hers")
        work(BEN, "his").join()
        assert done.get() == "his"
        assert done.empty()
    third.join()
    assert done.get() == "the third of hers"


def test_a_turn_ends_with_an_error() -> None:
    limiter = RequestLimiter(ManualClock(), per_second=5, at_once=9)
    for _ in range(3):
        with pytest.raises(KeyError), limiter.take_turn(ANA):
            raise KeyError
    with limiter.take_turn(ANA), limiter.take_turn(ANA):
        pass
