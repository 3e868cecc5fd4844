"""The DPoP proofs of reads that a service has admitted on this machine. Spec: tokens.md §5.

In memory only: a read changes nothing, so that its proof costs no commit. The memory is one for all processes
of the service that share a listen socket, so that it does not matter which of them a connection comes to, and
a process that ends takes nothing with it. After a restart of all, or at a replica elsewhere, a proof of the
last minute is good once more. Who can send it again has taken it out of TLS together with its token, and gets
what its first answer said: ciphertext and signed events.

*Layout.* A header of three integers (64 bits, little-endian): the number of the newest period, and how many
proofs each half holds. Then two halves, each a hash table of 16-byte digests with open addressing; 16 zero
bytes are a free slot. A period lasts KEPT_FOR. A proof is noted in the half of its period (even, odd) and
sought in both; a half is emptied when the next but one period begins: by then age refuses what was in it.

A clock that goes back ends no period: what was used while it was ahead stays used when that time comes. When
a half is full although the clock is far behind its newest period, that would refuse every read until the
clock has caught up; so both halves are emptied, as a restart would.
"""

import fcntl
import mmap
import os
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from solekey_eventlog.errors import UnavailableError
from solekey_service.access.dpop import MAX_AGE_S
from solekey_service.http.caller import DpopProof
from solekey_service.refusals import DpopInvalid

KEPT_FOR: Final = timedelta(seconds=2 * MAX_AGE_S)
"""How long a proof is remembered at least: by then its age refuses it, whichever way its clock differs."""
MAX_PROOFS: Final = 500_000
"""In each period: 16 MiB for both, and 4,000 reads a second."""
_HEADER: Final = struct.Struct("<3Q")
_SLOT_BYTES: Final = 16
_FREE: Final = bytes(_SLOT_BYTES)
_FAR_AHEAD: Final = 2
"""So many periods ahead of the clock, the newest one was begun by a clock that has been set back since."""
_FULLEST: Final = 0.9  # of the slots; more would make the search for a free one long


class SeenProofs:
    """The proofs, each until its age refuses it."""

    def __init__(self, max_proofs: int = MAX_PROOFS, descriptor: int | None = None) -> None:
        """Remember proofs.

        Args:
            max_proofs: of one period; the same in all processes that share the memory.
            descriptor: of the memory of `create_memory`, shared with other processes; else it is our own.
        """
        self._max_proofs = max_proofs
        self._slots = _count_slots(max_proofs)
        self._descriptor = descriptor
        self._memory = mmap.mmap(-1 if descriptor is None else descriptor, derive_size(max_proofs))
        self._lock = threading.Lock()

    def __len__(self) -> int:
        _, *counts = _HEADER.unpack_from(self._memory)
        return sum(counts)

    def add(self, proof: DpopProof, now: datetime) -> None:
        """Note that a proof was used.

        Raises:
            DpopInvalid: it was used before.
            UnavailableError: so many reads came in the last minutes that no more can be remembered.
        """
        digest = bytes.fromhex(proof.digest)[:_SLOT_BYTES]
        present = int(now.timestamp() // KEPT_FOR.total_seconds())
        with self._locked():
            newest = self._turn(present)
            half = newest % 2
            slot, is_there = self._find(half, digest)
            if is_there or self._find(1 - half, digest)[1]:
                raise DpopInvalid("DPoP: the proof was used before")
            if self._read_count(half) >= self._max_proofs:
                if newest - present < _FAR_AHEAD:
                    raise UnavailableError("too many requests in the last minutes")
                half = self._begin(present, halves=(0, 1)) % 2
                slot, _ = self._find(half, digest)
            self._memory[slot : slot + _SLOT_BYTES] = digest
            self._write_count(half, self._read_count(half) + 1)

    def _turn(self, period: int) -> int:
        """Begin a period, if it has come, and return the newest one: a clock that goes back ends none."""
        newest, *_ = _HEADER.unpack_from(self._memory)
        if period <= newest:
            return int(newest)
        return self._begin(period, halves=(0, 1) if period > newest + 1 else (period % 2,))

    def _begin(self, period: int, halves: tuple[int, ...]) -> int:
        """Begin a period with these halves empty, and return it."""
        for half in halves:
            if self._read_count(half) == 0:
                continue  # fresh memory costs more to write than to leave alone
            start = self._find_start(half)
            self._memory[start : start + self._slots * _SLOT_BYTES] = bytes(self._slots * _SLOT_BYTES)
            self._write_count(half, 0)
        struct.pack_into("<Q", self._memory, 0, period)
        return period

    def _find(self, half: int, digest: bytes) -> tuple[int, bool]:
        """Find where a digest is in a half, or the free slot where it would be."""
        start, slots = self._find_start(half), self._slots
        number = int.from_bytes(digest[:8], "little")
        while True:
            slot = start + number % slots * _SLOT_BYTES
            content = self._memory[slot : slot + _SLOT_BYTES]
            if content in (digest, _FREE):
                return slot, content == digest
            number += 1

    def _find_start(self, half: int) -> int:
        return _HEADER.size + half * self._slots * _SLOT_BYTES

    def _read_count(self, half: int) -> int:
        return int(_HEADER.unpack_from(self._memory)[1 + half])

    def _write_count(self, half: int, count: int) -> None:
        struct.pack_into("<Q", self._memory, 8 * (1 + half), count)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep the other threads and processes out; the kernel gives the lock of a dead process back."""
        with self._lock:
            if self._descriptor is None:
                yield
                return
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def derive_size(max_proofs: int) -> int:
    """Derive how many bytes the memory has."""
    return _HEADER.size + 2 * _count_slots(max_proofs) * _SLOT_BYTES


def create_memory(max_proofs: int = MAX_PROOFS) -> int:
    """Create memory for proofs that processes can share, and return its descriptor. It has no name."""
    with tempfile.TemporaryFile() as file:
        file.truncate(derive_size(max_proofs))
        return os.dup(file.fileno())


def _count_slots(max_proofs: int) -> int:
    return int(max_proofs / _FULLEST) + 2
