"""The parts that an interrupted export has written whole. Spec: audit-bundle.md §6."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

from solekey.audit.bundle.frames import FrameError, read_frames
from solekey.audit.bundle.layout import MAX_PART_BYTES, name_part
from solekey.audit.bundle.manifest import FileEntry
from solekey.audit.bundle.parts import PartError, decode_part
from solekey_protocol.ids import Digest


def read_finished_parts(
    folder: Path, topic: str, partition: int, start: int
) -> Iterator[tuple[str, FileEntry, int]]:
    """Yield each part of a partition that follows the one before: path, what it is, and its last offset.

    One that cannot be read, and what lies behind it, is deleted and exported again.
    """
    place = folder / "records" / topic / str(partition)
    follows = True
    for path in sorted(place.glob("*.part")) if place.is_dir() else ():
        name = name_part(topic, partition, start)
        measured = _measure(path, topic, partition) if follows and name.endswith(f"/{path.name}") else None
        if measured is None or measured[0] != start:
            follows = False
            path.unlink()
            continue
        _, last, entry = measured
        start = last + 1
        yield name, entry, last


def _measure(path: Path, topic: str, partition: int) -> tuple[int, int, FileEntry] | None:
    """Measure a part: its first and last offset, and what it is; None for one that cannot be read."""
    raw = path.read_bytes()
    try:
        content = decode_part(raw, MAX_PART_BYTES)
        frames = read_frames(io.BytesIO(content).read, topic, partition)
        offsets = [record.place.offset for record in frames if record.place is not None]
    except (FrameError, PartError):
        return None
    if not offsets:
        return None
    entry = FileEntry(len(raw), Digest(hashlib.sha256(raw).hexdigest()), len(content), len(offsets))
    return offsets[0], offsets[-1], entry
