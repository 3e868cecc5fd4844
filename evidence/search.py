"""Searches everything that was captured for everything that is secret, and counts by channel.

Large pieces are cut into windows that overlap. What is all zeros, or was searched before with the same bytes,
is not searched again; what was found in it counts wherever it stands.
"""

import hashlib
import multiprocessing
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from evidence.channels import Channel
from evidence.processes import PIECE_BYTES
from solekey.audit import find_leaks

_WINDOW_BYTES: Final = PIECE_BYTES
_OVERLAP_BYTES: Final = 4096
"""Longer than any spelling of a secret that is searched for."""
_BATCH_BYTES: Final = 16 * 1024 * 1024
_BATCHES_WAITING: Final = 4

Piece = tuple[Channel, str, bytes]
"""What was captured: where, in which place of it, and the bytes."""
Digest = bytes


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A secret in a channel: how it is spelt, and in which place."""

    channel: Channel
    secret: str
    spelling: str
    place: str


@dataclass(slots=True)
class Amount:
    """How much of a channel there was: places, bytes, and bytes left to search."""

    places: int = 0
    bytes: int = 0
    searched: int = 0


@dataclass(slots=True)
class SearchResult:
    """What was found, and how much was looked at."""

    secrets: int
    amounts: Mapping[Channel, Amount] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)

    def find(self, secret: str) -> list[Found]:
        """All places of a secret."""
        return [each for each in self.found if each.secret == secret]


class Captured:
    """What was captured so far: each window of bytes once, however often it stands somewhere."""

    def __init__(self) -> None:
        self.amounts = {each: Amount() for each in Channel}
        self._places: dict[Digest, set[tuple[Channel, str]]] = defaultdict(set)
        self._windows: list[tuple[Digest, bytes]] = []

    def add(self, pieces: Iterable[Piece]) -> None:
        """Add pieces, which may be very many."""
        for channel, place, data in pieces:
            amount = self.amounts[channel]
            amount.places += 1
            amount.bytes += len(data)
            for window in _cut_windows(data):
                digest = hashlib.blake2b(window, digest_size=16).digest()
                if digest not in self._places:
                    amount.searched += len(window)
                    self._windows.append((digest, window))
                self._places[digest].add((channel, place))

    def cut_batches(self) -> Iterator[list[tuple[Digest, bytes]]]:
        """Cut all windows into batches."""
        step = max(_BATCH_BYTES // _WINDOW_BYTES, 1)
        for at in range(0, len(self._windows), step):
            yield self._windows[at : at + step]

    def find_places(self, digest: Digest) -> set[tuple[Channel, str]]:
        """Find everywhere where a window stands."""
        return self._places[digest]


def search(secrets: Mapping[str, bytes], captured: Captured, workers: int | None = None) -> SearchResult:
    """Search everything that was captured, in several processes."""
    result = SearchResult(len(secrets), captured.amounts)
    found: set[Found] = set()
    waiting: list[Future[dict[Digest, list[tuple[str, str]]]]] = []

    def take(leaks: Mapping[Digest, list[tuple[str, str]]]) -> None:
        for digest, spelt in leaks.items():
            for channel, place in captured.find_places(digest):
                found.update(Found(channel, secret, spelling, place) for secret, spelling in spelt)

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=context) as pool:
        for batch in captured.cut_batches():
            waiting.append(pool.submit(_search_batch, dict(secrets), batch))
            if len(waiting) > _BATCHES_WAITING:
                take(waiting.pop(0).result())
        for future in waiting:
            take(future.result())
    result.found = sorted(found)
    return result


def _cut_windows(data: bytes) -> Iterator[bytes]:
    for at in range(0, max(len(data) - _OVERLAP_BYTES, 1), _WINDOW_BYTES):
        window = data[at : at + _WINDOW_BYTES + _OVERLAP_BYTES]
        if window.count(0) != len(window):
            yield window


def _search_batch(
    secrets: Mapping[str, bytes], batch: list[tuple[Digest, bytes]]
) -> dict[Digest, list[tuple[str, str]]]:
    found: dict[Digest, list[tuple[str, str]]] = defaultdict(list)
    for leak in find_leaks(secrets, ((digest.hex(), window) for digest, window in batch)):
        found[bytes.fromhex(leak.place)].append((leak.secret, leak.spelling))
    return dict(found)
