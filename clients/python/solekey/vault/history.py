"""The history of an item: who edited it, when, and which versions the server still has. Spec: vault.md §7.1.

Item versions follow each other without a gap, so a history is complete, or what is missing is known. It is
read from the change lists of the signed commits, the newest first, until version 1 of the place is found.
What was superseded is deleted by the vault in time: such a version is told from one that is withheld.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from solekey.crypto import Confidential, ItemMetadata
from solekey.errors import (
    BadAnswerError,
    EpochKeyMissingError,
    ItemMissingError,
    LostObjectError,
    NotFoundError,
    SolekeyError,
    SwappedObjectError,
    VersionMissingError,
)
from solekey.progress import Progress
from solekey.transfer.objects import verify_object
from solekey.transfer.sealed_sources import RangedSource, open_envelope
from solekey.vault.directory import PREFIX_BYTES
from solekey.vault.history_limits import HistoryLimits, fetch_history_limits, find_collected
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UNREADABLE
from solekey_protocol.change_list import Change, parse_change_list
from solekey_protocol.errors import MalformedError
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import DeviceId, ItemId

_LISTS_AT_ONCE: Final = 256
"""Change lists that are fetched together."""


class VersionState(StrEnum):
    """What can be had of a version.

    Attributes:
        LIVE: it is the item's version now.
        KEPT: it was replaced, and can be read and restored.
        GONE: it was replaced, and its ciphertext or its key has been deleted since.
        DAMAGED: it does not open: the server lost, withholds or altered what it must have.
        REMOVED: no version but the removal of the item.
    """

    LIVE = "live"
    KEPT = "kept"
    GONE = "gone"
    DAMAGED = "damaged"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class PastVersion(Confidential):
    """One version of an item.

    Attributes:
        item: the item's id.
        version: which edit it is; of a removal that of the last edit before it.
        state: what can be had of it.
        made: when the server recorded it.
        device: the device that signed it.
        commit: the number of its commit.
        sealed_size: bytes, padded; 0 of a removal.
        metadata: what described it; None where it does not open.
        error: why it does not open.
        collected: the operator's limits that have deleted it; None: not they, but a purge or a re-key.
        change: the ciphertext that has its content: the last that was made of it.
    """

    item: ItemId
    version: int
    state: VersionState
    made: datetime
    device: DeviceId | None
    commit: int
    sealed_size: int
    metadata: ItemMetadata | None
    error: SolekeyError | None
    collected: HistoryLimits | None
    change: Change

    def __repr__(self) -> str:
        return f"PastVersion({self.item}, version={self.version}, state={self.state}, <redacted>)"


@dataclass(slots=True)
class _Edit:
    """An edit or a removal, and the ciphertexts that hold its content: a re-encryption makes one more."""

    event: Event
    body: ItemsCommitted
    changes: list[Change]
    recorded: list[datetime]
    """When each of the changes was."""
    metadata: ItemMetadata | None = None
    error: SolekeyError | None = None
    collected: HistoryLimits | None = None

    @property
    def newest(self) -> Change:
        return self.changes[-1]


def read_history(unlocked: UnlockedAccount, item: ItemId, progress: Progress) -> list[PastVersion]:
    """Read the versions of an item, the newest first.

    Raises:
        ItemMissingError: no commit has an item of this id.
        SwappedObjectError: the server withholds or has altered the change list of one of its versions.
    """
    last = unlocked.index.newest.get(item)
    if last is None:
        raise ItemMissingError(f"there is no item {item}")
    edits = _find_edits(unlocked, last, progress)
    _open_edits(unlocked, edits)
    numbers = _count_versions(edits)
    purged_through = unlocked.streams.vault.purged_through
    purged = [edit.body.commit <= purged_through for edit in edits[1:]]
    _find_collected(unlocked, edits, purged)
    states = [_find_state(edit, was) for edit, was in zip(edits, [*purged, None], strict=True)]
    return [_describe(*each) for each in zip(edits, numbers, states, strict=True)][::-1]


def find_version(history: Sequence[PastVersion], version: int) -> PastVersion:
    """Find a version that can be read.

    Raises:
        VersionMissingError: the item has never had it, or it is deleted since.
        SolekeyError: the server has other bytes than were committed, or they do not open.
    """
    for past in history:
        if past.version == version and past.state is not VersionState.REMOVED:
            if past.state is VersionState.GONE:
                why = f": {past.collected.describe()}" if past.collected else ""
                raise VersionMissingError(f"version {version} was replaced, and is deleted since{why}")
            if past.error is not None:
                raise past.error
            return past
    raise VersionMissingError(f"the item never had a version {version}; the newest is {history[0].version}")


def _find_edits(unlocked: UnlockedAccount, last: Change, progress: Progress) -> list[_Edit]:
    """Find every version of the place, from the last one down to the first; returns them from the first."""
    found: list[tuple[Event, ItemsCommitted, Change]] = []
    wanted, withheld = last.version, None
    for event, body, data in _read_lists_backwards(unlocked, progress):
        if wanted == 0:
            break
        try:
            changes = parse_change_list(verify_object(body.changes, data))
        except (SwappedObjectError, MalformedError) as error:
            withheld = withheld or (body, error)
            continue
        for change in changes:
            if (change.item, change.version) == (last.item, wanted):
                found.append((event, body, change))
                wanted -= 1
    if wanted:
        where = f": the change list of commit {withheld[0].commit} is damaged or withheld" if withheld else ""
        raise SwappedObjectError(
            f"no change list that the server shows has {last.item}, version {wanted}{where}"
        )
    return _join_rekeyed(found[::-1])


def _join_rekeyed(found: Sequence[tuple[Event, ItemsCommitted, Change]]) -> list[_Edit]:
    edits: list[_Edit] = []
    for event, body, change in found:
        recorded = datetime.fromisoformat(event.time).astimezone(UTC)
        if edits and body.kind is CommitKind.REKEY:
            edits[-1].changes.append(change)
            edits[-1].recorded.append(recorded)
        else:
            edits.append(_Edit(event, body, [change], [recorded]))
    return edits


def _read_lists_backwards(
    unlocked: UnlockedAccount, progress: Progress
) -> Iterator[tuple[Event, ItemsCommitted, bytes | None]]:
    events = unlocked.streams.events(Stream.VAULT)
    page: list[tuple[Event, ItemsCommitted]] = []
    for done, seq in enumerate(range(len(events) - 1, -1, -1), start=1):
        event = events[seq]
        body = event.body
        if isinstance(body, ItemsCommitted) and body.kind is not CommitKind.SNAPSHOT:
            page.append((event, body))
        if page and (len(page) == _LISTS_AT_ONCE or seq == 0):
            lists = unlocked.objects.fetch_each([body.changes for _, body in page])
            for (listed, its), data in zip(page, lists, strict=True):
                yield listed, its, data
            page = []
        progress(done, len(events))


def _open_edits(unlocked: UnlockedAccount, edits: Sequence[_Edit]) -> None:
    """Open what describes each version; what does not open is noted, and harms no other."""
    live = [edit for edit in edits if not edit.newest.removed]
    digests = [edit.newest.parts[0].digest for edit in live]
    for edit, prefix in zip(live, unlocked.objects.fetch_prefixes(digests, PREFIX_BYTES), strict=True):
        change = edit.newest
        try:
            if prefix is None:
                raise LostObjectError(f"the server has lost the object {change.parts[0].digest}")
            source = RangedSource(unlocked.objects, change, prefix)
            data_key = unlocked.keyring.any_data_key(change.epoch)
            edit.metadata = open_envelope(source, change, unlocked.account, data_key).open_metadata()
        except UNREADABLE as error:
            edit.error = error


def _count_versions(edits: Sequence[_Edit]) -> list[int]:
    """Count the versions: by what opens, and by the order of the edits where it does not."""
    numbers: list[int] = []
    for edit in edits:
        before = numbers[-1] if numbers else 0
        if edit.newest.removed:
            numbers.append(before)
        else:
            numbers.append(edit.metadata.revision if edit.metadata else before + 1)
    return numbers


def _find_collected(unlocked: UnlockedAccount, edits: Sequence[_Edit], purged: Sequence[bool]) -> None:
    """Find which lost versions, which no purge covers, the operator's limits do; asks if there are any."""
    lost = [
        number
        for number, was in enumerate(purged)
        if not was and isinstance(edits[number].error, LostObjectError)
    ]
    if not lost:
        return
    try:
        stated = fetch_history_limits(unlocked.connection)
    except (BadAnswerError, NotFoundError):  # who states no limits has none to delete by
        return
    now = datetime.fromtimestamp(unlocked.connection.runtime.now_ms() / 1000, UTC)
    removed = edits[-1].recorded[0] if edits[-1].newest.removed else None
    for number in lost:
        later = edits[number + 1 : -1 if removed else None]
        recorded = [moment for edit in later for moment in edit.recorded]
        edits[number].collected = find_collected(stated, recorded, removed=removed, now=now)


def _describe(edit: _Edit, version: int, state: VersionState) -> PastVersion:
    change = edit.newest
    signed = edit.event.signed
    return PastVersion(
        item=change.item,
        version=version,
        state=state,
        made=edit.recorded[0],
        device=signed.statement.device if signed else None,
        commit=edit.body.commit,
        sealed_size=change.size,
        metadata=edit.metadata,
        error=edit.error,
        collected=edit.collected if state is VersionState.GONE else None,
        change=change,
    )


def _find_state(edit: _Edit, purged: bool | None) -> VersionState:
    """Find what can be had of a version; ``purged``: None for the last one, which nothing has replaced."""
    if edit.newest.removed:
        return VersionState.REMOVED
    if edit.error is None:
        return VersionState.LIVE if purged is None else VersionState.KEPT
    if isinstance(edit.error, EpochKeyMissingError) and purged is not None:
        return VersionState.GONE
    is_deleted = purged or edit.collected is not None
    return (
        VersionState.GONE if is_deleted and isinstance(edit.error, LostObjectError) else VersionState.DAMAGED
    )
