"""What the vault answers: an item with its content, and what an edit has led to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from solekey.crypto import Confidential
from solekey.vault.item_info import ItemInfo
from solekey.vault.new_content import NewContent
from solekey_protocol.ids import ItemId


@dataclass(frozen=True, slots=True)
class Item(Confidential):
    """An item with its content, in the version that was read."""

    info: ItemInfo
    content: bytes
    _save: Callable[[ItemId, NewContent], "Item"] = field(repr=False, compare=False)

    @property
    def version(self) -> int:
        """Which edit of the item this is; a re-encryption does not count."""
        return self.info.version

    def save(
        self,
        content: bytes | str,
        *,
        type: str | None = None,  # noqa: A002  # the field's name
        tags: Sequence[str] | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> "Item":
        """Save an edit of this item, if nobody has edited it since it was read; returns the new version.

        Its name, and whatever is not given, stays as it is. ``item = item.save(…)`` goes on from there.

        Raises:
            ItemChangedError: the item was edited or removed since; get it again.
            MetadataError: a tag or attribute outside the limits.
        """
        return self._save(self.info.id, NewContent(content, type, tags, attributes, self.version))

    def __repr__(self) -> str:
        return f"Item({self.info.id}, version={self.info.version}, <redacted>)"


@dataclass(frozen=True, slots=True)
class Stored(Confidential):
    """What a put has led to.

    Attributes:
        id: the item that holds it.
        version: which edit of that item this is.
        name: its name.
        conflict: this is a conflict copy, beside the version that another device had made first.
    """

    id: ItemId
    version: int
    name: str
    conflict: bool

    def __repr__(self) -> str:
        return f"Stored({self.id}, version={self.version}, conflict={self.conflict}, <redacted>)"


@dataclass(frozen=True, slots=True)
class Removed(Confidential):
    """What was removed.

    Attributes:
        id: the item.
        version, name: its last ones; None where nothing was opened for the removal.
    """

    id: ItemId
    version: int | None
    name: str | None

    def __repr__(self) -> str:
        return f"Removed({self.id}, version={self.version}, <redacted>)"
