"""The brake on guessing: how often something may be tried, and how long one waits after that.

Spec: rate-limits.md §2. A budget is used up by attempts and recovers with time. What is judged here is
one budget as it stands in its row; whose budgets an attempt counts against is decided in budgets.py.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from solekey_auth.limits import Budget
from solekey_auth.refusals import TooManyAttempts
from solekey_eventlog.clock import was_written_ahead

_MAX_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used of a budget: so many attempts that are not forgotten yet.

    Attributes:
        used: attempts that count.
        counted_at: since when the oldest of them waits to be forgotten.
        free_at: when the next attempt may be made.
    """

    used: int
    counted_at: datetime
    free_at: datetime


def verify_attempts_left(spent: Spent, budget: Budget, now: datetime) -> None:
    """Verify that another attempt may be made.

    Raises:
        TooManyAttempts: with the time until it may.
    """
    if spent.used < budget.free:
        return  # what is left of it needs no wait: another transaction's clock may be a little ahead
    if was_written_ahead(spent.free_at, now, budget.longest_wait):
        return
    wait = min(spent.free_at - now, budget.longest_wait)
    if wait > timedelta(0):
        raise TooManyAttempts(math.ceil(wait.total_seconds()))


def spend(spent: Spent, budget: Budget, now: datetime) -> Spent:
    """Count one attempt; those that are old enough are forgotten first."""
    recovered = recover(spent, budget, now)
    used = recovered.used + 1
    over = used - budget.free
    free_at = now if over < 0 else now + derive_wait(budget, over)
    return Spent(used, recovered.counted_at, free_at)


def recover(spent: Spent, budget: Budget, now: datetime) -> Spent:
    """Forget one attempt for each ``budget.forget`` that has passed."""
    since = min(spent.counted_at, now)  # a clock that was set back begins to count anew
    forgotten = (now - since) // budget.forget
    if forgotten >= spent.used:
        return Spent(0, now, spent.free_at)
    return Spent(spent.used - forgotten, since + forgotten * budget.forget, spent.free_at)


def derive_wait(budget: Budget, over: int) -> timedelta:
    """Derive the wait after the last free attempt (over 0), and after each further one."""
    wait: timedelta = budget.first_wait * 2 ** min(over, _MAX_DOUBLINGS)
    return min(wait, budget.longest_wait)


def derive_forgotten_at(spent: Spent, budget: Budget) -> datetime:
    """Derive when nothing of it counts any more."""
    return max(spent.counted_at + spent.used * budget.forget, spent.free_at)
