"""One account's requests are bounded in number and at once; another's are not touched by it."""

import pytest
from actors import derive_raw

from solekey_eventlog.clock import ManualClock
from solekey_protocol.ids import AccountId
from solekey_service.access.request_budget import BURST_S, RequestBudget
from solekey_service.refusals import RateLimited

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
