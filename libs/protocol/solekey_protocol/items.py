"""Which items there are: folded from the change lists of an account's commits. Spec: vault.md §5.

::

    an item    (never seen) --put--> version 1 --put | rekey--> 2 ... --removal--> n (removed) --put--> n + 1
    a commit   delta or rekey: its change list counts; snapshot: states every item's newest version

Versions go on counting after a removal, so that no old ciphertext of a place can ever be committed again.
Shared by the vault (before it writes a commit), by clients (before they believe one) and by whoever audits
change lists. No I/O, no key.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from solekey_protocol.change_list import Change
from solekey_protocol.envelope import parse_envelope_size
from solekey_protocol.errors import MalformedError, TransitionError
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import ItemId
from solekey_protocol.limits import MAX_CHANGES, MAX_CHUNK_SIZE_LOG2, MIN_CHUNK_SIZE_LOG2


class Items:
    """The items as of a commit: a mutable fold, since an account may have very many.

    Attributes:
        newest: each item's newest version, removals included.
        live: those that are not removed.
        commit: the last commit followed; 0: none, and a snapshot is believed as it stands.
    """

    def __init__(self, newest: Iterable[Change] = (), commit: int = 0) -> None:
        self.newest: dict[ItemId, Change] = {change.item: change for change in newest}
        self.live: dict[ItemId, Change] = {
            item: change for item, change in self.newest.items() if not change.removed
        }
        self.commit = commit

    def follow(self, body: ItemsCommitted, changes: Sequence[Change]) -> None:
        """Follow a commit with its change list; nothing is changed when it is refused.

        Raises:
            TransitionError: it does not follow.
        """
        begins = self.commit == 0 and body.kind is CommitKind.SNAPSHOT
        if not begins and body.commit != self.commit + 1:
            raise TransitionError(f"commit {body.commit} does not follow {self.commit}")
        verify_totals(body, changes)
        if body.kind is CommitKind.SNAPSHOT:
            if not begins:
                verify_snapshot(self.newest, changes)
            for change in changes:
                self._take(change)
        else:
            for change in changes:
                before = self.newest.get(change.item)
                verify_change(body, before, change)
                verify_version(body, before, change)
            for change in changes:
                self._take(change)
        self.commit = body.commit

    def _take(self, change: Change) -> None:
        self.newest[change.item] = change
        if change.removed:
            self.live.pop(change.item, None)
        else:
            self.live[change.item] = change


def verify_totals(body: ItemsCommitted, changes: Sequence[Change]) -> None:
    """Verify what a commit says of its change list as a whole. Raises TransitionError."""
    size = sum(change.size for change in changes)
    if (len(changes), size) != (body.count, body.bytes):
        raise TransitionError(
            f"commit {body.commit} says {body.count} changes of {body.bytes} bytes; "
            f"its change list has {len(changes)} of {size}"
        )
    if body.kind is not CommitKind.SNAPSHOT and len(changes) > MAX_CHANGES:
        raise TransitionError(f"{len(changes)} changes, limit {MAX_CHANGES}")


def verify_change(body: ItemsCommitted, before: Change | None, change: Change) -> None:
    """Verify what a delta or rekey may do to an item, whatever its version. Raises TransitionError."""
    if not change.removed and change.epoch != body.epoch:
        raise TransitionError(f"{change.item} is sealed under epoch {change.epoch}, not the commit's")
    if body.kind is not CommitKind.REKEY:
        return
    if change.removed:
        raise TransitionError(f"{change.item}: a rekey removes nothing")
    if before is None or before.removed:
        return  # there is nothing to compare; verify_version refuses it
    if before.version + 1 == change.version and before.epoch >= body.epoch:
        raise TransitionError(f"{change.item} is sealed under epoch {before.epoch}: there is nothing to do")
    if not _may_hold_the_same(before.size, change.size):
        raise TransitionError(f"{change.item}: a rekey changes no content, and this one changes its size")


def verify_version(body: ItemsCommitted, before: Change | None, change: Change) -> None:
    """Verify that a version follows the item's last; what is removed or rekeyed must be live.

    Raises:
        TransitionError: another device was faster, or the version starts again.
    """
    last = before.version if before else 0
    if change.version != last + 1:
        raise TransitionError(f"{change.item}: version {change.version} does not follow {last}")
    absent = before is None or before.removed
    if absent and (change.removed or body.kind is CommitKind.REKEY):
        raise TransitionError(f"{change.item} is not there")


def verify_snapshot(newest: Mapping[ItemId, Change], changes: Sequence[Change]) -> None:
    """Verify that a snapshot states each item's newest version, removals included. Raises TransitionError."""
    stated = {change.item: change for change in changes}
    if stated != newest:
        differing = [item for item in newest.keys() | stated.keys() if newest.get(item) != stated.get(item)]
        raise TransitionError(
            f"the snapshot differs from what there is in {len(differing)} items, such as {min(differing)}"
        )


def _may_hold_the_same(before: int, after: int) -> bool:
    """Tell whether two envelope sizes allow the same inner plaintext: the chunk size may differ."""
    return before == after or bool(_find_inner_sizes(before) & _find_inner_sizes(after))


@lru_cache(maxsize=1024)
def _find_inner_sizes(envelope_size: int) -> frozenset[int]:
    found = set()
    for log2 in range(MIN_CHUNK_SIZE_LOG2, MAX_CHUNK_SIZE_LOG2 + 1):
        try:
            found.add(parse_envelope_size(envelope_size, 1 << log2))
        except MalformedError:
            continue
    return frozenset(found)
