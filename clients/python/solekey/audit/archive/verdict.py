"""What an auditor has signed about all that an archive holds. Spec: audit.md §2.6.

*Wire format.* Canonical JSON with the members ``auditor before bounds bundle bus catalogue ends format
made_at now number ranges records signature state tool verdict``. ``signature`` is Ed25519 over
``"solekey/audit-archive/v1" ‖ 0x00 ‖`` the canonical JSON of the other members.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from solekey.audit.archive.errors import ArchiveError, ArchiveForeignError
from solekey.audit.bounds import Bounds
from solekey.audit.sources.log import BusState
from solekey.files.any_path import AnyPath
from solekey_protocol.encoding import Json, encode_json, parse_json
from solekey_protocol.errors import ProtocolError, SignatureError
from solekey_protocol.ids import Digest, PublicKey, SignatureHex, Timestamp, compute_digest
from solekey_protocol.statements import verify_signature

FORMAT: Final = "solekey-audit-archive/v1"
CONTEXT: Final = b"solekey/audit-archive/v1\x00"
MAX_VERDICT_BYTES: Final = 64 * 1024 * 1024
_SQLITE: Final = b"SQLite format 3\x00"


class Signer(Protocol):
    """Whoever signs (``solekey.audit.seen.AuditorKey``)."""

    @property
    def public(self) -> PublicKey:
        """What verifies the signatures."""
        ...

    def sign(self, message: bytes) -> SignatureHex:
        """Sign bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Reader:
    """Whoever only reads an archive."""

    public: PublicKey

    def sign(self, message: bytes) -> SignatureHex:
        """Refuse to sign. Raises ArchiveError."""
        del message
        raise ArchiveError("an archive that is only read is not signed")


@dataclass(frozen=True, slots=True)
class KeptRange:
    """The offsets of one partition of events that an archive holds.

    Attributes:
        first: the first of them.
        last: the last.
        records: how many records there are between them.
        digest: SHA-256 of the last record.
    """

    topic: str
    partition: int
    first: int
    last: int
    records: int
    digest: Digest


Ends = Mapping[tuple[str, int], int]
"""By topic and partition, the offset behind the last one."""


@dataclass(frozen=True, slots=True)
class Point:
    """Up to where an archive holds a log, and how it was come to.

    Attributes:
        auditor: whose verdict it is.
        number: 1 for the first audit of the archive, 2 for the next.
        before: SHA-256 of the signed verdict before; None for the first.
        made_at: when the audit began.
        now: what it took for the present.
        verdict: its answer.
        bounds: what it held the operator to, by name, in seconds.
        tool: the program and its version.
        catalogue: the version of the checks.
        records: how many records there are in all.
        bundle: the name of the last bundle; None where the log was no bundle.
        bus: kind and cluster of the bus, and how many partitions each exported topic has; None: unknown.
        ranges: the offsets of events that it holds.
        ends: of each partition, heartbeats too, where the bus ended: what is new begins there.
        state: SHA-256 of each part of the archive, by name.
    """

    auditor: PublicKey
    number: int
    before: Digest | None
    made_at: Timestamp
    now: Timestamp
    verdict: str
    bounds: Mapping[str, int]
    tool: str
    catalogue: str
    records: int
    bundle: Digest | None
    bus: Mapping[str, Any] | None
    ranges: tuple[KeptRange, ...]
    ends: Ends
    state: Mapping[str, str] = field(default_factory=dict)

    def sign(self, key: Signer) -> bytes:
        """Encode and sign it."""
        members = {name: getattr(self, name) for name in self.__dataclass_fields__}
        ranges: list[Json] = [
            [each.topic, each.partition, each.first, each.last, each.records, each.digest]
            for each in self.ranges
        ]
        ends: list[Json] = [[topic, partition, end] for (topic, partition), end in sorted(self.ends.items())]
        document = {**members, "format": FORMAT, "ranges": ranges, "ends": ends}
        signature = key.sign(CONTEXT + encode_json(document))
        return encode_json({**document, "signature": signature})


@dataclass(frozen=True, slots=True)
class SignedPoint:
    """A point whose signature was verified, and the digest of the signed bytes."""

    point: Point
    digest: Digest


def parse_point(raw: bytes, where: str, auditor: PublicKey | None) -> SignedPoint:
    """Parse a signed point, and verify the signature.

    Args:
        raw: the signed bytes.
        where: the file, for messages.
        auditor: whose it must be; None: whoever it names, which says only that it is whole.

    Raises:
        ArchiveForeignError: it is signed by another auditor.
        ArchiveError: it is none, or was changed.
    """
    try:
        document: Any = parse_json(raw, max_bytes=MAX_VERDICT_BYTES)
        if document["format"] != FORMAT:
            raise ArchiveError(f"{where}: not of the format {FORMAT}")
        signature = SignatureHex(document.pop("signature"))
        named = PublicKey(document["auditor"])
        verify_signature(named, CONTEXT + encode_json(document), signature)
        del document["format"]
        point = _take(document)
    except SignatureError as error:
        raise ArchiveError(f"{where}: the signed verdict was changed") from error
    except (ProtocolError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArchiveError(f"{where}: no verdict of {FORMAT}: {error}") from error
    if auditor is not None and auditor != named:
        raise ArchiveForeignError(f"{where}: its verdict is signed by {named}, not by {auditor}")
    return SignedPoint(point, compute_digest(raw))


def _take(document: Any) -> Point:
    ranges = tuple(
        KeptRange(str(topic), int(partition), int(first), int(last), int(records), Digest(digest))
        for topic, partition, first, last, records, digest in document.pop("ranges")
    )
    ends = {(str(topic), int(partition)): int(end) for topic, partition, end in document.pop("ends")}
    before, bundle = document.pop("before"), document.pop("bundle")
    return Point(
        ranges=ranges,
        ends=ends,
        before=None if before is None else Digest(before),
        bundle=None if bundle is None else Digest(bundle),
        auditor=PublicKey(document.pop("auditor")),
        made_at=Timestamp(document.pop("made_at")),
        now=Timestamp(document.pop("now")),
        **document,
    )


def is_archive(path: AnyPath) -> bool:
    """Whether a file is an archive, by how it begins."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def read_point(path: AnyPath) -> SignedPoint:
    """Read up to where an archive holds a log, from it or from the verdict beside it; no key is needed.

    Raises:
        ArchiveError: there is no such file, or it is none.
    """
    path = Path(path)
    try:
        raw = _read_signed(path) if is_archive(path) else path.read_bytes()[: MAX_VERDICT_BYTES + 1]
    except (OSError, sqlite3.Error) as error:
        raise ArchiveError(f"{path}: {error}") from error
    return parse_point(raw, str(path), None)


def _read_signed(path: Path) -> bytes:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        row = database.execute("SELECT data FROM state WHERE name = 'verdict'").fetchone()
    return bytes(row[0]) if row else b""


def describe_bus(bus: BusState | None) -> dict[str, Json] | None:
    """What of a bus must be the same at the next audit."""
    if bus is None:
        return None
    counts: dict[str, Json] = {
        name: len(topic.partitions) for name, topic in sorted(bus.topics.items()) if topic.exported
    }
    return {"kind": bus.kind, "cluster": bus.cluster, "partitions": counts}


def describe_bounds(bounds: Bounds) -> dict[str, int]:
    """The bounds of an audit, in seconds."""
    found = {name: getattr(bounds, name) for name in bounds.__dataclass_fields__}
    return {
        name: int(each.total_seconds()) for name, each in sorted(found.items()) if isinstance(each, timedelta)
    }
