"""What is to be committed: puts and removals, decided on from what this device knew. Spec: vault.md §5."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from solekey.crypto import Confidential, Conflict, ContentSource, ItemMetadata
from solekey.crypto.metadata import MAX_NAME_CHARACTERS
from solekey_protocol.ids import ItemId


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
    """A new version of an item.

    Attributes:
        item, base_version: the place that it follows; 0 for a new item.
        metadata, content: what is sealed.
        exact: committed for this base or not at all; otherwise a conflict copy is made.
    """

    item: ItemId
    base_version: int
    metadata: ItemMetadata
    content: bytes | StreamContent
    exact: bool = False

    @property
    def size(self) -> int:
        """Size of the content in bytes; 0 where it is not known yet."""
        return (self.content.size or 0) if isinstance(self.content, StreamContent) else len(self.content)

    def copy_for_conflict(self, item: ItemId, name: str, conflict: Conflict) -> "Put":
        """This put as a new item beside the one that another device changed first."""
        made_ms = self.metadata.modified_ms
        metadata = replace(self.metadata, name=name, created_ms=made_ms, revision=1, conflict=conflict)
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
