"""The index as mappings from item to change: an item is looked up in the file, all are read page by page."""

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import ClassVar, Final, Protocol

from solekey.vault.index.rows import IndexHead, IndexRow
from solekey_protocol.change_list import Change
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import ItemId


class Rows(Protocol):
    """What the views ask of the index; see `ItemIndex`."""

    @property
    def head(self) -> IndexHead:
        """What the index is as of."""

    def get(self, item: ItemId) -> IndexRow | None:
        """Get an item's row."""

    def iter_rows(self, condition: str) -> Iterator[IndexRow]:
        """Read the rows of a condition in SQL."""


class NewestItems(Mapping[ItemId, Change]):
    """Each item's newest version, removals included: what a snapshot states."""

    CONDITION: ClassVar[str] = "epoch >= 0"

    def __init__(self, index: Rows) -> None:
        self._index: Final = index

    def __getitem__(self, item: ItemId) -> Change:
        try:
            row = self._index.get(item if isinstance(item, ItemId) else ItemId(item))
        except MalformedError as error:
            raise KeyError(item) from error
        if row is None or not self._counts(row.change):
            raise KeyError(item)
        return row.change

    def __iter__(self) -> Iterator[ItemId]:
        return (change.item for change in self.iter_changes())

    def __len__(self) -> int:
        return self._index.head.newest

    def values(self) -> ValuesView[Change]:
        """The changes."""
        return _Changes(self)

    def items(self) -> ItemsView[ItemId, Change]:
        """The changes by item."""
        return _Pairs(self)

    def iter_changes(self) -> Iterator[Change]:
        """Read the changes page by page."""
        return (row.change for row in self._index.iter_rows(self.CONDITION))

    def _counts(self, change: Change) -> bool:
        del change
        return True


class LiveItems(NewestItems):
    """The live items."""

    CONDITION: ClassVar[str] = "epoch > 0"

    def __len__(self) -> int:
        return self._index.head.live

    def _counts(self, change: Change) -> bool:
        return not change.removed


class _Changes(ValuesView[Change]):
    _mapping: NewestItems

    def __iter__(self) -> Iterator[Change]:
        return self._mapping.iter_changes()


class _Pairs(ItemsView[ItemId, Change]):
    _mapping: NewestItems

    def __iter__(self) -> Iterator[tuple[ItemId, Change]]:
        return ((change.item, change) for change in self._mapping.iter_changes())
