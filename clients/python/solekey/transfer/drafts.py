"""What is to be committed: puts and removals, decided on from what this device knew. Spec: vault.md §5."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Final

from solekey.crypto import Confidential, ContentSource, ItemMetadata
from solekey.crypto.metadata import MAX_NAME_CHARACTERS
from solekey_protocol.ids import ItemId

CONFLICT_ATTRIBUTE: Final = "conflict_of"
"""The attribute of a conflict copy: the id of the item that another device changed first."""


@dataclass(frozen=True, slots=True)
class StreamContent:
    """Content that is read piece by piece, and may be read again.

    Attributes:
        fingerprint: names the source and its state, so that an interrupted upload finds its spool.
        size: bytes; None where only reading tells it.
        open: opens the source anew.
    """

    fingerprint: str
    size: int | None
    open: Callable[[], AbstractContextManager[ContentSource]]


@dataclass(frozen=True, slots=True)
class Put(Confidential):
    """A new version of an item; ``base_version`` 0 for a new item."""

    item: ItemId
    base_version: int
    metadata: ItemMetadata
    content: bytes | StreamContent

    @property
    def size(self) -> int:
        """Size of the content in bytes; 0 where it is not known yet."""
        return (self.content.size or 0) if isinstance(self.content, StreamContent) else len(self.content)

    def copy_for_conflict(self, item: ItemId, name: str) -> "Put":
        """This put as a new item beside the one that another device changed first."""
        attributes = {**self.metadata.attributes, CONFLICT_ATTRIBUTE: self.item}
        metadata = replace(self.metadata, name=name, attributes=attributes)
        return Put(item, 0, metadata, self.content)

    def __repr__(self) -> str:
        return f"Put({self.item}, base_version={self.base_version}, <redacted>)"


@dataclass(frozen=True, slots=True)
class Remove:
    """The removal of an item in the version that was known."""

    item: ItemId
    base_version: int


Draft = Put | Remove


def choose_conflict_name(name: str, device: str, taken: Callable[[str], bool]) -> str:
    """Choose a free name for a conflict copy, such as ``notes (conflict, laptop)``."""
    number = 1
    while True:
        suffix = f" (conflict, {device})" if number == 1 else f" (conflict {number}, {device})"
        chosen = name[: MAX_NAME_CHARACTERS - len(suffix)] + suffix
        if not taken(chosen):
            return chosen
        number += 1
