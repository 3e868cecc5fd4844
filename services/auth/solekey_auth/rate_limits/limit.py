"""The limits of this service, each with its unit. Spec: rate-limits.md §2."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

SOURCE_SLOT_BITS: Final = 20
"""Sources are hashed into this many bits of slots, which bounds the rows about them."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How often something may be tried, and how long the next attempt waits once that is used up.

    Attributes:
        free: attempts without any wait.
        drain_every: one attempt leaves the bucket each time this has passed.
        first_wait: the wait after the last free attempt; each further one doubles it.
        longest_wait: no wait is longer.
    """

    free: int
    drain_every: timedelta
    first_wait: timedelta
    longest_wait: timedelta


_MINUTE = timedelta(minutes=1)
LOGIN_DEVICE: Final = Limit(10, 15 * _MINUTE, _MINUTE / 2, 15 * _MINUTE)
"""Failed logins from one device that the account knows."""
LOGIN_STRANGER: Final = Limit(5, 60 * _MINUTE, _MINUTE, 60 * _MINUTE)
"""Failed logins from one source under one name."""
LOGIN_NAME: Final = Limit(20, 15 * _MINUTE, _MINUTE, 15 * _MINUTE)
"""Failed logins under one name, from all sources together."""
LOGIN_SOURCE: Final = Limit(50, _MINUTE, _MINUTE, 15 * _MINUTE)
"""Failed logins from one source, under all names together."""
CHALLENGES: Final = Limit(300, _MINUTE / 60, _MINUTE / 60, _MINUTE / 60)
"""Challenges that one source requests: afterwards one a second."""
CHALLENGES_DEVICE: Final = Limit(60, _MINUTE / 60, _MINUTE / 60, _MINUTE / 60)
"""Challenges that one device requests for an account that knows it: afterwards one a second."""
REGISTRATIONS: Final = Limit(60, _MINUTE, _MINUTE, _MINUTE)
"""Registrations from one source: afterwards one a minute."""
STEP_UP: Final = Limit(5, 15 * _MINUTE, _MINUTE / 2, 15 * _MINUTE)
"""Wrong second factors in the sessions of one device."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits in force: those above, with the numbers of free attempts that the operator set."""

    login_device: Limit = LOGIN_DEVICE
    login_stranger: Limit = LOGIN_STRANGER
    login_name: Limit = LOGIN_NAME
    login_source: Limit = LOGIN_SOURCE
    challenges: Limit = CHALLENGES
    challenges_device: Limit = CHALLENGES_DEVICE
    registrations: Limit = REGISTRATIONS
    step_up: Limit = STEP_UP
