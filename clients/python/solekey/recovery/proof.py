"""Proves that a kit opens the account as it is now, and that the account's history contains what it pins.

Spec: recovery.md §3.
"""

from dataclasses import dataclass

from solekey.crypto import UserKey
from solekey.errors import KitMismatchError, VaultError
from solekey.recovery.kit import OpenAccount, RecoveryKit
from solekey.streams.streams import Streams
from solekey.vault.keyring import UnlockedUserKey, fetch_wraps, open_live_wrap
from solekey_protocol.events import Stream
from solekey_protocol.events.devices import AccountKeyChanged
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import RotationCompleted, RotationStarted
from solekey_protocol.ids import KeyId
from solekey_protocol.statements import EMPTY_HEAD


@dataclass(frozen=True, slots=True)
class KitProof:
    """What was proven of a kit.

    Attributes:
        key_id: the user key, which is the account's now.
        epoch: the data key that it opened, which is the one in force.
        outdated: whether a rotation came after the kit: it still opens everything, but pins less than a
            new one would. None where only words were given.
    """

    key_id: KeyId
    epoch: int
    outdated: bool | None


def verify_kit(account: OpenAccount, user_key: UserKey, kit: RecoveryKit | None = None) -> KitProof:
    """Verify that a kit's words open the data key in force; takes the user key over and wipes it.

    Raises:
        KitMismatchError: another account's kit.
        RollbackError, HistoryForkError: the server shows an account without what the kit has pinned.
        WrongUserKeyError: the words of another key, or of one that was replaced.
        TamperedWrapError: the words are right, the server's wrapped key is not.
    """
    with user_key:
        account.streams.sync()
        if kit is not None:
            verify_pins(account, kit)
        unlocked = UnlockedUserKey(user_key, account.connection.profile.account)
        try:
            epoch = _open_data_key(account, unlocked.verify_current(account.streams))
        finally:
            unlocked.wipe()
        outdated = None if kit is None else is_outdated(kit, account.streams)
        return KitProof(unlocked.key_id, epoch, outdated)


def verify_pins(account: OpenAccount, kit: RecoveryKit) -> RecoveryKit:
    """Verify that this account's verified streams contain the heads that a kit pins.

    Raises:
        KitMismatchError: another account's kit.
        RollbackError, HistoryForkError: see `Streams.verify_contains`.
    """
    own = account.connection.profile.account
    if kit.account != own:
        raise KitMismatchError(f"the kit is of {kit.account}, this is {own}")
    account.streams.verify_contains(kit.heads)
    return kit


def is_outdated(kit: RecoveryKit, streams: Streams) -> bool:
    """Whether a rotation came after the kit; the one that put the kit's own key in force does not count.

    The kit's heads decide, not clocks.
    """
    known = kit.heads.get(Stream.DEVICES, EMPTY_HEAD).seq
    changes = [event.body for event in streams.events(Stream.DEVICES)[known:]]
    if any(isinstance(body, AccountKeyChanged) and body.key_id != kit.key_id for body in changes):
        return True
    started = {
        event.body.rotation: event.body
        for event in streams.events(Stream.ROTATION)
        if isinstance(event.body, RotationStarted)
    }
    known = kit.heads.get(Stream.ROTATION, EMPTY_HEAD).seq
    completed = [
        started[event.body.rotation]
        for event in streams.events(Stream.ROTATION)[known:]
        if isinstance(event.body, RotationCompleted)
    ]
    return any(body.kind is RotationKind.DATA_KEY or body.to_key_id != kit.key_id for body in completed)


def _open_data_key(account: OpenAccount, user_key: UnlockedUserKey) -> int:
    """Fetch and open the wrap of the epoch in force. Raises TamperedWrapError, VaultError."""
    epoch, stored = account.streams.vault.epoch, fetch_wraps(account.connection)
    for live in account.streams.vault.live_wraps(user_key.key_id):
        if live.wrapped.epoch == epoch:
            own = account.connection.profile.account
            with open_live_wrap(live.wrapped, stored, user_key, own):
                return epoch
    raise VaultError(f"there is no wrap of epoch {epoch} under this user key")
