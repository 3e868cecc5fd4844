"""One account's part of an archive: its records, and what came of them at the last audit."""

import hashlib
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from solekey.audit.archive.chunks import decode_chunk
from solekey.audit.archive.errors import ArchiveError
from solekey.audit.sources.log import Record
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Timestamp
from solekey_protocol.statements import Head

AccountHeads = Mapping[AccountId, Mapping[Stream, Head]]


@dataclass(frozen=True, slots=True)
class SubjectResult:
    """What came of one account, for an archive.

    Attributes:
        subject: the account, as its records claim it: exact bytes.
        chunk: its records that are new (``chunks``); None where nothing is.
        heads: where the streams end that verify; accounts with findings are left out.
        last: the latest time of its events; None without events.
        result: what came of it (``results``); None where it is gone through again at every audit.
    """

    subject: bytes
    chunk: bytes | None
    heads: AccountHeads
    last: Timestamp | None
    result: bytes | None


@dataclass(frozen=True, slots=True)
class KeptSubjects:
    """The records of some accounts in an archive. Pickles: processes open the file by its path.

    Attributes:
        path: the archive.
        digests: by account, what its records must amount to (``extend_digest``).
    """

    path: Path = Path()
    digests: Mapping[bytes, str] = field(default_factory=dict)

    def records(self, subject: bytes) -> list[tuple[int, Record]]:
        """Give the records of an account, each with its number. Raises ArchiveError."""
        expected = self.digests.get(subject)
        if expected is None:
            return []
        try:
            with closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)) as database:
                query = "SELECT data FROM chunks WHERE subject = ? ORDER BY number"
                chunks = [bytes(row[0]) for row in database.execute(query, (subject,))]
            if digest_chunks(chunks) != expected:
                raise ArchiveError(f"{self.path}: records of {subject!r} are missing or changed")
            return [record for chunk in chunks for record in decode_chunk(chunk)]
        except (sqlite3.Error, zlib.error, struct.error, UnicodeError) as error:
            raise ArchiveError(f"{self.path}: records of {subject!r} cannot be read: {error}") from error


def digest_chunks(chunks: Iterable[bytes]) -> str:
    """Compute what an account's records amount to."""
    digest = ""
    for chunk in chunks:
        digest = extend_digest(digest, chunk)
    return digest


def extend_digest(digest: str, chunk: bytes) -> str:
    """Compute what an account's records amount to with one chunk more: SHA-256 over both."""
    return hashlib.sha256(bytes.fromhex(digest) + chunk).hexdigest()
