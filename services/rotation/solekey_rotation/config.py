"""Configuration of the rotation service."""

from dataclasses import dataclass

from solekey_service.config import ServiceConfig

MAX_AGE_DAYS = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationConfig(ServiceConfig):
    """The settings of every service, and the policy of accounts that have set none."""

    statements_per_minute: int = 60
    """See ServiceConfig; a whole rotation takes four, a policy one."""

    max_events: int = 10_000
    """See ServiceConfig. A fold remembers each rotation; what the account key signs has twice the room."""

    user_key_max_age_days: int = 365
    data_key_max_age_days: int = 365

    enforce_max_age: bool = False
    """Whether the vault refuses writes of accounts that have set no policy, while a rotation is due."""

    def find_problems(self) -> list[str]:
        """See ServiceConfig.find_problems."""
        problems = ServiceConfig.find_problems(self)  # super() does not know a slotted dataclass's copy
        for name in ("user_key_max_age_days", "data_key_max_age_days"):
            if not 1 <= getattr(self, name) <= MAX_AGE_DAYS:
                problems.append(f"{name}: expected 1 to {MAX_AGE_DAYS} days")
        return problems
