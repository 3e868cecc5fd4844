"""Finds versions of items that were replaced or removed, to be read and restored. Spec: vault.md §7.1."""

from functools import partial

from solekey.errors import ItemMissingError
from solekey.progress import Progress
from solekey.transfer.sealed_sources import RangedSource, open_envelope
from solekey.vault.history import find_version, read_history
from solekey.vault.item_info import ItemInfo
from solekey.vault.item_version import ItemVersion
from solekey.vault.names import is_item_id, is_same_name
from solekey.vault.removed import list_removed
from solekey.vault.unlocked import UnlockedAccount
from solekey_protocol.change_list import Change
from solekey_protocol.ids import ItemId


def find_item(unlocked: UnlockedAccount, name_or_id: str) -> ItemId:
    """Find an item, also one that was removed; of several removed ones of a name, the newest removal.

    Raises:
        ItemMissingError, AmbiguousNameError: none or several of this name.
    """
    if is_item_id(name_or_id) and ItemId(name_or_id) in unlocked.index.newest:
        return ItemId(name_or_id)
    try:
        return unlocked.directory.find(name_or_id).id
    except ItemMissingError:
        for removed in list_removed(unlocked):
            if removed.metadata is not None and is_same_name(removed.metadata.name, name_or_id):
                return removed.id
        raise


def find_past_version(
    unlocked: UnlockedAccount, name_or_id: str, version: int, progress: Progress
) -> ItemVersion:
    """Find a version of an item, whether it was replaced or not.

    Raises:
        ItemMissingError, AmbiguousNameError: none or several of this name.
        VersionMissingError: the item never had this version, or it is deleted since.
    """
    past = find_version(read_history(unlocked, find_item(unlocked, name_or_id), progress), version)
    change, metadata = past.change, past.metadata
    if metadata is None:
        raise ItemMissingError(f"version {version} does not open")
    measure = partial(_measure, unlocked, change)
    info = ItemInfo(change.item, change.version, change.epoch, change.size, metadata, measure)
    return ItemVersion(unlocked, info, change, is_past=unlocked.index.items.get(change.item) != change)


def _measure(unlocked: UnlockedAccount, change: Change) -> int:
    with unlocked.streams.lock:
        data_key = unlocked.keyring.any_data_key(change.epoch)
        source = RangedSource(unlocked.objects, change)
        return open_envelope(source, change, unlocked.account, data_key).open_content_size()
