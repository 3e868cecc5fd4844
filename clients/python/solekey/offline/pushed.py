"""What became of a queue that was sent."""

from collections.abc import Callable
from dataclasses import dataclass, field

from solekey.crypto import Confidential
from solekey.offline.queue import DamagedEntry
from solekey_protocol.ids import ItemId


@dataclass(frozen=True, slots=True)
class PushedPut(Confidential):
    """A put that was sent. ``conflict``: something was there already; this is the copy beside it."""

    id: ItemId
    version: int
    name: str
    conflict: bool

    def __repr__(self) -> str:
        return f"PushedPut({self.id}, version={self.version}, conflict={self.conflict}, <redacted>)"


@dataclass(slots=True)
class Pushed:
    """What became of a queue.

    Attributes:
        puts: what was stored.
        removed: the items that were removed.
        dropped: the items that were to be removed, and stay: another device has changed them.
        known: entries that had been sent before an interruption.
        damaged: entries that cannot be read; they stay in the queue.
    """

    puts: list[PushedPut] = field(default_factory=list)
    removed: list[ItemId] = field(default_factory=list)
    dropped: list[ItemId] = field(default_factory=list)
    known: int = 0
    damaged: list[DamagedEntry] = field(default_factory=list)

    def join(self, later: "Pushed") -> "Pushed":
        """Join it with what a later attempt has done."""
        return Pushed(
            self.puts + later.puts,
            self.removed + later.removed,
            self.dropped + later.dropped,
            self.known + later.known,
            later.damaged,
        )

    @property
    def count(self) -> int:
        """How many entries are done."""
        return len(self.puts) + len(self.removed) + len(self.dropped) + self.known


def tell_pushed(pushed: Pushed, notice: Callable[[str], None]) -> None:
    """Tell what became of a queue."""
    if pushed.count:
        copies = sum(put.conflict for put in pushed.puts)
        more = f", {copies} of it as conflict copies" if copies else ""
        notice(f"Sent of the queue: {pushed.count}{more}.")
    if pushed.dropped:
        notice(f"Not removed, since another device has changed them: {', '.join(pushed.dropped)}")
    for damaged in pushed.damaged:
        notice(f"Not sent: {damaged.describe()}")
