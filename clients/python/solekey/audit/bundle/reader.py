"""A bundle as a log. Spec: audit-bundle.md §4.

Whether the files are what the manifest states is looked at before any record is read: their sizes when the
bundle is opened, their digests as each is read.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from solekey.audit.bundle.bus_state import parse_bus_state
from solekey.audit.bundle.container import Container, is_known, open_container
from solekey.audit.bundle.errors import (
    BundleError,
    BundleTrailingError,
    BundleTruncatedError,
    BundleUnfinishedError,
)
from solekey.audit.bundle.frames import FrameError, read_frames
from solekey.audit.bundle.layout import (
    BUS,
    MANIFEST,
    MAX_BUS_BYTES,
    MAX_MANIFEST_BYTES,
    SCHEMAS,
    SIGNATURE,
    STORED,
    parse_part_name,
)
from solekey.audit.bundle.manifest import FileEntry, Manifest
from solekey.audit.bundle.parts import PartError, PartReader, is_converted
from solekey.audit.bundle.schemas import encode_schemas
from solekey.audit.bundle.stored import MAX_LINE_BYTES, StoredList
from solekey.audit.sources.errors import LogConvertedError, LogError
from solekey.audit.sources.log import BundleState, BusState, Extent, Ranges, Record
from solekey_protocol.encoding import parse_json
from solekey_protocol.errors import ProtocolError

_BLOCK_BYTES: Final = 1024 * 1024
_MAX_SIGNATURE_BYTES: Final = 1024


class BundleLog:
    """A bundle.

    Raises:
        LogError: it cannot be read; a damaged copy has a code of its own (audit-bundle.md §4).
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            self._container: Container = open_container(path)
            self._sizes = self._container.names()
            self._raw = self._read_whole(MANIFEST, MAX_MANIFEST_BYTES)
            self._signature = (
                self._read_whole(SIGNATURE, _MAX_SIGNATURE_BYTES) if SIGNATURE in self._sizes else None
            )
        except OSError as error:
            raise LogError(f"{path}: {error.strerror}") from error
        self.manifest = Manifest.parse(self._raw)
        self.digest = hashlib.sha256(self._raw).hexdigest()
        self._damaged: dict[str, str] = {}
        self._verify_sizes()
        self.bus: BusState = self._read_bus()
        self._parts = self._order_parts()

    @property
    def total(self) -> int:
        """How many records the manifest states."""
        return sum(entry.records for _, entry in self._parts)

    @property
    def objects(self) -> StoredList | None:
        """What the vault had stored, where the bundle has it."""
        entry = self.manifest.files.get(STORED)
        return None if entry is None else StoredList(lambda: self._read_stored(entry))

    @property
    def bundles(self) -> tuple[BundleState, ...]:
        """See Log.bundles."""
        return (
            BundleState(
                self.digest,
                self._raw,
                self._signature,
                self.manifest.prev,
                len(self.manifest.files),
                self.total,
                self.manifest.ranges,
                self.bus,
                dict(self._damaged),
                tuple(
                    sorted(self._sizes.keys() - self.manifest.files.keys() - {MANIFEST, SIGNATURE}),
                ),
                self._compare_schemas(),
            ),
        )

    def records(self, ranges: Ranges | None = None) -> Iterator[Record]:
        """See Log.records. A part that is not what the manifest states is read as far as it can be."""
        for path, entry in self._parts:
            topic, partition, _ = parse_part_name(path) or ("", 0, 0)
            extent = Extent(0, 2**53) if ranges is None else ranges.get((topic, partition), Extent(0, 0))
            for record in self._read_part(path, entry, topic, partition):
                if record.place is not None and extent.start <= record.place.offset < extent.end:
                    yield record

    def _read_part(self, path: str, entry: FileEntry, topic: str, partition: int) -> Iterator[Record]:
        count = 0
        try:
            with self._open(path, entry) as content:
                for record in islice(read_frames(content.read, topic, partition), entry.records):
                    count += 1
                    yield record
                _verify_end(content)
        except (PartError, FrameError) as error:
            self._damaged.setdefault(path, f"{error}, after {count} records")
        if count != entry.records:
            self._damaged.setdefault(path, f"it holds {count} records, the manifest states {entry.records}")

    def _read_stored(self, entry: FileEntry) -> Iterator[bytes]:
        """Yield the lines of the list of stored objects."""
        try:
            with self._open(STORED, entry) as content:
                yield from _read_lines(content)
        except PartError as error:
            self._damaged.setdefault(STORED, str(error))

    @contextmanager
    def _open(self, path: str, entry: FileEntry) -> Iterator[PartReader]:
        """Give the content of a file; its digest is compared before that."""
        with self._container.open(path) as file:
            _, digest = _look_at(file, entry.bytes)
        if digest != entry.sha256:
            self._damaged.setdefault(path, "its digest is not the one that the manifest states")
        with self._container.open(path) as file:
            yield PartReader(file, entry.content_bytes)

    def _read_whole(self, path: str, limit: int) -> bytes:
        if path not in self._sizes:
            if self._sizes and not any(is_known(name) for name in self._sizes):
                raise BundleError(f"{self.name} is no bundle: it has no {MANIFEST}")
            raise BundleUnfinishedError(f"{self.name} has no {MANIFEST}: its export was interrupted")
        if self._sizes[path] > limit:
            raise BundleError(f"{self.name}: {path} is too large")
        with self._container.open(path) as file:
            return file.read(limit)

    def _verify_sizes(self) -> None:
        """Tell a copy that was interrupted, extended or converted from one that was tampered with."""
        for path, entry in self.manifest.files.items():
            size = self._sizes.get(path)
            if size == entry.bytes:
                continue
            if size is None:
                raise BundleTruncatedError(f"{self.name}: {path} is missing")
            with self._container.open(path) as file:
                begin, digest = _look_at(file, entry.bytes)
            if begin.startswith(b"\xef\xbb\xbf") or is_converted(begin):
                raise LogConvertedError(f"{self.name}: {path} was converted; that is no sign of tampering")
            if size < entry.bytes:
                raise BundleTruncatedError(f"{self.name}: {path} has {size} of {entry.bytes} bytes")
            if digest == entry.sha256:
                raise BundleTrailingError(
                    f"{self.name}: {path} has {size - entry.bytes} bytes behind its end"
                )
            self._damaged[path] = f"it has {size} bytes, the manifest states {entry.bytes}"

    def _read_bus(self) -> BusState:
        entry = self.manifest.files.get(BUS)
        if entry is None:
            raise BundleError(f"{self.name} has no {BUS}")
        raw = self._read_whole(BUS, MAX_BUS_BYTES)
        if hashlib.sha256(raw).hexdigest() != entry.sha256:
            self._damaged[BUS] = "its digest is not the one that the manifest states"
        try:
            return parse_bus_state(parse_json(raw, max_bytes=MAX_BUS_BYTES))
        except (ProtocolError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BundleError(f"{self.name}: {BUS}: {error}") from error

    def _order_parts(self) -> list[tuple[str, FileEntry]]:
        """Order the parts as an export does: by topic, partition and first offset."""
        topics = {topic: number for number, (topic, _) in enumerate(self.bus.ranges())}
        named = [
            (topics.get(place[0], len(topics)), place, path)
            for path in self.manifest.files
            if (place := parse_part_name(path)) is not None
        ]
        return [(path, self.manifest.files[path]) for _, _, path in sorted(named)]

    def _compare_schemas(self) -> bool | None:
        entry = self.manifest.files.get(SCHEMAS)
        return None if entry is None else entry.sha256 == hashlib.sha256(encode_schemas()).hexdigest()


def _verify_end(content: PartReader) -> None:
    if content.read(1):
        raise PartError("it holds more records than the manifest states")


def _read_lines(content: PartReader) -> Iterator[bytes]:
    rest = b""
    while block := content.read(_BLOCK_BYTES):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
        if len(rest) > MAX_LINE_BYTES:
            raise PartError("a line is too long")
    if rest:
        raise PartError("its last line is cut off")


def _look_at(file: BinaryIO, size: int) -> tuple[bytes, str]:
    """Return how a file begins, and the SHA-256 of its first ``size`` bytes."""
    hasher, begin = hashlib.sha256(), b""
    while size and (block := file.read(min(size, _BLOCK_BYTES))):
        begin = begin or block[:64]
        hasher.update(block)
        size -= len(block)
    return begin, hasher.hexdigest()
