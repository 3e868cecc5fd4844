"""Finds the way back to data keys that no wrap under the account's user key opens. Spec: rotation.md §7.

No release should leave an account like that; one before the decision about a user key was made in one stream
could. Whoever has the older words, whose wraps are live or were retired less than the grace time ago, opens
these and wraps anew under the user key in force. Nothing is retired and nothing is deleted.
"""

from solekey.crypto import DataKey, UserKey
from solekey.errors import RepairFailedError, TamperedWrapError
from solekey.vault.keyring import UnlockedUserKey, fetch_wraps, open_live_wrap
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.vault import Vault
from solekey.vault.wrapping import read_back, store_wrap
from solekey_protocol.events import Signer
from solekey_protocol.events.vault import KeyWrapped
from solekey_protocol.ids import Digest


def repair_wraps(vault: Vault, old_user_key: UserKey) -> tuple[int, ...]:
    """Wrap anew, under the account's user key, what only an older user key opens.

    Args:
        vault: unlocked with the account's user key.
        old_user_key: the words from before; the key is wiped.

    Returns:
        The epochs that were wrapped anew; none when nothing was missing.

    Raises:
        RepairFailedError: the older words open no wrap of an epoch that is needed.
        ReadBackError: the server does not store what was sent.
    """
    unlocked = vault.unlocked
    with old_user_key:
        old = UnlockedUserKey(old_user_key, unlocked.account)
        try:
            unlocked.streams.sync()
            unlocked.index.catch_up()
            missing = find_missing_epochs(unlocked)
            connection = unlocked.connection
            stored = {**fetch_wraps(connection, retired=True), **fetch_wraps(connection)}
            for epoch in missing:
                with _open_any(unlocked, epoch, old, stored) as data_key:
                    _wrap_anew(unlocked, data_key)
            unlocked.keyring.load()
            return tuple(missing)
        finally:
            old.wipe()


def find_missing_epochs(unlocked: UnlockedAccount) -> list[int]:
    """Find the epochs that are needed and that no live wrap under the account's user key opens."""
    needed = {change.epoch for change in unlocked.index.items.values()} | {unlocked.streams.vault.epoch}
    return sorted(epoch for epoch in needed if epoch and not unlocked.keyring.opens(epoch))


def _open_any(
    unlocked: UnlockedAccount, epoch: int, old: UnlockedUserKey, stored: dict[Digest, bytes]
) -> DataKey:
    """Open the newest wrap of an epoch that the older user key opens."""
    records = sorted(unlocked.streams.vault.wraps.values(), key=lambda record: record.since, reverse=True)
    for record in records:
        if record.wrapped.epoch == epoch and record.wrapped.key_id == old.key_id:
            try:
                return open_live_wrap(record.wrapped, stored, old, unlocked.account)
            except TamperedWrapError:
                continue
    raise RepairFailedError(f"these words open no wrap of epoch {epoch} that the server still has")


def _wrap_anew(unlocked: UnlockedAccount, data_key: DataKey) -> None:
    user_key = unlocked.keyring.user_key

    def decide() -> KeyWrapped:
        user_key.verify_current(unlocked.streams)
        return store_wrap(unlocked.connection, unlocked.streams, user_key, data_key)

    unlocked.author.say(
        decide,
        signers=lambda _: {
            Signer.ACCOUNT: user_key.signing_key,
            Signer.COMMIT: data_key.derive_commit_key(unlocked.account),
        },
    )
    live = unlocked.streams.vault.live_wraps(user_key.key_id)
    newest = max((wrap for wrap in live if wrap.wrapped.epoch == data_key.epoch), key=lambda wrap: wrap.since)
    read_back(unlocked.connection, newest, user_key, data_key)
