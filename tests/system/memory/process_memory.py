"""Counts the copies of secrets in another process's writable memory, through /proc/PID/mem (Linux)."""

from collections.abc import Iterator, Mapping
from pathlib import Path

_BLOCK_BYTES = 16 * 1024 * 1024


def count_copies(pid: int, secrets: Mapping[str, bytes]) -> dict[str, int]:
    """Count where each secret stands, byte for byte, in what the process may write."""
    found = dict.fromkeys(secrets, 0)
    for region in _iter_regions(pid):
        for name, secret in secrets.items():
            found[name] += region.count(secret)
    return found


def _iter_regions(pid: int) -> Iterator[bytes]:
    overlap = 4096
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, permissions, *_ = line.split()
            if not permissions.startswith("rw"):
                continue
            start, stop = (int(address, 16) for address in place.split("-"))
            while start < stop:
                memory.seek(start)
                try:
                    block = memory.read(min(_BLOCK_BYTES, stop - start))
                except OSError:  # [vvar] and the like
                    break
                if not block:
                    break
                yield block
                start += len(block) if start + len(block) >= stop else len(block) - overlap
