"""The file in which an auditor keeps what was verified: SQLite, changed in one transaction an audit.

Only its auditor writes to it. Whatever is read of it is compared with what the auditor has signed before it
counts: an archive that was cut, changed or put together from two is named (``ArchiveError``).
"""

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from solekey.audit.archive.errors import ArchiveError
from solekey.audit.archive.subjects import AccountHeads, SubjectResult, extend_digest
from solekey.audit.archive.verdict import Point, SignedPoint, Signer, parse_point
from solekey.files.any_path import AnyPath
from solekey.files.whole_file import write_whole
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.errors import ProtocolError
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Digest, PublicKey, Timestamp
from solekey_protocol.statements import Head

SYNCHRONOUS = "FULL"
"""How SQLite waits for the disk: a verdict that was signed is there after a power failure."""
VERDICT_SUFFIX: Final = ".verdict.json"
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, data BLOB)",
    (
        "CREATE TABLE IF NOT EXISTS subjects (subject BLOB PRIMARY KEY, digest TEXT, last TEXT, pin TEXT, "
        "heads TEXT, result BLOB)"
    ),
    "CREATE TABLE IF NOT EXISTS chunks (subject BLOB, number INTEGER, data BLOB)",
    "CREATE UNIQUE INDEX IF NOT EXISTS by_subject ON chunks (subject, number)",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What an archive holds of one account beside its records.

    Attributes:
        subject: the account, as its records claim it: exact bytes.
        digest: what its records amount to (``extend_digest``).
        last: the latest time of its events; None without events.
        pin: a digest of what its user had pinned when it was gone through.
        heads: where its streams end that verify.
        result: what came of it; None where it is gone through at every audit.
    """

    subject: bytes
    digest: str
    last: Timestamp | None
    pin: str
    heads: AccountHeads
    result: bytes | None


class Archive:
    """An archive that is gone on from, or begun. A context manager: nothing of it changes but by ``sign``.

    Args:
        path: the file; it is made where it is missing.
        key: the auditor's.

    Raises:
        ArchiveError: it is none, it is not whole, or another audit uses it.
        ArchiveForeignError: it is another auditor's.
    """

    def __init__(self, path: AnyPath, key: Signer) -> None:
        self.path = Path(path)
        self._key = key
        self.before: SignedPoint | None = None
        """What was signed at the last audit; None where the archive begins."""
        try:
            self._is_new = not self.path.exists()
            self.path.touch(mode=0o600)
            self._database = sqlite3.connect(self.path, timeout=0, isolation_level=None)
            self._database.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
            self._database.execute("PRAGMA journal_mode = WAL")  # processes read it meanwhile
            self._database.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                self._database.execute(statement)
        except (OSError, sqlite3.Error) as error:
            raise ArchiveError(f"{self.path}: {error}") from error
        try:
            self.before = self._read_before()
        except BaseException:
            self.close()
            raise

    @property
    def auditor(self) -> PublicKey:
        """Whose it is."""
        return self._key.public

    def _read_before(self) -> SignedPoint | None:
        raw = self._read("verdict")
        if raw is None:
            if any(self.subjects()):
                raise ArchiveError(f"{self.path}: it has records, and no verdict")
            return None
        signed = parse_point(raw, str(self.path), self._key.public)
        for name, digest in signed.point.state.items():
            if (self._digest_subjects() if name == "subjects" else self._digest(name)) != digest:
                raise ArchiveError(f"{self.path}: {name}: not what the verdict has signed")
        return signed

    def read_document(self, name: str) -> Any:
        """Read a part of the state. Raises ArchiveError."""
        try:
            return msgspec.json.decode(zlib.decompress(self._read(name) or b""))
        except (zlib.error, msgspec.DecodeError) as error:
            raise ArchiveError(f"{self.path}: {name}: {error}") from error

    def subjects(self) -> Iterator[Subject]:
        """Yield every account. Raises ArchiveError."""
        query = "SELECT subject, digest, last, pin, heads, result FROM subjects ORDER BY subject"
        try:
            for subject, digest, last, pin, heads, result in self._database.execute(query):
                yield Subject(
                    bytes(subject),
                    digest,
                    None if last is None else Timestamp(last),
                    pin,
                    _take_heads(heads),
                    result,
                )
        except (sqlite3.Error, msgspec.DecodeError, ProtocolError, ValueError) as error:
            raise ArchiveError(f"{self.path}: {error}") from error

    def find(self, subject: bytes) -> Subject | None:
        """Find one account."""
        query = "SELECT digest, last, pin, heads, result FROM subjects WHERE subject = ?"
        row = self._database.execute(query, (subject,)).fetchone()
        if row is None:
            return None
        digest, last, pin, heads, result = row
        last = None if last is None else Timestamp(last)
        return Subject(subject, digest, last, pin, _take_heads(heads), result)

    def put(self, found: SubjectResult, pin: str) -> None:
        """Put what came of an account in the place of what was there; its new records are added."""
        before = self.find(found.subject)
        digest, heads = (before.digest, before.heads) if before else ("", {})
        if found.chunk is not None:
            digest = extend_digest(digest, found.chunk)
            number = self.before.point.number if self.before else 0
            self._database.execute(
                "INSERT INTO chunks VALUES (?, ?, ?)", (found.subject, number, found.chunk)
            )
        self._database.execute(
            "INSERT OR REPLACE INTO subjects VALUES (?, ?, ?, ?, ?, ?)",
            (found.subject, digest, found.last, pin, _list_heads({**heads, **found.heads}), found.result),
        )

    def sign(self, point: Point, parts: Iterable[tuple[str, Any]]) -> Digest:
        """Sign a verdict over all that is in the archive, and keep it; return the digest of the verdict.

        Args:
            point: the verdict, but for its state.
            parts: parts of the state: name, and a value for JSON.
        """
        for name, value in parts:
            self._write(name, zlib.compress(msgspec.json.encode(value, enc_hook=str), 1))
        names = ("bundles", "bus")
        state = {"subjects": self._digest_subjects(), **{name: self._digest(name) for name in names}}
        raw = replace(point, state=state).sign(self._key)
        self._write("verdict", raw)
        self._database.execute("COMMIT")
        self._is_new = False
        write_whole(self.path.with_name(self.path.name + VERDICT_SUFFIX), raw)
        return Digest(hashlib.sha256(raw).hexdigest())

    def close(self) -> None:
        """Close it; what was not signed is dropped."""
        with suppress(sqlite3.Error):
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._database.execute("PRAGMA journal_mode = DELETE")  # one file
        self._database.close()
        if self._is_new:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, name: str) -> bytes | None:
        try:
            row = self._database.execute("SELECT data FROM state WHERE name = ?", (name,)).fetchone()
        except sqlite3.Error as error:
            raise ArchiveError(f"{self.path}: {error}") from error
        return None if row is None else bytes(row[0])

    def _write(self, name: str, data: bytes) -> None:
        self._database.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, data))

    def _digest(self, name: str) -> str:
        return hashlib.sha256(self._read(name) or b"").hexdigest()

    def _digest_subjects(self) -> str:
        """SHA-256 over all accounts, each value behind its length."""
        found = hashlib.sha256()
        query = "SELECT subject, digest, last, pin, heads, result FROM subjects ORDER BY subject"
        try:
            for row in self._database.execute(query):
                for value in row:
                    raw = value.encode() if isinstance(value, str) else value or b""
                    found.update(len(raw).to_bytes(8, "big") + raw)
        except sqlite3.Error as error:
            raise ArchiveError(f"{self.path}: {error}") from error
        return found.hexdigest()


def _list_heads(heads: AccountHeads) -> str:
    listed: dict[str, Json] = {
        account: {stream.value: [head.seq, head.digest] for stream, head in own.items()}
        for account, own in heads.items()
    }
    return encode_json(listed).decode()


def _take_heads(text: str) -> AccountHeads:
    return {
        AccountId(account): {
            Stream(stream): Head(seq, Digest(digest)) for stream, (seq, digest) in own.items()
        }
        for account, own in msgspec.json.decode(text).items()
    }
