"""Rotations: change the user key, re-encrypt the data, resume, abort. Nothing is lost at any point.

A rotation is a saga (`saga`) whose state is the signed rotation stream. Spec: rotation.md §3.
"""

from typing import Final

from solekey.crypto import UserKey
from solekey.errors import RotationError
from solekey.progress import Progress, ignore_progress
from solekey.rotation.leftovers import settle_leftovers
from solekey.rotation.saga import Saga
from solekey.vault.keyring import UnlockedUserKey
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.vault import Vault
from solekey_protocol.events.devices import KeyChangeAbandoned
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import (
    AbortReason,
    Enforcement,
    PolicySet,
    RotationAborted,
    RotationReason,
    RotationStarted,
)
from solekey_protocol.ids import RotationId
from solekey_protocol.streams import Outcome

_MAX_STARTS: Final = 4
"""Data re-keys that are begun in turn: an epoch that another one has begun is not taken over."""


def change_user_key(
    vault: Vault,
    new_user_key: UserKey,
    *,
    reason: RotationReason = RotationReason.REQUESTED,
    progress: Progress = ignore_progress,
) -> RotationId:
    """Put a new user key in the place of the present one; have its words written down before.

    The vault goes on under the new key, which is taken over and wiped at the end of the unlocked block.

    Raises:
        RotationError: another rotation is open, be it a change to another key: finish it or give it up first.
        ReadBackError: the server does not store what was sent; the old key stays in force.
    """
    next_key = UnlockedUserKey(new_user_key, vault.unlocked.account)
    saga = Saga(vault.unlocked, next_key, progress)
    rotation = saga.run(RotationKind.USER_KEY, reason)
    if not saga.was_completed(rotation):
        raise RotationError("another device gave this change up: the old user key stays in force")
    return rotation


def rekey_data(
    vault: Vault,
    *,
    reason: RotationReason = RotationReason.REQUESTED,
    progress: Progress = ignore_progress,
) -> RotationId:
    """Make a new data key and re-encrypt every item under it, then retire the old one and its ciphertext.

    A re-encryption that is open already is joined, whichever device has begun it.

    An item that does not open stays under its old epoch, whose key then stays, too; `find_leftovers` lists
    them. Once they were restored or removed, `resume_rotation` finishes the work.

    Raises:
        RotationError: a user key change is open; finish it or give it up first.
    """
    saga = Saga(vault.unlocked, None, progress)
    for _ in range(_MAX_STARTS):
        rotation = saga.run(RotationKind.DATA_KEY, reason)
        if saga.was_completed(rotation):
            return rotation
    raise RotationError("other devices have given every attempt up; try again")


def resume_rotation(
    vault: Vault, new_user_key: UserKey | None = None, *, progress: Progress = ignore_progress
) -> RotationId | None:
    """Go on with the open rotation, whoever started it, to its end. None: there is none.

    Then what an earlier re-key could not open is tried again, and old keys that nothing needs are retired.

    Raises:
        NewUserKeyNeededError: a user key change that is not yet made needs the new phrase.
    """
    vault.unlocked.streams.sync()
    rotation = vault.unlocked.streams.rotation.open
    if rotation is not None:
        next_key = UnlockedUserKey(new_user_key, vault.unlocked.account) if new_user_key else None
        Saga(vault.unlocked, next_key, progress, rotation=rotation.started.rotation).finish()
    settle_leftovers(vault.unlocked, progress)
    return rotation.started.rotation if rotation else None


def abort_rotation(vault: Vault, reason: AbortReason = AbortReason.USER_REQUEST) -> RotationId | None:
    """Give up the open rotation; the key in force stays. None: there is none.

    A user key change is given up in the devices stream, where it would also take over: exactly one of the two
    happens, whatever is on its way from another device.

    Raises:
        RotationError: the new key is in force already; resume it instead.
    """
    unlocked = vault.unlocked
    unlocked.streams.sync()
    rotation = unlocked.streams.rotation.open
    if rotation is None:
        return None
    started = rotation.started
    if started.kind is RotationKind.USER_KEY:
        _abandon(unlocked, started)
        Saga(unlocked, None, ignore_progress, abort_reason=reason, rotation=started.rotation).finish()
        return started.rotation
    unlocked.say(
        lambda: RotationAborted(started.rotation, reason) if _is_open(unlocked, started.rotation) else None
    )
    return started.rotation


def _abandon(unlocked: UnlockedAccount, started: RotationStarted) -> None:
    """Decide that a user key change never takes over. Raises RotationError: it has."""

    def decide() -> KeyChangeAbandoned | None:
        decision = unlocked.streams.devices.decisions.get(started.rotation)
        if decision is None:
            return KeyChangeAbandoned(started.rotation, started.to_key_id)
        if decision.outcome is Outcome.TAKEN:
            raise RotationError("the new user key is in force already: there is no way back")
        return None

    unlocked.say(decide)


def set_policy(
    vault: Vault,
    *,
    user_key_max_age_days: int,
    data_key_max_age_days: int,
    enforcement: Enforcement = Enforcement.ADVISORY,
) -> PolicySet:
    """State how old the keys may become before a rotation is due, and whether writes then wait for it."""
    policy = PolicySet(user_key_max_age_days, data_key_max_age_days, enforcement)
    vault.unlocked.say(lambda: policy if vault.unlocked.streams.rotation.policy != policy else None)
    return policy


def _is_open(unlocked: UnlockedAccount, rotation: RotationId) -> bool:
    current = unlocked.streams.rotation.open
    return current is not None and current.started.rotation == rotation
