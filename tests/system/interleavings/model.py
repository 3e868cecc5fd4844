"""What the items of an account may be: a small model, which knows nothing of how the client does it.

It holds every version that an item has had. An edit that was acknowledged is in it at once; one that was not,
or that waits in a queue, is *pending*: it may show up later, once, or never.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

GONE = b""
"""The content of a removal."""

ANY = ""
"""The item of a put, which finds its item itself, and of a removal by a device that cannot look."""


@dataclass(slots=True)
class ModelItem:
    """One item: its name, the content of each of its versions, and whether it is there."""

    name: str
    contents: list[bytes]
    live: bool = True

    @property
    def version(self) -> int:
        """The version of its last edit; a removal makes none."""
        return len(self.contents)


@dataclass(slots=True)
class Model:
    """The items by id, what is pending, and what each device has last read or written of each item."""

    items: dict[str, ModelItem] = field(default_factory=dict)
    pending: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    seen: dict[tuple[str, str], int] = field(default_factory=dict)
    acknowledged: set[bytes] = field(default_factory=set)

    def find(self, name: str) -> list[str]:
        """The items that have a name now."""
        return [item for item, each in self.items.items() if each.live and each.name == name]

    def must_replace(self, device: str, item: str) -> bool | None:
        """Whether an edit replaces the item: it must, it must not, or (None) its author has not read it."""
        seen = self.seen.get((device, item))
        return None if seen is None else seen == self.items[item].version

    def put(self, device: str, item: str, version: int, name: str, content: bytes) -> None:
        """An acknowledged put: a next version of an item, or a new item."""
        known = self.items.get(item)
        if known is None:
            assert version == 1, f"a new item begins with version {version}"
            self.items[item] = ModelItem(name, [content])
        else:
            assert known.live, "a removed item was put"
            assert version == known.version + 1, f"version {version} follows {known.version}"
            known.contents.append(content)
        self.acknowledged.add(content)
        self.seen[device, item] = version

    def remove(self, device: str, item: str) -> None:
        """An acknowledged removal."""
        self.items[item].live = False
        self.seen.pop((device, item), None)

    def may(self, item: str, content: bytes) -> None:
        """An edit that was not acknowledged."""
        self.pending[item, content] += 1

    def adopt(self, item: str, name: str, contents: Sequence[bytes]) -> None:
        """All versions of an item as a device shows them: whatever is new must have been pending."""
        known = self.items.setdefault(item, ModelItem(name, []))
        before = known.contents
        assert known.live, f"{name} was removed, and is there again"
        assert list(contents[: len(before)]) == before, f"{name} has lost or changed a version"
        for content in contents[len(before) :]:
            self._take(ANY, content, f"{name} has content that nobody put, or that was put once already")
        known.contents = list(contents)

    def adopt_removals(self, live: set[str]) -> None:
        """The items that a device shows: whatever is missing must have been removed, or be about to be."""
        for item, each in self.items.items():
            if each.live and item not in live:
                of = item if self.pending[item, GONE] else ANY
                self._take(of, GONE, f"{each.name} is gone, and nobody removed it")
                each.live = False

    def _take(self, item: str, content: bytes, otherwise: str) -> None:
        assert self.pending[item, content] > 0, otherwise
        self.pending[item, content] -= 1
