"""Since when an account's keys are in force, and when the policy wants them rotated. Spec: rotation.md §4."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import Enforcement
from solekey_protocol.streams import RotationStream


@dataclass(frozen=True, slots=True)
class KeyAges:
    """When the user key, and the newest data key, came into force; None where there is none yet."""

    user_key_since: datetime | None = None
    data_key_since: datetime | None = None
    epoch: int = 0

    def note_user_key(self, since: datetime) -> "KeyAges":
        """A new user key came into force."""
        return replace(self, user_key_since=since)

    def note_epoch(self, epoch: int, since: datetime) -> "KeyAges":
        """A data key was wrapped: a new one when its epoch is."""
        return replace(self, epoch=epoch, data_key_since=since) if epoch > self.epoch else self


@dataclass(frozen=True, slots=True)
class Policy:
    """How old keys may become, and whether writes wait for a rotation that is due."""

    user_key_max_age: timedelta
    data_key_max_age: timedelta
    enforcement: Enforcement = Enforcement.ADVISORY


def derive_policy(state: RotationStream, fallback: Policy) -> Policy:
    """Derive the policy in force: the account's own, else the operator's."""
    own = state.policy
    if own is None:
        return fallback
    ages = timedelta(days=own.user_key_max_age_days), timedelta(days=own.data_key_max_age_days)
    return Policy(*ages, own.enforcement)


def derive_due(state: RotationStream, ages: KeyAges, fallback: Policy) -> dict[RotationKind, datetime]:
    """Derive when each key becomes due, without those that were announced as due or are being rotated."""
    policy = derive_policy(state, fallback)
    rotating = {state.open.started.kind} if state.open else set()
    due = {}
    if ages.user_key_since is not None:
        due[RotationKind.USER_KEY] = ages.user_key_since + policy.user_key_max_age
    if ages.data_key_since is not None:
        due[RotationKind.DATA_KEY] = ages.data_key_since + policy.data_key_max_age
    return {kind: moment for kind, moment in due.items() if kind not in state.due | rotating}
