"""What commits state of how much they change: a log does not hold the change lists. Spec: vault.md §5."""

from dataclasses import dataclass
from typing import Final

from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally
from solekey_protocol.envelope import compute_envelope_size
from solekey_protocol.events import Stream, vault
from solekey_protocol.events.vault import CommitKind
from solekey_protocol.ids import Digest
from solekey_protocol.limits import MAX_CHANGES, MAX_INNER_BYTES, MIN_CHUNK_SIZE_LOG2, MIN_INNER_BYTES

_LEAST_BYTES: Final = compute_envelope_size(MIN_INNER_BYTES, 1 << MIN_CHUNK_SIZE_LOG2)
_MOST_BYTES: Final = compute_envelope_size(MAX_INNER_BYTES, 1 << MIN_CHUNK_SIZE_LOG2)
"""Of one envelope."""


def check_commits(evidence: Evidence, tally: Tally) -> None:
    """COM-01: what commits state of numbers and sizes can be true; no change list is committed twice."""
    known = _Known()
    lists: dict[Digest, int] = {}
    for event in evidence.of(Stream.VAULT):
        body = event.body
        if isinstance(body, vault.KeyWrapped):
            known.begin(body.epoch)
        if not isinstance(body, vault.ItemsCommitted):
            continue
        tally.look("COM-01")
        stated = f"commit {body.commit} ({body.kind.value}) states"
        low, high = known.bound_count(body)
        if not low <= body.count <= high:
            detail = f"{stated} {body.count} items, not {low} to {high}"
            tally.find_at("COM-01", "count_impossible", event, detail)
        low, high = known.bound_bytes(body)
        if not low <= body.bytes <= high or 0 < body.bytes < _LEAST_BYTES:
            detail = f"{stated} {body.bytes} bytes of {body.count} envelopes, not {low} to {high}"
            tally.find_at("COM-01", "size_impossible", event, detail)
        known.follow(body)
        changes = body.kind is not CommitKind.SNAPSHOT and body.count > 0
        first = lists.setdefault(body.changes, body.commit) if changes else body.commit
        if first != body.commit:
            detail = f"commit {first} has the same change list: versions go on, so that it cannot come again"
            tally.find_at("COM-01", "change_list_repeated", event, detail)


@dataclass(slots=True)
class _Known:
    """What follows from the commits so far: at least and at most.

    A list names an item once, the first commit can only add, a rekey names live items of older epochs, a
    snapshot names all items. What a commit has put is live right after it.

    Attributes:
        items: how many there are, removed ones too.
        size: how many bytes the live ones have.
        older: how many are sealed under an epoch before the newest, at most.
        epoch: the newest.
    """

    items: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (0, 0)
    older: int = 0
    epoch: int = 0

    def begin(self, epoch: int) -> None:
        """Begin an epoch, unless it has begun."""
        if epoch > self.epoch:
            self.epoch, self.older = epoch, self.items[1]

    def bound_count(self, body: vault.ItemsCommitted) -> tuple[int, int]:
        """How many changes a commit can have."""
        match body.kind:
            case CommitKind.SNAPSHOT:
                return self.items
            case CommitKind.REKEY:
                return 0, min(MAX_CHANGES, self.older)
            case CommitKind.DELTA:
                return 0, MAX_CHANGES

    def bound_bytes(self, body: vault.ItemsCommitted) -> tuple[int, int]:
        """How many bytes these changes can have: a removal has none."""
        if body.kind is CommitKind.SNAPSHOT:
            return self.size
        puts = body.count if body.kind is CommitKind.REKEY or body.commit == 1 else 0
        return puts * _LEAST_BYTES, body.count * _MOST_BYTES

    def follow(self, body: vault.ItemsCommitted) -> None:
        """Follow a commit."""
        least, most = self.items
        match body.kind:
            case CommitKind.SNAPSHOT:
                self.items, self.size = (body.count, body.count), (body.bytes, body.bytes)
                return
            case CommitKind.REKEY:
                self.older = max(0, self.older - body.count)
            case CommitKind.DELTA:
                most += body.count
        self.items = max(least, body.count), most
        if body.count:
            self.size = body.bytes, self.size[1] + body.bytes
