"""The saga of a rotation: this device's work on it, step after step, from the verified streams alone.

Whichever trusted device runs it reads where the rotation stands and does what is next (`rotation_plan`). Two
that begin at once are one rotation: the first start counts, and the other device joins it.
Spec: rotation.md §3.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from solekey.crypto import DataKey, SigningKey
from solekey.errors import NewUserKeyNeededError, ReadBackError, RotationError
from solekey.progress import Progress
from solekey.rotation.leftovers import retire_wraps
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
from solekey.vault.wrapping import read_back, store_wrap
from solekey_protocol.change_list import Change
from solekey_protocol.events import Body, Signer, Stream
from solekey_protocol.events.devices import AccountKeyChanged
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import (
    AbortReason,
    RotationAborted,
    RotationCommitted,
    RotationCompleted,
    RotationReason,
    RotationStarted,
    RotationVerified,
)
from solekey_protocol.events.vault import KeyWrapped, ObjectsPurged
from solekey_protocol.ids import RAW_ID_BYTES, KeyId, RotationId
from solekey_protocol.streams import Rotation, WrapRecord, derive_wraps_digest

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Saga:
    """One device's work on the open rotation.

    Attributes:
        unlocked: the unlocked account.
        next_key: the new user key of a user key change; None where it is not known here.
        progress: told how many items are re-encrypted.
        left: items that did not open, and stay under their old epoch.
        abort_reason: what is stated where the only way on is to give up.
        rotation: the one that is gone on with; whatever is begun after it is left alone.
        begun: the rotation that this device has begun; None: it joins another device's.
    """

    unlocked: UnlockedAccount
    next_key: UnlockedUserKey | None
    progress: Progress
    left: frozenset[Change] = frozenset()
    abort_reason: AbortReason = AbortReason.SUPERSEDED
    rotation: RotationId | None = None
    begun: RotationId | None = None
    _found: tuple[tuple[int, int], list[Change]] | None = None

    def run(self, kind: RotationKind, reason: RotationReason) -> RotationId:
        """Begin a rotation, or join the one that another device began first, and do all of it.

        Raises:
            RotationError: the open one is of the other kind, or goes to another user key.
        """
        self.unlocked.streams.sync()
        own = RotationId.from_raw(self.unlocked.connection.runtime.random(RAW_ID_BYTES))

        def decide() -> RotationStarted | None:
            rotation = self.unlocked.streams.rotation.open
            if rotation is None:
                self.rotation = own
                return self._build_start(own, kind, reason)
            self._verify_joinable(rotation.started, kind)
            self.rotation = rotation.started.rotation
            return None

        self.begun = own if self.unlocked.say(decide) is not None else None
        self.finish()
        return own if self.rotation is None else self.rotation

    def _build_start(
        self, rotation: RotationId, kind: RotationKind, reason: RotationReason
    ) -> RotationStarted:
        streams = self.unlocked.streams
        key_id, epoch = self.unlocked.keyring.user_key.key_id, streams.vault.epoch
        to_key_id = self.next_key.key_id if self.next_key else key_id
        if kind is RotationKind.USER_KEY and to_key_id == key_id:
            raise RotationError("the new user key is the present one: make another")
        if kind is RotationKind.USER_KEY and _was_used(streams, to_key_id):
            raise RotationError("this user key was the account's before, or was given up: make another")
        to_epoch = epoch if kind is RotationKind.USER_KEY else epoch + 1
        return RotationStarted(rotation, kind, reason, key_id, to_key_id, epoch, to_epoch)

    def _verify_joinable(self, started: RotationStarted, kind: RotationKind) -> None:
        """Verify that the open rotation is the one that is wanted here. Raises RotationError."""
        if started.kind is not kind:
            name = "re-encryption" if started.kind is RotationKind.DATA_KEY else "change of the user key"
            raise RotationError(
                f"a {name} is open ({started.rotation}): it has to be finished or given up first"
            )
        if self.next_key is not None and started.to_key_id != self.next_key.key_id:
            raise RotationError(
                "another change of the user key was begun first, to other words: only those can come into "
                "force. The words given now, and a kit with them, count for nothing"
            )

    def was_completed(self, rotation: RotationId) -> bool:
        """Whether a rotation came to its end; another device may have given it up."""
        return rotation in self.unlocked.streams.rotation.completed

    def finish(self) -> None:
        """Do step after step until the rotation has ended, and nothing of another that was begun since."""
        while (situation := self._look()) is not None:
            self._do(plan_next(situation), situation)

    def _look(self) -> Situation | None:
        streams = self.unlocked.streams
        rotation = streams.rotation.open
        if rotation is None or rotation.started.rotation != self.rotation:
            return None
        events = streams.events(Stream.VAULT)
        if rotation.started.kind is RotationKind.USER_KEY:  # wraps alone: items are not even looked at
            return Situation(rotation, streams.devices, streams.vault, events)
        self.unlocked.index.catch_up()
        to_epoch = rotation.started.to_epoch
        old = {epoch: items for epoch, items in self.unlocked.index.head.epochs if epoch < to_epoch}
        left = sum(1 for change in self._find_old(to_epoch) if change in self.left) if self.left else 0
        return Situation(
            rotation, streams.devices, streams.vault, events, sum(old.values()) - left, frozenset(old)
        )

    def _find_old(self, epoch: int) -> list[Change]:
        """Find the items under older epochs, once for each commit: to look at all of them takes its time."""
        place = (self.unlocked.index.commit, epoch)
        if self._found is None or self._found[0] != place:
            self._found = (place, find_old_items(self.unlocked, epoch))
        return self._found[1]

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
                joining = started.rotation != self.begun
                self.left = rekey_items(self.unlocked, started.to_epoch, self.progress, joining=joining)
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
