"""Rotations: change the user key, re-encrypt the data, resume, abort. Nothing is lost at any point.

A rotation is a saga whose state is the signed rotation stream: whichever trusted device runs it reads where
it stands and does the next step (`rotation_plan`). Spec: rotation.md §3.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from solekey.crypto import DataKey, SigningKey, UserKey
from solekey.errors import NewUserKeyNeededError, ReadBackError, RotationError
from solekey.progress import Progress, ignore_progress
from solekey.rotation.leftovers import retire_wraps, settle_leftovers
from solekey.rotation.rekey import find_old_items, rekey_items
from solekey.rotation.rotation_plan import (
    Situation,
    Step,
    find_new_wraps,
    find_retirable,
    find_unwrapped,
    plan_next,
)
from solekey.streams.streams import Streams
from solekey.vault.keyring import UnlockedUserKey
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.vault import Vault
from solekey.vault.wrapping import read_back, store_wrap
from solekey_protocol.change_list import Change
from solekey_protocol.events import Body, Signer, Stream
from solekey_protocol.events.devices import AccountKeyChanged, KeyChangeAbandoned
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import (
    AbortReason,
    PolicySet,
    RotationAborted,
    RotationCommitted,
    RotationCompleted,
    RotationReason,
    RotationStarted,
    RotationVerified,
)
from solekey_protocol.events.vault import KeyWrapped, ObjectsPurged
from solekey_protocol.ids import RAW_ID_BYTES, KeyId, RotationId
from solekey_protocol.streams import Outcome, Rotation, WrapRecord, derive_wraps_digest

_log = logging.getLogger(__name__)
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
        RotationError: another rotation is open; resume it first.
        ReadBackError: the server does not store what was sent; the old key stays in force.
    """
    next_key = UnlockedUserKey(new_user_key, vault.unlocked.account)
    run = _Run(vault.unlocked, next_key, progress)
    rotation = run.start(RotationKind.USER_KEY, reason)
    if not run.was_completed(rotation):
        raise RotationError("another device gave this change up: the old user key stays in force")
    return rotation


def rekey_data(
    vault: Vault,
    *,
    reason: RotationReason = RotationReason.REQUESTED,
    progress: Progress = ignore_progress,
) -> RotationId:
    """Make a new data key and re-encrypt every item under it, then retire the old one and its ciphertext.

    An item that does not open stays under its old epoch, whose key then stays, too; `find_leftovers` lists
    them. Once they were restored or removed, `resume_rotation` finishes the work.

    Raises:
        RotationError: another rotation is open; resume it first.
    """
    run = _Run(vault.unlocked, None, progress)
    for _ in range(_MAX_STARTS):
        rotation = run.start(RotationKind.DATA_KEY, reason)
        if run.was_completed(rotation):
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
        _Run(vault.unlocked, next_key, progress).finish()
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
        _Run(unlocked, None, ignore_progress, abort_reason=reason).finish()
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


def set_policy(vault: Vault, *, user_key_max_age_days: int, data_key_max_age_days: int) -> PolicySet:
    """Say how old the keys may become before a rotation is due."""
    policy = PolicySet(user_key_max_age_days, data_key_max_age_days)
    vault.unlocked.say(lambda: policy if vault.unlocked.streams.rotation.policy != policy else None)
    return policy


@dataclass(slots=True)
class _Run:
    """One device's work on the open rotation."""

    unlocked: UnlockedAccount
    next_key: UnlockedUserKey | None
    progress: Progress
    left: frozenset[Change] = frozenset()
    abort_reason: AbortReason = AbortReason.SUPERSEDED

    def start(self, kind: RotationKind, reason: RotationReason) -> RotationId:
        self.unlocked.streams.sync()
        self.unlocked.index.catch_up()
        rotation = RotationId.from_raw(self.unlocked.connection.runtime.random(RAW_ID_BYTES))

        def decide() -> RotationStarted:
            streams = self.unlocked.streams
            if streams.rotation.open is not None:
                raise RotationError(f"{streams.rotation.open.started.rotation} is open: resume it first")
            key_id, epoch = self.unlocked.keyring.user_key.key_id, streams.vault.epoch
            to_key_id = self.next_key.key_id if self.next_key else key_id
            if kind is RotationKind.USER_KEY and to_key_id == key_id:
                raise RotationError("the new user key is the present one: make another")
            if kind is RotationKind.USER_KEY and _was_used(streams, to_key_id):
                raise RotationError("this user key was the account's before, or was given up: make another")
            to_epoch = epoch if kind is RotationKind.USER_KEY else epoch + 1
            return RotationStarted(rotation, kind, reason, key_id, to_key_id, epoch, to_epoch)

        self.unlocked.say(decide)
        self.finish()
        return rotation

    def was_completed(self, rotation: RotationId) -> bool:
        """Whether a rotation came to its end; another device may have given it up."""
        return rotation in self.unlocked.streams.rotation.completed

    def finish(self) -> None:
        """Do step after step until the rotation is completed."""
        while (situation := self._look()) is not None:
            self._do(plan_next(situation), situation)

    def _look(self) -> Situation | None:
        streams = self.unlocked.streams
        rotation = streams.rotation.open
        if rotation is None:
            return None
        self.unlocked.index.catch_up()
        old = set(find_old_items(self.unlocked, rotation.started.to_epoch)) - self.left
        sealed = frozenset(change.epoch for change in self.unlocked.index.items.values())
        events = streams.events(Stream.VAULT)
        return Situation(rotation, streams.devices, streams.vault, events, len(old), sealed)

    def _do(self, step: Step, situation: Situation) -> None:
        started = situation.started
        _log.info("rotation %s of the %s: %s", started.rotation, started.kind, step.name.lower())
        match step:
            case Step.WRAP if started.kind is RotationKind.USER_KEY:
                self._wrap_user_key()
            case Step.WRAP:
                self._wrap_data_key(started.to_epoch)
            case Step.CHANGE_KEY:
                self._read_back(situation)
                self._change_key()
            case Step.REKEY:
                self.left = rekey_items(self.unlocked, started.to_epoch, self.progress)
            case Step.SNAPSHOT:
                self.unlocked.committer.commit_snapshot()
            case Step.RETIRE:
                retire_wraps(self.unlocked, self._find_retirable)
            case Step.ABORT:
                self._say(step, lambda now: RotationAborted(now.started.rotation, self.abort_reason))
            case Step.VERIFY | Step.COMMIT | Step.PURGE | Step.COMPLETE:
                if step is Step.VERIFY:
                    self._read_back(situation)
                self._say(step, _SAID[step])

    def _say(
        self,
        step: Step,
        build: Callable[[Situation], Body],
        more_signers: Mapping[Signer, SigningKey] | None = None,
    ) -> None:
        """Say a step's body while the step is still what comes next."""

        def decide() -> Body | None:
            now = self._look()
            return build(now) if now is not None and plan_next(now) is step else None

        def find_signers(body: Body) -> Mapping[Signer, SigningKey]:
            given = more_signers or {}
            if {Signer.DEVICE, *given} >= body.SIGNERS:
                return given
            return {**self.unlocked.keyring.find_signers(body), **given}

        self.unlocked.author.say(decide, signers=find_signers)

    def _target_key(self, rotation: Rotation) -> UnlockedUserKey:
        """The user key that the rotation goes to."""
        for key in (self.next_key, self.unlocked.keyring.user_key):
            if key is not None and key.key_id == rotation.started.to_key_id:
                return key
        raise NewUserKeyNeededError("this change goes to a user key that was not given")

    def _wrap_user_key(self) -> None:
        def build(now: Situation) -> KeyWrapped:
            data_key = self.unlocked.keyring.data_key(find_unwrapped(now)[0])
            target = self._target_key(now.rotation)
            rotation = now.started.rotation
            return store_wrap(self.unlocked.connection, self.unlocked.streams, target, data_key, rotation)

        self._say(Step.WRAP, build)

    def _wrap_data_key(self, epoch: int) -> None:
        unlocked = self.unlocked
        user_key = unlocked.keyring.user_key
        with DataKey.make(epoch, unlocked.connection.runtime.random) as data_key:

            def build(now: Situation) -> KeyWrapped:
                rotation = now.started.rotation
                return store_wrap(unlocked.connection, unlocked.streams, user_key, data_key, rotation)

            commit_key = data_key.derive_commit_key(unlocked.account)
            self._say(Step.WRAP, build, {Signer.ACCOUNT: user_key.signing_key, Signer.COMMIT: commit_key})

    def _read_back(self, situation: Situation) -> None:
        """Read back, open and compare every wrap that the rotation has made. Raises ReadBackError."""
        unlocked = self.unlocked
        target = self._target_key(situation.rotation)
        wraps = find_new_wraps(situation)
        if situation.started.kind is RotationKind.USER_KEY and find_unwrapped(situation):
            raise ReadBackError("a data key has no wrap under the new user key")
        for live in wraps:
            read_back(unlocked.connection, live, target, unlocked.keyring.data_key(live.wrapped.epoch))

    def _change_key(self) -> None:
        def build(now: Situation) -> AccountKeyChanged:
            target = self._target_key(now.rotation)
            if now.devices.account_key is None:
                raise RotationError("the account is not founded")
            return AccountKeyChanged(
                previous_account_key=now.devices.account_key,
                account_key=target.signing_key.public_key,
                key_id=target.key_id,
                rotation=now.started.rotation,
                certificates=tuple(device.certificate for device in now.devices.trusted.values()),
            )

        if self.next_key is None:
            raise NewUserKeyNeededError("the new user key is needed to sign the change")
        signers: dict[Signer, SigningKey] = {
            Signer.ACCOUNT: self.unlocked.keyring.user_key.signing_key,
            Signer.NEXT_ACCOUNT: self.next_key.signing_key,
        }
        self._say(Step.CHANGE_KEY, build, signers)
        if self.unlocked.streams.devices.key_id == self.next_key.key_id:
            self.unlocked.keyring.replace_user_key(self.next_key)

    def _find_retirable(self) -> list[WrapRecord]:
        now = self._look()
        return find_retirable(now) if now is not None and plan_next(now) is Step.RETIRE else []


def _build_verified(now: Situation) -> RotationVerified:
    wraps = find_new_wraps(now)
    return RotationVerified(now.started.rotation, len(wraps), derive_wraps_digest(wraps))


_SAID: Mapping[Step, Callable[[Situation], Body]] = {
    Step.VERIFY: _build_verified,
    Step.COMMIT: lambda now: RotationCommitted(now.started.rotation, now.left_epochs),
    Step.PURGE: lambda now: ObjectsPurged(now.vault.last_snapshot),
    Step.COMPLETE: lambda now: RotationCompleted(now.started.rotation),
}
"""The steps that are nothing but a statement."""


def _was_used(streams: Streams, key_id: KeyId) -> bool:
    """Whether a user key was in force before, or a change to it was begun: no key ever comes back."""
    led_to = {rotation.started.to_key_id for rotation in streams.rotation.rotations}
    return key_id in led_to | {key.key_id for key in streams.devices.keys}


def _is_open(unlocked: UnlockedAccount, rotation: RotationId) -> bool:
    current = unlocked.streams.rotation.open
    return current is not None and current.started.rotation == rotation
