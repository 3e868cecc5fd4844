"""The requests of a device are bounded in number and at once; others are not touched by it."""

import queue
import threading
from contextlib import ExitStack

import pytest

from solekey_eventlog.clock import ManualClock
from solekey_protocol.ids import AccountId, DeviceId
from solekey_service.access.request_limiter import BURST_S, DEVICES, RequestLimiter
from solekey_service.refusals import RateLimited
from tests.support.keys import derive_raw

_ANA, _BEN = (AccountId.from_raw(derive_raw(name)) for name in ("ana", "ben"))
_STOLEN, _OWN, _THIRD = (DeviceId.from_raw(derive_raw(name)) for name in ("stolen", "own", "third"))
ANA, BEN = (_ANA, _STOLEN), (_BEN, _OWN)
ANA_AT_HOME, ANA_ELSEWHERE = (_ANA, _OWN), (_ANA, _THIRD)


def test_a_burst_then_so_many_a_second() -> None:
    clock = ManualClock()
    limiter = RequestLimiter(clock, per_second=5, at_once=1)
    for _ in range(5 * BURST_S):
        limiter.take(*ANA)
    with pytest.raises(RateLimited) as refused:
        limiter.take(*ANA)
    assert refused.value.retry_after_s == 1
    limiter.take(*BEN)
    clock.advance(1)
    for _ in range(5):
        limiter.take(*ANA)
    with pytest.raises(RateLimited):
        limiter.take(*ANA)


def test_only_so_many_at_once() -> None:
    limiter = RequestLimiter(ManualClock(), per_second=5, at_once=2)
    two = (limiter.running(*ANA), limiter.running(*ANA), limiter.running(*BEN))
    with two[0], two[1], two[2], pytest.raises(RateLimited), limiter.running(*ANA):
        raise AssertionError("a third one was let in")
    with limiter.running(*ANA), limiter.running(*ANA):
        pass


def test_of_one_device_two_are_worked_on_at_a_time_and_the_others_wait() -> None:
    limiter = RequestLimiter(ManualClock(), per_second=5, at_once=9)
    done: queue.SimpleQueue[str] = queue.SimpleQueue()

    def work(caller: tuple[AccountId, DeviceId], name: str) -> threading.Thread:
        def run() -> None:
            with limiter.take_turn(*caller):
                done.put(name)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    with limiter.take_turn(*ANA), limiter.take_turn(*ANA):
        third = work(ANA, "the third of hers")
        work(BEN, "his").join()
        assert done.get() == "his"
        assert done.empty()
    third.join()
    assert done.get() == "the third of hers"


def test_a_turn_ends_with_an_error() -> None:
    limiter = RequestLimiter(ManualClock(), per_second=5, at_once=9)
    for _ in range(3):
        with pytest.raises(KeyError), limiter.take_turn(*ANA):
            raise KeyError
    with limiter.take_turn(*ANA), limiter.take_turn(*ANA):
        pass


def test_a_stolen_device_leaves_the_owners_others_as_much_as_it_takes() -> None:
    clock = ManualClock()
    limiter = RequestLimiter(clock, per_second=5, at_once=3)
    for caller in (ANA, ANA_AT_HOME):
        for _ in range(5 * BURST_S):
            limiter.take(*caller)
        with pytest.raises(RateLimited, match="at most 5 requests"):
            limiter.take(*caller)
    with pytest.raises(RateLimited, match="at most 10 requests"):  # control: devices do not multiply the room
        limiter.take(*ANA_ELSEWHERE)
    clock.advance(1)
    limiter.take(*ANA_ELSEWHERE)


def test_a_stolen_device_takes_up_no_place_and_no_turn_of_the_owners_others() -> None:
    limiter = RequestLimiter(ManualClock(), per_second=5, at_once=2)
    with ExitStack() as admitted:
        for caller in (ANA, ANA, ANA_AT_HOME, ANA_AT_HOME):
            admitted.enter_context(limiter.running(*caller))
            admitted.enter_context(limiter.take_turn(*caller))
        with pytest.raises(RateLimited), limiter.running(*ANA_ELSEWHERE):
            raise AssertionError("an account has the room of two devices")
        with limiter.running(*BEN), limiter.take_turn(*BEN):
            pass
    assert DEVICES == 2
