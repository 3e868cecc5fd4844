"""Which commits were signed for which queued changes: so that none is sent twice, whatever was interrupted.

*Wire format.* ``queue/sent``: a journal (keys.md §5.4, purpose ``queue``) of one record, deterministic CBOR:
``[[digest of the change list (32 bytes), seq of the vault's head, [[number, item (16 bytes), version], …]],
…]``. It is written before a commit is signed. Spec: offline.md §7.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from solekey.errors import EpochKeyMissingError, OpenError, TamperedWrapError
from solekey.offline.queue import FindKey, Queue
from solekey.offline.queue_entry import (
    MAX_NUMBER,
    MAX_VERSION,
    open_record,
    read_epoch,
    seal_record,
    verify_range,
)
from solekey.vault.unlocked import UnlockedAccount
from solekey_protocol.change_list import Change
from solekey_protocol.encoding import Cbor, encode_cbor, parse_cbor
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import ItemsCommitted
from solekey_protocol.ids import Digest, ItemId
from solekey_protocol.limits import MAX_SEQ, MIB

_FILE: Final = "queue/sent"
_DIGEST_BYTES: Final = 32
_log = logging.getLogger(__name__)

Place = tuple[ItemId, int]
"""An item, and one of its versions."""


class TakenError(Exception):
    """The commit of an earlier attempt is in the stream."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A commit that was about to be signed: its change list, the vault's head, which entry became what."""

    digest: Digest
    seq: int
    places: Mapping[int, Place]

    def encode(self) -> Cbor:
        """Encode it as a member of the record."""
        rows: list[Cbor] = [[number, item.raw, version] for number, (item, version) in self.places.items()]
        return [bytes.fromhex(self.digest), self.seq, rows]


def parse_attempts(record: bytes) -> list[Attempt]:
    """Parse a record. Raises MalformedError."""
    document = parse_cbor(record, max_bytes=MIB)
    if not isinstance(document, list):
        raise MalformedError("expected what was sent")
    return [_parse_attempt(row) for row in document]


def _parse_attempt(row: Cbor) -> Attempt:
    match row:
        case [bytes(digest), int(seq), [*rows]] if len(digest) == _DIGEST_BYTES:
            verify_range(seq, 0, MAX_SEQ)
            places = dict(map(_parse_row, rows))
            if len(places) != len(rows):
                raise MalformedError("an entry stands in an attempt twice")
            return Attempt(Digest(digest.hex()), seq, places)
        case _:
            raise MalformedError("expected an attempt")


def _parse_row(row: Cbor) -> tuple[int, Place]:
    match row:
        case [int(number), bytes(item), int(version)]:
            verify_range(number, 1, MAX_NUMBER)
            verify_range(version, 1, MAX_VERSION)
            return number, (ItemId.from_raw(item), version)
        case _:
            raise MalformedError("expected an entry and its place")


class Attempts:
    """The attempts of one queue that were not concluded."""

    def __init__(self, unlocked: UnlockedAccount, queue: Queue, find_key: FindKey) -> None:
        self._unlocked = unlocked
        self._queue = queue
        self._find_key = find_key

    def note(self, digest: Digest, changes: Mapping[int, Change]) -> None:
        """Note durably what is about to be signed, beside what was signed before and not answered.

        Raises:
            TakenError: one of those has arrived meanwhile, late.
        """
        before = self._read()
        if _find_taken(self._unlocked, before):
            raise TakenError
        places = {number: (change.item, change.version) for number, change in changes.items()}
        attempts = [*before, Attempt(digest, self._unlocked.streams.head(Stream.VAULT).seq, places)]
        newest = self._unlocked.keyring.data_key(self._unlocked.streams.vault.epoch)
        record = encode_cbor([attempt.encode() for attempt in attempts])
        self._queue.folder.write(_FILE, seal_record(record, self._queue.account, newest, self._queue.random))

    def find_taken(self) -> dict[int, Place]:
        """Find what became of the entries of an attempt whose commit is in the verified stream."""
        return _find_taken(self._unlocked, self._read())

    def forget(self) -> None:
        """Forget them: they are concluded."""
        self._queue.folder.delete(_FILE)

    def _read(self) -> list[Attempt]:
        """Read what was signed and not concluded; what is damaged says nothing."""
        sealed = self._queue.folder.read(_FILE)
        if sealed is None:
            return []
        try:
            data_key = self._find_key(read_epoch(sealed))
            return parse_attempts(open_record(sealed, self._queue.account, data_key))
        except (OpenError, MalformedError, EpochKeyMissingError, TamperedWrapError):
            _log.warning("what was sent of the queue before cannot be read")
            return []


def _find_taken(unlocked: UnlockedAccount, attempts: Sequence[Attempt]) -> dict[int, Place]:
    events = unlocked.streams.events(Stream.VAULT)
    by_digest = {attempt.digest: attempt for attempt in attempts}
    for at in range(min((attempt.seq for attempt in attempts), default=len(events)), len(events)):
        body = events[at].body
        if isinstance(body, ItemsCommitted) and body.changes in by_digest:
            return dict(by_digest[body.changes].places)
    return {}
