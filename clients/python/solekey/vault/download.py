"""Ciphertext of one item version as a range-readable source: whole parts, each checked, few in memory."""

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from solekey.vault.objects import ObjectStore
from solekey_protocol.change_list import Change

_PARTS_IN_MEMORY: Final = 2
"""The first or current one, and the last, whose end a reader looks at before anything else."""


@dataclass(slots=True)
class PartSource:
    """A `RangeSource` over the parts that a signed commit names."""

    objects: ObjectStore
    change: Change
    _starts: list[int] = field(init=False)
    _recent: OrderedDict[int, bytes] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._starts = list(accumulate((part.size for part in self.change.parts), initial=0))

    @property
    def size(self) -> int:
        """The envelope's size in bytes."""
        return self._starts[-1]

    def read_at(self, offset: int, length: int) -> bytes:
        """Read `length` bytes at `offset`. Raises SwappedObjectError."""
        stop = min(offset + length, self.size)
        pieces = []
        for index, start in enumerate(self._starts[:-1]):
            end = self._starts[index + 1]
            if start < stop and offset < end:
                pieces.append(self._part(index)[max(offset - start, 0) : stop - start])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _part(self, index: int) -> bytes:
        if index in self._recent:
            self._recent.move_to_end(index)
        else:
            self._recent[index] = self.objects.fetch(self.change.parts[index].digest)
            if len(self._recent) > _PARTS_IN_MEMORY:
                self._recent.popitem(last=False)
        return self._recent[index]


@dataclass(frozen=True, slots=True)
class PrefixSource:
    """The beginning of an envelope, and the rest by ranges where the beginning does not reach."""

    objects: ObjectStore
    change: Change
    prefix: bytes

    @property
    def size(self) -> int:
        """The envelope's size in bytes."""
        return self.change.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read `length` bytes at `offset`, at most to the end of the first part."""
        if offset + length <= len(self.prefix) or len(self.prefix) >= self.change.parts[0].size:
            return self.prefix[offset : offset + length]
        return self.objects.fetch_range(self.change.parts[0].digest, offset, length)
