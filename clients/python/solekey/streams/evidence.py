"""Evidence against a server: what this device has seen and what it is shown, kept in the profile, and named.

``fork-evidence.json``: two records of one place. ``rollback-evidence.json``: what was seen and is not shown
any more. Spec: hostile-server.md.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn

from solekey.errors import DiskFullError, HistoryForkError, RollbackError
from solekey.files.private_folder import PrivateFolder
from solekey.streams.restored import Restored, describe
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream
from solekey_protocol.events.fields import encode_body
from solekey_protocol.ids import AccountId
from solekey_protocol.statements import Head

EVIDENCE_FILE: Final = "fork-evidence.json"
ROLLBACK_FILE: Final = "rollback-evidence.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Writes evidence into a profile.

    Attributes:
        folder: the profile's.
        account: whose streams.
        now: the clock that says when something was noticed.
        find_declared: asks a stream's service which restorations from a backup it declares.
    """

    folder: PrivateFolder
    account: AccountId
    now: Callable[[], datetime]
    find_declared: Callable[[Stream], Sequence[Restored]] = lambda _: ()

    def raise_fork(self, stream: Stream, seq: int, ours: bytes, theirs: bytes) -> NoReturn:
        """Keep two records of one place, and raise HistoryForkError."""
        declared = self.write_fork(stream, seq, ours, theirs)
        raise HistoryForkError(f"{stream} seq {seq}: the server shows another record than before{declared}")

    def write_fork(self, stream: Stream, seq: int, ours: bytes, theirs: bytes) -> str:
        """Keep two records of one place; return what the server declares that would explain it."""
        declared = self.find_declared(stream)
        document: dict[str, Json] = {
            "account": self.account,
            "stream": stream.value,
            "seq": seq,
            "ours": ours.decode(),
            "theirs": theirs.decode(),
            "declared": _encode(declared),
        }
        _log.error("%s %d: the server shows two records", stream, seq)
        self._write(EVIDENCE_FILE, document)
        return describe(declared, _find_time(ours))

    def raise_rollback(self, stream: Stream, what: str, pinned: Head, last_record: bytes) -> NoReturn:
        """Keep what this device has seen of a stream, in the server's own words, and raise RollbackError."""
        declared = self.find_declared(stream)
        document: dict[str, Json] = {
            "account": self.account,
            "stream": stream.value,
            "what": what,
            "pinned": encode_body(pinned),
            "last_record": last_record.decode(),
            "noticed_at": self.now().isoformat(),
            "declared": _encode(declared),
        }
        _log.error("%s: the server goes back", stream)
        self._write(ROLLBACK_FILE, document)
        raise RollbackError(f"{stream}: {what}{describe(declared, _find_time(last_record))}")

    def _write(self, name: str, document: Mapping[str, Json]) -> None:
        """Write evidence; on a full disk the server is refused all the same."""
        try:
            self.folder.write(name, encode_json(document))
            _log.error("evidence is in %s of the profile", name)
        except DiskFullError as error:
            _log.error("evidence cannot be kept, make room and try again: %s", error)


def _encode(declared: Sequence[Restored]) -> Json:
    return [{"as_of": as_of, "at": at} for as_of, at in declared]


def _find_time(record: bytes) -> datetime | None:
    """Find when a record was written; None for what is no record, such as a digest that was pinned."""
    try:
        return parse_event(record).time.datetime
    except ProtocolError:
        return None
