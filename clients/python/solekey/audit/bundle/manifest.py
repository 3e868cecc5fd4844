"""What a bundle holds: ``manifest.json``, whose SHA-256 is the bundle's name, and its signature.

Spec: audit-bundle.md §3.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from solekey.audit.bundle.errors import BundleError, BundleTrailingError, BundleTruncatedError
from solekey.audit.bundle.layout import (
    BUS,
    FORMAT,
    MAX_BUS_BYTES,
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    MAX_PART_BYTES,
    MAX_STORED_BYTES,
    SIGNING_CONTEXT,
    STORED,
    is_path,
    parse_part_name,
)
from solekey.audit.sources.errors import LogConvertedError
from solekey.audit.sources.log import Extent
from solekey.files.text import find_mark
from solekey_protocol.encoding import Json, encode_json, parse_json
from solekey_protocol.errors import ProtocolError, SignatureError
from solekey_protocol.ids import Digest, PublicKey, SignatureHex, Timestamp
from solekey_protocol.statements import verify_signature

_MEMBERS: Final = {"files", "format", "made_at", "prev", "ranges", "tool"}


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a bundle.

    Attributes:
        bytes: its size.
        sha256: of its bytes.
        content_bytes: what it holds uncompressed.
        records: how many records, or stored objects, it holds.
    """

    bytes: int
    sha256: Digest
    content_bytes: int
    records: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle holds, and how it was made.

    Attributes:
        made_at: when, by the exporter's clock.
        tool: with which program.
        prev: the name of the bundle that this one continues.
        ranges: the offsets of each partition that were to be exported.
        files: every file but the manifest and its signature.
    """

    made_at: Timestamp
    tool: str
    prev: Digest | None
    ranges: Mapping[tuple[str, int], Extent]
    files: Mapping[str, FileEntry]

    def encode(self) -> bytes:
        """Encode it. *Wire format*: canonical JSON."""
        ranges: list[Json] = [
            {"topic": topic, "partition": partition, "from": extent.start, "to": extent.end}
            for (topic, partition), extent in sorted(self.ranges.items())
        ]
        files: dict[str, Json] = {path: asdict(entry) for path, entry in sorted(self.files.items())}
        return encode_json(
            {
                "format": FORMAT,
                "made_at": self.made_at,
                "tool": self.tool,
                "prev": self.prev,
                "ranges": ranges,
                "files": files,
            }
        )

    @classmethod
    def parse(cls, raw: bytes) -> "Manifest":
        """Parse what another has made.

        Raises:
            LogConvertedError: an editor has saved it.
            BundleTruncatedError, BundleTrailingError: it ends too early, or goes on behind its end.
            BundleError: it is no manifest of this format, or breaks its limits.
        """
        try:
            document: Any = parse_json(raw, max_bytes=MAX_MANIFEST_BYTES)
        except ProtocolError as error:
            raise _explain(raw, error) from error
        try:
            return cls._take(document)
        except (ProtocolError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BundleError(f"manifest.json: no manifest of {FORMAT}: {error}") from error

    @classmethod
    def _take(cls, document: Any) -> "Manifest":
        if document.keys() != _MEMBERS or document["format"] != FORMAT:
            raise ValueError("another format")
        if len(document["files"]) > MAX_FILES:
            raise ValueError("too many files")
        ranges = {}
        for each in document["ranges"]:
            extent = Extent(_count(each["from"]), _count(each["to"]))
            ranges[str(each["topic"]), _count(each["partition"])] = extent
        return cls(
            Timestamp(document["made_at"]),
            str(document["tool"])[:128],
            None if document["prev"] is None else Digest(document["prev"]),
            ranges,
            {path: _take_file(path, entry) for path, entry in document["files"].items()},
        )


def _take_file(path: str, entry: Any) -> FileEntry:
    if not is_path(path):
        raise ValueError(f"no file of a bundle is called {path[:80]!r}")
    taken = FileEntry(
        _count(entry["bytes"]),
        Digest(entry["sha256"]),
        _count(entry["content_bytes"]),
        _count(entry["records"]),
    )
    limit = MAX_PART_BYTES if parse_part_name(path) else MAX_STORED_BYTES if path == STORED else MAX_BUS_BYTES
    if taken.content_bytes > limit or (path == BUS and taken.bytes > MAX_BUS_BYTES):
        raise ValueError(f"{path} is too large")
    return taken


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("expected a number")
    return value


def _explain(raw: bytes, error: ProtocolError) -> Exception:
    """Tell a manifest that was converted, cut or extended from one that is none."""
    if find_mark(raw) or (raw[:1] == b"{" and b"\r" in raw):
        return LogConvertedError("manifest.json was converted; that is no sign of tampering")
    try:
        _, end = json.JSONDecoder().raw_decode(raw.decode())
    except (ValueError, RecursionError):
        if raw.startswith(b'{"files":') and not raw.endswith(b"}"):
            return BundleTruncatedError("manifest.json is cut off")
        return BundleError(f"manifest.json: {error}")
    rest = raw.decode()[end:]
    if not rest or rest.isspace():
        return LogConvertedError("manifest.json was saved in another form; that is no sign of tampering")
    return BundleTrailingError(f"manifest.json: {len(rest)} characters behind its end")


def encode_signature(key: PublicKey, signature: SignatureHex) -> bytes:
    """Encode the signature of a manifest. *Wire format*: canonical JSON ``{"key", "signature"}``."""
    return encode_json({"key": key, "signature": signature})


def verify_manifest(raw: bytes, signed: bytes | None, key: PublicKey) -> str | None:
    """Verify that an exporter has signed a manifest; return what is wrong, or None."""
    if signed is None:
        return "the bundle has no signature"
    try:
        document: Any = parse_json(signed, max_bytes=1024)
        verify_signature(key, SIGNING_CONTEXT + raw, SignatureHex(document["signature"]))
    except SignatureError:
        return "the signature is not the exporter's, or the manifest was changed"
    except (ProtocolError, TypeError, KeyError) as error:
        return f"manifest.sig is no signature: {error}"
    return None
