"""Removed items whose ciphertext the server still has: found, and brought back. Spec: vault.md §7.

Removed and purged bytes are kept for a grace time. What is brought back becomes a new item of the same name
and content: the versions of the old one never start again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from solekey.crypto import Confidential, DataKey, EnvelopeReader, ItemContext, ItemMetadata
from solekey.errors import EpochKeyMissingError, ItemMissingError, SolekeyError
from solekey.transfer.sealed_sources import PartSource
from solekey.vault.names import is_same_name
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UNREADABLE
from solekey_protocol.change_list import Change, parse_change_list
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import ItemId


@dataclass(frozen=True, slots=True)
class RemovedItem(Confidential):
    """An item that was removed.

    Attributes:
        id: the item's id.
        last: its last version before the removal.
        removed_in: the number of the commit that removed it.
        metadata: what it was called; None when it cannot be opened any more.
        error: why not.
    """

    id: ItemId
    last: Change
    removed_in: int
    metadata: ItemMetadata | None
    error: SolekeyError | None

    def __repr__(self) -> str:
        return f"RemovedItem({self.id}, removed_in={self.removed_in}, <redacted>)"


def list_removed(unlocked: UnlockedAccount) -> list[RemovedItem]:
    """List the removed items, the newest removal first. Reads the change list of every commit."""
    removed = sorted(_find_removed(unlocked), key=lambda found: found[1], reverse=True)
    return [_describe(unlocked, change, commit) for change, commit in removed]


def find_removed(unlocked: UnlockedAccount, name_or_id: str) -> tuple[ItemMetadata, EnvelopeReader]:
    """Find a removed item and open it; of several, the newest removal.

    Raises:
        ItemMissingError: no removed item has this name or id.
        OpenError, LostObjectError, EpochKeyMissingError: its grace time is over, or it never opened.
    """
    for item in list_removed(unlocked):
        if name_or_id == item.id and item.error is not None:
            raise item.error
        if item.metadata is not None and (
            name_or_id == item.id or is_same_name(name_or_id, item.metadata.name)
        ):
            return item.metadata, _open(unlocked, item.last)
    raise ItemMissingError("there is no removed item of this name or id whose grace time is not over")


def _find_removed(unlocked: UnlockedAccount) -> Iterator[tuple[Change, int]]:
    """Find the last live version of each removed item, and the commit that removed it."""
    last: dict[ItemId, Change] = {}
    removed: dict[ItemId, int] = {}
    for body, changes in _read_commits(unlocked):
        for change in changes:
            if change.removed:
                removed[change.item] = body.commit
            else:
                last[change.item] = change
    for item, commit in removed.items():
        if item in last and item not in unlocked.index.items:
            yield last[item], commit


def _read_commits(unlocked: UnlockedAccount) -> Iterator[tuple[ItemsCommitted, Sequence[Change]]]:
    """Read the change lists of all commits that are no snapshots; one that is damaged is passed over."""
    bodies = [
        event.body
        for event in unlocked.streams.events(Stream.VAULT)
        if isinstance(event.body, ItemsCommitted) and event.body.kind is not CommitKind.SNAPSHOT
    ]
    lists = unlocked.objects.fetch_each([body.changes for body in bodies])
    for body, data in zip(bodies, lists, strict=True):
        try:
            yield body, parse_change_list(data or b"")
        except MalformedError:
            continue


def _describe(unlocked: UnlockedAccount, change: Change, commit: int) -> RemovedItem:
    try:
        metadata = _open(unlocked, change).open_metadata()
    except (*UNREADABLE, EpochKeyMissingError) as error:
        return RemovedItem(change.item, change, commit, None, error)
    return RemovedItem(change.item, change, commit, metadata, None)


def _open(unlocked: UnlockedAccount, change: Change) -> EnvelopeReader:
    data_key: DataKey = unlocked.keyring.any_data_key(change.epoch)
    return EnvelopeReader(
        PartSource(unlocked.objects, change),
        data_key=data_key,
        context=ItemContext(unlocked.account, change.item, change.version),
    )
