"""An item as a list shows it, and a list of items."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from solekey.crypto import Confidential, Conflict, ItemMetadata
from solekey.crypto.metadata import read_moment
from solekey.vault.unreadable import UnreadableItem
from solekey_protocol.ids import ItemId


@dataclass(frozen=True, slots=True)
class ItemInfo(Confidential):
    """An item as the list shows it.

    Attributes:
        id: the item's id, which never changes.
        sealed_version: of its ciphertext; a re-encryption counts here too.
        epoch: of the data key that it is sealed under.
        sealed_size: bytes, padded.
        metadata: what describes it.
    """

    id: ItemId
    sealed_version: int
    epoch: int
    sealed_size: int  # bytes, padded
    metadata: ItemMetadata
    _measure: Callable[[], int] = field(repr=False, compare=False)

    @property
    def version(self) -> int:
        """Which edit of the item this is, from 1. Re-encrypting it does not count."""
        return self.metadata.revision

    @property
    def conflict(self) -> Conflict | None:
        """What it is a conflict copy of, and which device made it; None: it is none."""
        return self.metadata.conflict

    @property
    def name(self) -> str:
        """The item's name."""
        return self.metadata.name

    @property
    def type(self) -> str:
        """What the content is, such as ``text/plain``."""
        return self.metadata.type

    @property
    def tags(self) -> tuple[str, ...]:
        """The item's tags."""
        return self.metadata.tags

    @property
    def attributes(self) -> Mapping[str, str]:
        """The item's attributes."""
        return self.metadata.attributes

    @property
    def size(self) -> int:
        """The size of the content in bytes.

        It stands in the sealed end of the item. That of a small item is known from the list; for one of more
        than 64 KiB the end is fetched when it is asked for first, which needs the unlocked account.
        """
        return self._measure()

    @property
    def created(self) -> datetime:
        """When the item was made, by the clock of the device that made it."""
        return read_moment(self.metadata.created_ms)

    @property
    def modified(self) -> datetime:
        """When this version was made, by the clock of the device that made it."""
        return read_moment(self.metadata.modified_ms)

    def __repr__(self) -> str:
        return f"ItemInfo({self.id}, version={self.version}, <redacted>)"


class Listing(list[ItemInfo]):
    """The items that open, by name, and beside them those that do not.

    Attributes:
        unreadable: the items that do not open, each with what is wrong with it.
    """

    unreadable: tuple[UnreadableItem, ...]

    def __init__(self, items: Iterable[ItemInfo], unreadable: tuple[UnreadableItem, ...]) -> None:
        super().__init__(items)
        self.unreadable = unreadable
