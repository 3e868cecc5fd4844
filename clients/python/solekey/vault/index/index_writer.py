"""Writes rows within a transaction of the index file, and keeps the head's numbers right.

Spec: item-index.md §3.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

from solekey.vault.index.rows import TAG_BYTES, IndexHead, IndexRow, StoredRow, read_tag
from solekey_protocol.ids import ItemId

TAG_MODULUS: Final = 1 << (8 * TAG_BYTES)


class RowFile(Protocol):
    """What a writer asks of the index file; see `IndexFile`."""

    def get(self, item: ItemId) -> IndexRow | None:
        """Get an item's row."""

    def get_many(self, items: Sequence[ItemId]) -> dict[ItemId, IndexRow]:
        """Get the rows of some items."""

    def seal(self, row: IndexRow) -> StoredRow:
        """Seal a row as it is stored."""

    def store(self, rows: Sequence[StoredRow]) -> None:
        """Store rows."""


class IndexWriter:
    """Writes rows within a transaction, and keeps the head's numbers right.

    Attributes:
        head: what the index was as of when the transaction began.
        commit, seq, digest, begun: what it will be as of.
    """

    def __init__(self, file: RowFile, head: IndexHead) -> None:
        self._file = file
        self.head = head
        self.commit, self.seq, self.digest, self.begun = head.commit, head.seq, head.digest, head.begun
        self._newest, self._live, self._total = head.newest, head.live, head.total
        self._epochs = Counter(dict(head.epochs))
        self._put: list[StoredRow] = []

    def get(self, item: ItemId) -> IndexRow | None:
        """Get an item's row."""
        self.flush()
        return self._file.get(item)

    def get_many(self, items: Sequence[ItemId]) -> dict[ItemId, IndexRow]:
        """Get the rows of some items; those without one are left out."""
        self.flush()
        return self._file.get_many(items)

    def put(self, row: IndexRow, before: IndexRow | None) -> int:
        """Put an item's row in the place of the one before it; returns its tag."""
        if before is None:
            self._newest += 1
        else:
            self._total -= before.tag
            self._count(before, -1)
        stored = self._file.seal(row)
        self._put.append(stored)
        tag = read_tag(stored)
        self._total += tag
        self._count(row, 1)
        return tag

    def flush(self) -> None:
        """Store what was put: many rows at once take half the time."""
        if self._put:
            self._file.store(self._put)
            self._put = []

    def make_head(self) -> IndexHead:
        """Make the head that follows."""
        epochs = tuple(sorted((epoch, items) for epoch, items in self._epochs.items() if items))
        return IndexHead(
            self.commit,
            self.seq,
            self.digest,
            self.begun,
            self._newest,
            self._live,
            self._total % TAG_MODULUS,
            epochs,
        )

    def _count(self, row: IndexRow, by: int) -> None:
        if not row.change.removed:
            self._live += by
            self._epochs[row.change.epoch] += by
