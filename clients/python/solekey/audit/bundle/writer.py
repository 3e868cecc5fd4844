"""The export of a log to a bundle, which goes on where it was interrupted. Spec: audit-bundle.md §6.

The folder is the state of the export: ``bus.json`` fixes which offsets are to be exported, each part appears
whole, and the manifest is written last.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from solekey.audit.bundle.bus_state import encode_bus_state, parse_bus_state
from solekey.audit.bundle.frames import FrameError, encode_frame
from solekey.audit.bundle.layout import (
    BUS,
    MANIFEST,
    MAX_BUS_BYTES,
    PART_BYTES,
    SCHEMAS,
    SIGNATURE,
    SIGNING_CONTEXT,
    STORED,
    name_part,
)
from solekey.audit.bundle.manifest import FileEntry, Manifest, encode_signature
from solekey.audit.bundle.parts import encode_part
from solekey.audit.bundle.schemas import encode_schemas
from solekey.audit.bundle.stored import read_stored_lines
from solekey.audit.bundle.tar import write_tar
from solekey.audit.bundle.unfinished import read_finished_parts
from solekey.audit.sources.errors import LogError
from solekey.audit.sources.log import BusState, Extent, Log, Ranges, Record
from solekey.errors import OutputExistsError, TargetError
from solekey.files.whole_file import write_whole
from solekey_protocol.encoding import encode_json, parse_json
from solekey_protocol.ids import Digest, PublicKey, SignatureHex, Timestamp

TAR: Final = ".tar"
_UNFINISHED: Final = ".unfinished"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs a manifest.

    Attributes:
        key: the public key.
        sign: signs bytes (Ed25519).
    """

    key: PublicKey
    sign: Callable[[bytes], SignatureHex]


@dataclass(frozen=True, slots=True)
class Previous:
    """What a bundle continues.

    Attributes:
        name: the name of the bundle before; None where what is continued was no bundle.
        ranges: the offsets that it and those before it hold.
    """

    name: Digest | None
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written.

    Attributes:
        name: SHA-256 of its manifest.
        records: how many records it holds.
        resumed: how many of them an earlier, interrupted export had written.
        files: how many files it has.
        exporter: the key that has signed it; None where nobody has.
    """

    name: str
    records: int
    resumed: int
    files: int
    exporter: PublicKey | None


def export_bundle(
    log: Log,
    target: Path,
    *,
    prev: Previous | None = None,
    stored: Sequence[Path] = (),
    signer: Signer | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write a log to a bundle: a folder, or one file where the target's name ends in ``.tar``.

    An export that was interrupted goes on when it is run again with the same target.

    Args:
        log: what is exported; it knows places on the bus.
        target: the bundle.
        prev: what is continued.
        stored: lists that ``python -m solekey_<service> list-stored`` has written.
        signer: who signs the manifest.
        progress: told how many records are written, and of how many at most.

    Raises:
        LogError: the source cannot be read, has no places, or is another than the interrupted export's.
        TargetError: the target cannot be written, or holds something else.
    """
    if log.bus is None:
        raise LogError(f"{log.name} has no places on the bus: only Kafka, an embedded bus and bundles have")
    is_tar = target.suffix == TAR
    if target.exists() and (is_tar or (target / MANIFEST).exists()):
        raise OutputExistsError(f"{target} exists")
    folder = target.with_name(f"{target.name}{_UNFINISHED}") if is_tar else target
    export = _Export(folder, _begin(folder, log.bus), prev.ranges if prev else {})
    export.add(SCHEMAS, encode_schemas(), encode_schemas(), 0)
    if stored:
        _add_stored(export, stored)
    export.write_records(log, progress or _ignore)
    raw = export.make_manifest(prev.name if prev else None)
    if signer is not None:
        signature = signer.sign(SIGNING_CONTEXT + raw)
        write_whole(folder / SIGNATURE, encode_signature(signer.key, signature))
    write_whole(folder / MANIFEST, raw)
    if is_tar:
        write_tar(folder, target)
        shutil.rmtree(folder)
    return Exported(
        hashlib.sha256(raw).hexdigest(),
        export.records,
        export.resumed,
        len(export.files),
        signer.key if signer else None,
    )


def _begin(folder: Path, bus: BusState) -> BusState:
    """Begin an export, or go on with one: return the bus as of its beginning."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / BUS).exists():
            if any(folder.iterdir()):
                raise TargetError(f"{folder} is not empty, and holds no interrupted export")
            write_whole(folder / BUS, encode_json(encode_bus_state(bus)))
        begun = parse_bus_state(parse_json((folder / BUS).read_bytes(), max_bytes=MAX_BUS_BYTES))
    except OSError as error:
        raise TargetError(f"{folder}: {error.strerror}") from error
    if (begun.kind, begun.cluster) != (bus.kind, bus.cluster):
        raise LogError(f"{folder} holds an interrupted export of another bus: {begun.cluster or begun.kind}")
    return begun


def _add_stored(export: "_Export", stored: Sequence[Path]) -> None:
    content = b"".join(line + b"\n" for path in stored for line in read_stored_lines(path))
    export.add(STORED, encode_part(content), content, content.count(b"\n"))


class _Export:
    """A bundle on its way."""

    def __init__(self, folder: Path, bus: BusState, held: Ranges) -> None:
        self._folder = folder
        self._ranges = {
            log: Extent(max(extent.start, held[log].end if log in held else 0), extent.end)
            for log, extent in bus.ranges().items()
        }
        raw = (folder / BUS).read_bytes()
        self.files: dict[str, FileEntry] = {BUS: _describe(raw, raw, 0)}
        self.records = 0
        self.resumed = 0

    def add(self, path: str, raw: bytes, content: bytes, records: int) -> None:
        """Add a file."""
        target = self._folder / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(target, raw)
        self.files[path] = _describe(raw, content, records)

    def write_records(self, log: Log, progress: Callable[[int, int], None]) -> None:
        """Write what is not there yet."""
        left: dict[tuple[str, int], Extent] = {}
        for (topic, partition), extent in self._ranges.items():
            position = extent.start
            for path, entry, last in read_finished_parts(self._folder, topic, partition, position):
                self.files[path] = entry
                self.records += entry.records
                position = last + 1
            if position < extent.end:
                left[topic, partition] = Extent(position, extent.end)
        self.resumed = self.records
        total = self.records + sum(extent.count for extent in left.values())
        progress(self.records, total)
        for part in _split(log.records(left)):
            self._add_part(part)
            progress(self.records, total)

    def _add_part(self, part: "_Part") -> None:
        content = b"".join(part.frames)
        path = name_part(*part.begin)
        self.add(path, encode_part(content), content, len(part.frames))
        self.records += len(part.frames)

    def make_manifest(self, prev: Digest | None) -> bytes:
        """Make the manifest of what was written."""
        made_at = Timestamp.from_datetime(datetime.now(UTC))
        return Manifest(made_at, f"solekey {version('solekey')}", prev, self._ranges, self.files).encode()


@dataclass(slots=True)
class _Part:
    """Records of one partition that follow each other."""

    begin: tuple[str, int, int]
    frames: list[bytes]
    size: int = 0


def _split(records: Iterator[Record]) -> Iterator[_Part]:
    part: _Part | None = None
    for record in records:
        place = record.place
        if place is None:
            raise LogError("a record without its place on the bus")
        if part is not None and (part.size >= PART_BYTES or part.begin[:2] != (place.topic, place.partition)):
            yield part
            part = None
        if part is None:
            part = _Part((place.topic, place.partition, place.offset), [])
        try:
            frame = encode_frame(record)
        except FrameError as error:
            raise LogError(f"{place}: {error}") from error
        part.frames.append(frame)
        part.size += len(frame)
    if part is not None:
        yield part


def _ignore(done: int, total: int) -> None:
    del done, total


def _describe(raw: bytes, content: bytes, records: int) -> FileEntry:
    return FileEntry(len(raw), Digest(hashlib.sha256(raw).hexdigest()), len(content), records)
