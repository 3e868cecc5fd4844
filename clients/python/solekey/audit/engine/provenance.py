"""What exactly an audit looked at, and with what: so that its answer can be cited and repeated."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from solekey.audit.sources.log import BusPlace, Record
from solekey_protocol.ids import Digest, Timestamp, compute_digest

CATALOGUE: Final = "solekey-audit-catalogue/v1"
"""The version of the checks: a check that is changed, and not only added, raises it."""


@dataclass(frozen=True, slots=True)
class Range:
    """The offsets of one partition that an audit has looked at, first and last included."""

    topic: str
    partition: int
    first: int
    last: int
    records: int


def find_version() -> str:
    """The version of the installed client; ``unknown`` where it runs from its sources."""
    try:
        return version("solekey")
    except PackageNotFoundError:
        return "unknown"


def find_tool() -> str:
    """The name and version of this program."""
    return f"solekey {find_version()}"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What an audit looked at.

    Attributes:
        source: what the log was opened by.
        digest: SHA-256 of all records, each with a line feed, in the order of the source: of an exported
            file, the file's own.
        first: the time of the earliest event; None without events.
        last: of the latest.
        bundles: SHA-256 of the manifest of each bundle that it was read from, in order.
        ranges: the offsets of each partition; empty where the source does not say.
        pins: SHA-256 of each file of pins, by its name.
        seen: SHA-256 of the verdict that this one goes on from; None where it begins anew.
        folded: how many accounts were gone through, where an archive has the others; None: all.
        tool: name and version of this program.
        catalogue: which checks were run.
        made_at: when the audit began.
    """

    source: str
    digest: Digest
    first: Timestamp | None
    last: Timestamp | None
    bundles: tuple[str, ...]
    ranges: tuple[Range, ...]
    pins: Mapping[str, Digest]
    seen: Digest | None
    made_at: Timestamp
    folded: int | None = None
    tool: str = field(default_factory=find_tool)
    catalogue: str = CATALOGUE

    def summary(self) -> dict[str, object]:
        """It as plain values, for JSON."""
        return asdict(self)


class Reading:
    """Follows what is read: a digest over all of it, and the offsets."""

    def __init__(self) -> None:
        self.records = 0
        self._hash = hashlib.sha256()
        self._ranges: dict[tuple[str, int], list[int]] = {}
        self._last: dict[tuple[str, int], bytes] = {}

    def see(self, record: Record) -> None:
        """Take the next record."""
        self.records += 1
        self._hash.update((record.raw or b"") + b"\n")
        if record.place is not None:
            self._note(record.place)
            place = record.place.topic, record.place.partition
            if record.place.offset == self._ranges[place][1]:
                self._last[place] = record.raw or b""

    def digest(self) -> Digest:
        """The digest of all that was read."""
        return Digest.from_raw(self._hash.digest())

    def ranges(self) -> tuple[Range, ...]:
        """The offsets of each partition."""
        return tuple(Range(*place, *found) for place, found in sorted(self._ranges.items()))

    def last_digest(self, topic: str, partition: int) -> Digest:
        """The digest of the last record of a partition that was read."""
        return compute_digest(self._last[topic, partition])

    def _note(self, place: BusPlace) -> None:
        found = self._ranges.setdefault((place.topic, place.partition), [place.offset, place.offset, 0])
        found[0] = min(found[0], place.offset)
        found[1] = max(found[1], place.offset)
        found[2] += 1
