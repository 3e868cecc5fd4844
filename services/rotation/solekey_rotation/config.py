"""Configuration of the rotation service. Every field: what it is, its unit, its default. Spec: rotation.md §5."""

from dataclasses import dataclass
from typing import Final

from solekey_eventlog.config import ServiceConfig
from solekey_rotation.domain import MaxAges

MAX_DAYS: Final = 3650
"""As in a policy (events.md §4.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationConfig(ServiceConfig):
    """What the rotation service is told: how old the keys of accounts without a policy may become."""

    user_key_max_age_days: int = 365
    data_key_max_age_days: int = 365

    def find_problems(self) -> list[str]:
        """See ServiceConfig.find_problems."""
        problems = ServiceConfig.find_problems(self)  # super() does not know a slotted dataclass's copy
        for name in ("user_key_max_age_days", "data_key_max_age_days"):
            if not 1 <= getattr(self, name) <= MAX_DAYS:
                problems.append(f"{name}: expected 1 to {MAX_DAYS} days")
        return problems

    @property
    def max_ages(self) -> MaxAges:
        """The ages that hold without a policy."""
        return MaxAges.of_days(self.user_key_max_age_days, self.data_key_max_age_days)
