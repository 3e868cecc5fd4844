"""What services have stored beside the log, as their operator lists it. Spec: audit-bundle.md §7.

*Wire format.* JSON, one value a line, as ``python -m solekey_<service> list-stored`` writes it: a head
``{"kind": "list", "format", "service", "made_at"}``, a row for each event, wrap, object and blob, and an end
``{"kind": "end", "rows"}``. Several lists may stand behind each other.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from solekey.audit.sources.errors import LogError
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId, Digest, Timestamp
from solekey_protocol.services import Stream

FORMAT: Final = "solekey-stored/v1"
MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""A change list of 8 MiB in base64."""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row of a list.

    Attributes:
        kind: ``event``, ``wrap``, ``object`` or ``blob``.
        account: whose it is; None for a blob, which no row names.
        digest: what it is called by; of a blob, its name.
        found: SHA-256 of the bytes that are stored; None where there are none.
        size: how many bytes are stored.
        claimed: whether the service counts it as named by an event.
        stored_at: when it was last sent.
        dropped: whether it waits for its deletion.
        content: its bytes, where it is a change list, a page list or a page.
        stream, seq: the place of an event.
    """

    kind: str
    account: AccountId | None
    digest: str
    found: str | None = None
    size: int = 0
    claimed: bool = False
    stored_at: Timestamp | None = None
    dropped: bool = False
    content: bytes | None = None
    stream: Stream | None = None
    seq: int = 0


@dataclass(frozen=True, slots=True)
class StoredList:
    """A list of what is stored, read as a stream."""

    lines: Callable[[], Iterator[bytes]]

    def services(self) -> dict[str, Timestamp]:
        """The services whose lists these are, and when each was made. Raises LogError."""
        reader = _Reader()
        for _ in self._read(reader):
            pass
        return reader.services

    def rows(self) -> Iterator[StoredRow]:
        """Yield the rows. Raises LogError for a list that is none, or that is cut off."""
        return self._read(_Reader())

    def _read(self, reader: "_Reader") -> Iterator[StoredRow]:
        for number, line in enumerate(self.lines(), start=1):
            try:
                row = reader.take(json.loads(line))
            except (MalformedError, ValueError, TypeError, KeyError, RecursionError) as error:
                raise LogError(f"the list of what is stored, line {number}: {error}") from error
            if row is not None:
                yield row
        if reader.rows is not None:
            raise LogError("the list of what is stored is cut off")


class _Reader:
    """Follows where lists begin and end."""

    def __init__(self) -> None:
        self.rows: int | None = None
        self.services: dict[str, Timestamp] = {}

    def take(self, document: Any) -> StoredRow | None:
        """Take one line; return the row that it is. Raises ValueError, TypeError or KeyError."""
        kind = document["kind"]
        if kind == "list" and (self.rows is not None or document["format"] != FORMAT):
            raise ValueError("it begins inside another, or has another format")
        if kind == "list":
            self.rows = 0
            self.services[str(document["service"])] = Timestamp(document["made_at"])
            return None
        if self.rows is None:
            raise ValueError("a row outside of a list")
        if kind == "end":
            if document["rows"] != self.rows:
                raise ValueError("rows are missing")
            self.rows = None
            return None
        self.rows += 1
        return _parse_row(kind, document)


def read_stored_lines(path: Path) -> list[bytes]:
    """Read a list that a service has written, and verify that it is one. Raises LogError."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise LogError(f"{path}: {error.strerror}") from error
    for _ in StoredList(lambda: iter(lines)).rows():
        pass
    return lines


def _parse_row(kind: str, document: Any) -> StoredRow:
    if kind == "event":
        account, digest = AccountId(document["account"]), Digest(document["digest"])
        return StoredRow(kind, account, digest, stream=Stream(document["stream"]), seq=int(document["seq"]))
    if kind == "blob":
        return StoredRow(kind, None, str(document["name"])[:256], size=int(document["size"]))
    if kind not in {"wrap", "object"}:
        raise ValueError(f"unknown kind {kind!r}")
    found, content = document["found"], document.get("content")
    return StoredRow(
        kind,
        AccountId(document["account"]),
        Digest(document["digest"]),
        None if found is None else Digest(found),
        int(document["size"]),
        document["claimed"] is True,
        Timestamp(document["stored_at"]),
        document["dropped"] is True,
        None if content is None else b64decode(content, validate=True),
    )
