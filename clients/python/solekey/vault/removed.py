"""Removed items whose ciphertext the server still has: found, and brought back. Spec: vault.md §7.

Removed and purged bytes are kept for a grace time. What is brought back becomes a new item of the same name
and content: the versions of the old one never start again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from solekey.crypto import Confidential, EnvelopeReader, ItemMetadata
from solekey.errors import EpochKeyMissingError, ItemMissingError, SolekeyError, SwappedObjectError
from solekey.transfer.objects import verify_object
from solekey.transfer.sealed_sources import PartSource, open_envelope
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
        last: its last version before the removal; the removal itself where the server shows none.
        removed_in: the number of the commit that removed it; 0 where the server does not show it.
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
    """Find the last version of each removed item, and the commit that removed it.

    Item versions have no gaps, so it is the one before the removal. Where no change list that is what its
    commit names shows it, the removal stands in its place: an older version is not the last one.
    """
    removals = {item: change for item, change in unlocked.index.newest.items() if change.removed}
    last = dict(removals)
    removed: dict[ItemId, int] = {}
    for body, changes in _read_commits(unlocked):
        for change in changes:
            removal = removals.get(change.item)
            if removal is not None and change.version == removal.version:
                removed[change.item] = body.commit
            elif removal is not None and change.version == removal.version - 1:
                last[change.item] = change
    for item, change in last.items():
        yield change, removed.get(item, 0)


def _read_commits(unlocked: UnlockedAccount) -> Iterator[tuple[ItemsCommitted, Sequence[Change]]]:
    """Read the change lists of all commits that are no snapshots; what is not as committed is passed over."""
    bodies = [
        event.body
        for event in unlocked.streams.events(Stream.VAULT)
        if isinstance(event.body, ItemsCommitted) and event.body.kind is not CommitKind.SNAPSHOT
    ]
    lists = unlocked.objects.fetch_each([body.changes for body in bodies])
    for body, data in zip(bodies, lists, strict=True):
        try:
            yield body, parse_change_list(verify_object(body.changes, data))
        except (MalformedError, SwappedObjectError):
            continue


def _describe(unlocked: UnlockedAccount, change: Change, commit: int) -> RemovedItem:
    try:
        metadata = _open(unlocked, change).open_metadata()
    except (*UNREADABLE, EpochKeyMissingError) as error:
        return RemovedItem(change.item, change, commit, None, error)
    return RemovedItem(change.item, change, commit, metadata, None)


def _open(unlocked: UnlockedAccount, change: Change) -> EnvelopeReader:
    if change.removed:
        raise SwappedObjectError("the change list of its last version is damaged or withheld")
    data_key = unlocked.keyring.any_data_key(change.epoch)
    return open_envelope(PartSource(unlocked.objects, change), change, unlocked.account, data_key)
