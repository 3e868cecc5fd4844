"""Evidence against a server: what this device has seen and what it is shown, kept in the profile, and named.

``fork-evidence.json``: two records of one place. ``rollback-evidence.json``: what was seen and is not shown
any more. Spec: hostile-server.md.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn

from solekey.errors import DiskFullError, HistoryForkError, RollbackError
from solekey.files.private_folder import PrivateFolder
from solekey_protocol.encoding import Json, encode_json
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
    """

    folder: PrivateFolder
    account: AccountId
    now: Callable[[], datetime]

    def raise_fork(self, stream: Stream, seq: int, ours: bytes, theirs: bytes) -> NoReturn:
        """Keep two records of one place, and raise HistoryForkError."""
        self.write_fork(stream, seq, ours, theirs)
        raise HistoryForkError(f"{stream} seq {seq}: the server shows another record than before")

    def write_fork(self, stream: Stream, seq: int, ours: bytes, theirs: bytes) -> None:
        """Keep two records of one place."""
        document: dict[str, Json] = {
            "account": self.account,
            "stream": stream.value,
            "seq": seq,
            "ours": ours.decode(),
            "theirs": theirs.decode(),
        }
        _log.error("%s %d: the server shows two records", stream, seq)
        self._write(EVIDENCE_FILE, document)

    def raise_rollback(self, stream: Stream, what: str, pinned: Head, last_record: bytes) -> NoReturn:
        """Keep what this device has seen of a stream, in the server's own words, and raise RollbackError."""
        document: dict[str, Json] = {
            "account": self.account,
            "stream": stream.value,
            "what": what,
            "pinned": encode_body(pinned),
            "last_record": last_record.decode(),
            "noticed_at": self.now().isoformat(),
        }
        _log.error("%s: the server goes back", stream)
        self._write(ROLLBACK_FILE, document)
        raise RollbackError(f"{stream}: {what}")

    def _write(self, name: str, document: Mapping[str, Json]) -> None:
        """Write evidence; on a full disk the server is refused all the same."""
        try:
            self.folder.write(name, encode_json(document))
            _log.error("evidence is in %s of the profile", name)
        except DiskFullError as error:
            _log.error("evidence cannot be kept, make room and try again: %s", error)
