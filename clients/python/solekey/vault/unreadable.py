"""Items that do not open: which item, which commit made it, which device signed that. One harms no other.

Causes: an object that is lost, cut or replaced; content that a thief of a locked device committed; an epoch
whose wrap does not open. Everything else goes on, and what asked for all items is told which are missing.
Spec: vault.md §11.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

from solekey.errors import (
    EpochKeyMissingError,
    NotKeptError,
    OpenError,
    SolekeyError,
    SwappedObjectError,
    TamperedWrapError,
    UnsupportedFormatError,
)
from solekey.streams.exclusive import AccountLock
from solekey.vault.index.item_index import ItemIndex
from solekey_protocol.change_list import Change
from solekey_protocol.ids import DeviceId, ItemId

UNREADABLE: Final = (
    OpenError,
    SwappedObjectError,
    UnsupportedFormatError,
    TamperedWrapError,
    EpochKeyMissingError,
    NotKeptError,
)
"""What is wrong with one item, and says nothing about another one."""


@dataclass(frozen=True, slots=True)
class UnreadableItem:
    """A live item that does not open.

    Attributes:
        id, version, epoch: the item as it was committed.
        sealed_size: bytes, padded.
        commit: the commit that made this version; 0 if no change list shows it.
        device: the device that signed that commit.
        error: what is wrong.
    """

    id: ItemId
    version: int
    epoch: int
    sealed_size: int
    commit: int
    device: DeviceId | None
    error: SolekeyError

    def describe(self) -> str:
        """Say which item it is, what is wrong, and where it came from."""
        origin = f"commit {self.commit} by {self.device}" if self.device else "commit unknown"
        return f"{self.id}, version {self.version}: {self.error} [{self.error.code}] ({origin})"

    def to_document(self) -> dict[str, str | int | None]:
        """Describe it for scripts."""
        return {
            "id": self.id,
            "version": self.version,
            "epoch": self.epoch,
            "sealed_bytes": self.sealed_size,
            "commit": self.commit or None,
            "device": self.device,
            "code": self.error.code,
            "message": str(self.error),
        }


class UnreadableItems:
    """Notes the items that did not open, while an account is unlocked."""

    def __init__(self, index: ItemIndex) -> None:
        self._index = index
        self._errors: dict[Change, SolekeyError] = {}

    def note(self, change: Change, error: SolekeyError) -> None:
        """Note that a version did not open."""
        self._errors[change] = error

    def is_noted(self, change: Change) -> bool:
        """Whether it is noted that a version did not open."""
        return change in self._errors

    def forget(self, change: Change) -> None:
        """Forget it: it opens again."""
        self._errors.pop(change, None)

    def select(self, changes: Sequence[Change]) -> tuple[UnreadableItem, ...]:
        """Describe those of some live versions that did not open."""
        found = [change for change in changes if change in self._errors]
        commits = self._index.find_commits(found)
        return tuple(self._describe(change, commits.get(change.item, 0)) for change in found)

    @contextmanager
    def naming(self, change: Change, lock: AccountLock | None = None) -> Iterator[None]:
        """Name item, commit and device in whatever error says that this version does not open."""
        try:
            yield
        except UNREADABLE as error:
            with lock or nullcontext():
                self.note(change, error)
                (item,) = self.select([change])
            origin = f" by {item.device}" if item.device else ""
            error.add_note(f"Item {item.id}, version {item.version}, of commit {item.commit}{origin}.")
            error.about = {"item": item.to_document()}
            raise

    def _describe(self, change: Change, commit: int) -> UnreadableItem:
        return UnreadableItem(
            change.item,
            change.version,
            change.epoch,
            change.size,
            commit,
            self._index.find_author(commit),
            self._errors[change],
        )
