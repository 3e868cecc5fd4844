"""The keys of an account: unlocking, changing them, and what keeps them safe."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from solekey.api.core import Core, UserKeySource
from solekey.crypto import UserKey
from solekey.errors import ProviderError
from solekey.progress import Progress, ignore_progress
from solekey.providers.spec import make_absolute
from solekey.recovery.kit import RecoveryKit, make_kit
from solekey.recovery.proof import KitProof, verify_kit
from solekey.rotation.leftovers import find_leftovers
from solekey.rotation.repair import find_missing_epochs, repair_wraps
from solekey.rotation.rotation import (
    abort_rotation,
    change_user_key,
    rekey_data,
    resume_rotation,
    set_policy,
)
from solekey.vault.unreadable import UnreadableItem
from solekey.vault.vault import Vault
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import Enforcement, PolicySet, RotationDue
from solekey_protocol.ids import KeyId, RotationId
from solekey_protocol.streams import Phase


@dataclass(frozen=True, slots=True)
class OpenRotation:
    """A rotation that was begun and not finished.

    Attributes:
        id, kind, phase: which, of which key, and how far it is.
        to_key_id: the user key that it leads to.
    """

    id: RotationId
    kind: RotationKind
    phase: Phase
    to_key_id: KeyId


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """Where the account's keys stand, as the verified events say.

    Attributes:
        key_id: which user key is in force; None before the account is founded.
        epoch: which data key is in force.
        open_rotation: the rotation that is to be resumed or aborted; None: there is none.
        due: which rotations are due, each with its cause, and since when.
        enforced: those of them that writes have to wait for.
        policy: how old the keys may become; None: none was set.
        completed: how many rotations have come to their end.
    """

    key_id: KeyId | None
    epoch: int
    open_rotation: OpenRotation | None
    due: tuple[RotationDue, ...]
    enforced: frozenset[RotationKind]
    policy: PolicySet | None
    completed: int


class Keys:
    """The keys of one account. What changes them needs the account unlocked, and a fresh second factor.

    A user key that is given is copied: it can be used again, and whoever made it wipes it
    (``with UserKey.from_phrase(words) as key``). Have a new user key's words written down before it is used:
    it is in force when the call returns.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    @property
    def is_unlocked(self) -> bool:
        """Whether the account is unlocked."""
        return self._core.is_unlocked

    @contextmanager
    def unlock(
        self, key: UserKeySource | None = None, *, confirming: bool = False, repairing: bool = False
    ) -> Iterator[Vault]:
        """Unlock the account for a block; gives its items. The last block to end wipes the keys.

        Args:
            key: the user key, or what keeps it; None: the place that this profile remembers (`stored_at`).
            confirming: go on although a revoked device has signed statements since, in order to finish its
                revocation, which confirms them.
            repairing: go on although the newest data key does not open; see `repair`.

        Raises:
            WrongUserKeyError: a valid key, but not this account's, or one that was replaced.
            ProviderEmptyError: no key was given, and this profile remembers no place.
            ProviderError: what keeps the key does not serve it.
            TamperedWrapError: the key is right, the server's wrapped key is not.
            EvidenceError: the server shows less, other, or forged records.
            UnconfirmedEventError: a revoked device has signed statements since; nobody has confirmed them.
        """
        vault = self._core.unlock(self._core.load_key(key), confirming=confirming, repairing=repairing)
        try:
            yield vault
        finally:
            self._core.leave()

    def status(self) -> KeyStatus:
        """Look at the keys, the open rotation and the policy. Raises EvidenceError."""
        with self._core.lock:
            streams = self._core.session.streams
            streams.sync()
            rotation = streams.rotation
        found = rotation.open
        opened = (
            OpenRotation(found.started.rotation, found.started.kind, found.phase, found.started.to_key_id)
            if found is not None
            else None
        )
        return KeyStatus(
            key_id=streams.devices.key_id,
            epoch=streams.vault.epoch,
            open_rotation=opened,
            due=rotation.dues,
            enforced=rotation.enforced,
            policy=rotation.policy,
            completed=len(rotation.completed),
        )

    def change_user_key(self, new_key: UserKey, *, progress: Progress = ignore_progress) -> RotationId:
        """Put a new user key in the place of the present one. The account stays unlocked, under the new one.

        Raises:
            AccountLockedError: unlock the account first.
            RotationError: another rotation is open; resume it first.
            ReadBackError: the server does not store what was sent; the old key stays in force.
            StepUpRequiredError: see `solekey.open`, ``on_step_up``.
        """
        with self._core.lock:
            return change_user_key(self._core.vault, new_key.copy(), progress=progress)

    def change_data_key(self, *, progress: Progress = ignore_progress) -> RotationId:
        """Make a new data key, re-encrypt every item under it, and retire the old one and its ciphertext.

        An item that does not open stays under its old epoch, whose key then stays, too: see `find_leftovers`.

        Raises:
            AccountLockedError: unlock the account first.
            RotationError: another rotation is open; resume it first.
            StepUpRequiredError: see `solekey.open`, ``on_step_up``.
        """
        with self._core.lock:
            return rekey_data(self._core.vault, progress=progress)

    def resume(
        self, new_key: UserKey | None = None, *, progress: Progress = ignore_progress
    ) -> RotationId | None:
        """Go on with the open rotation, whichever device has begun it, to its end. None: there is none.

        Then what an earlier one could not open is tried again, and keys that nothing needs are retired.

        Raises:
            AccountLockedError: unlock the account first.
            NewUserKeyNeededError: a user key change that is not yet made needs the new key.
        """
        with self._core.lock:
            given = new_key.copy() if new_key is not None else None
            return resume_rotation(self._core.vault, given, progress=progress)

    def abort(self) -> RotationId | None:
        """Give up the open rotation; the key in force stays. None: there is none.

        Raises:
            AccountLockedError: unlock the account first.
            RotationError: the new key is in force already; resume it instead.
        """
        with self._core.lock:
            return abort_rotation(self._core.vault)

    def set_policy(
        self, *, user_key_max_age_days: int, data_key_max_age_days: int, enforced: bool = False
    ) -> PolicySet:
        """State how old the keys may become before a rotation is due.

        Args:
            user_key_max_age_days: days until the user key is to be changed.
            data_key_max_age_days: days until the data is to be re-encrypted.
            enforced: whether the server refuses writes while a rotation is due.

        Raises:
            AccountLockedError: unlock the account first.
        """
        with self._core.lock:
            return set_policy(
                self._core.vault,
                user_key_max_age_days=user_key_max_age_days,
                data_key_max_age_days=data_key_max_age_days,
                enforcement=Enforcement.ENFORCED if enforced else Enforcement.ADVISORY,
            )

    def find_leftovers(self) -> tuple[UnreadableItem, ...]:
        """Find the items that were tried since the account was unlocked, and left under an older data key."""
        with self._core.lock:
            return find_leftovers(self._core.vault.unlocked)

    def find_missing(self) -> tuple[int, ...]:
        """Find the epochs that are needed and that the user key does not open: what `repair` mends."""
        with self._core.lock:
            return tuple(find_missing_epochs(self._core.vault.unlocked))

    def repair(self, old_key: UserKey) -> tuple[int, ...]:
        """Wrap anew, under the user key in force, what only an older one opens. Nothing is deleted.

        Unlock the account with ``repairing=True`` first.

        Returns:
            The epochs that were wrapped anew; none when nothing was missing.

        Raises:
            RepairFailedError: the older key opens no wrap of an epoch that is needed.
        """
        with self._core.lock:
            return repair_wraps(self._core.vault, old_key.copy())

    def make_kit(self, user_key: UserKey) -> RecoveryKit:
        """Make the recovery kit of a user key, in force or soon to be, from the account as it is now.

        `solekey.recovery.write_kit` puts it on paper. Raises EvidenceError.
        """
        with self._core.lock:
            return make_kit(self._core.session, user_key)

    def verify_kit(self, user_key: UserKey, kit: RecoveryKit | None = None) -> KitProof:
        """Verify that a kit's words open the data key in force, and that the server shows what it pins.

        Raises:
            KitMismatchError: another account's kit.
            WrongUserKeyError: the words of another key, or of one that was replaced.
            RollbackError, HistoryForkError: the server shows an account without what the kit has pinned.
        """
        with self._core.lock:
            return verify_kit(self._core.session, user_key.copy(), kit)

    @property
    def stored_at(self) -> str | None:
        """Where this profile's user key is kept, as `store` was told; None: nowhere."""
        return self._core.stored_at

    def store(self, place: str, key: UserKey, *, replace: bool = False) -> None:
        """Keep the user key at a place, and take it from there when `unlock` is given none.

        Args:
            place: ``file:PATH`` (sealed under a passphrase), ``keyring:[NAME]``, or ``pkcs11:…``.
            key: the user key, which has to open the account.
            replace: take the place of an older user key of this account.

        Raises:
            SpecError, ExtraMissingError, ProviderError: the place does not serve.
            WrongUserKeyError: it is not the account's user key.
        """
        place = make_absolute(place)
        provider = self._core.open_provider(place)
        with self.unlock(key):
            provider.store(key, replace=replace)
        with provider.load() as stored:
            if stored != key:
                raise ProviderError(f"{place} does not give back what was stored")
        self._core.session.connection.profile.update(user_key_from=place)

    def forget(self, *, delete: bool = True) -> str | None:
        """Forget the place where the user key is kept, and delete the key there. None: it is kept nowhere.

        Args:
            delete: False: leave the key where it is.
        """
        place = self.stored_at
        if place is not None:
            if delete:
                self._core.open_provider(place).delete()
            self._core.session.connection.profile.update(user_key_from=None)
        return place
