"""Wraps that this device keeps: with the user key they open the data keys while the server does not answer.

*File.* ``wraps.cbor`` in the profile: the wraps' bytes, as the server sent them. Which wrap is whose is said
by the signed statements alone (keys.md §5.3); one that none names is never opened. While the server answers,
its wraps are used, and never these. Spec: offline.md §3.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from solekey.connection.connection import Connection
from solekey.errors import DiskFullError, OfflineError
from solekey.files.private_folder import PrivateFolder
from solekey.offline.settings import OfflineSettings
from solekey.streams.streams import Streams
from solekey.vault.keyring import fetch_wraps
from solekey_protocol.encoding import encode_cbor, parse_cbor
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Digest, compute_digest
from solekey_protocol.limits import MIB

_FILE: Final = "wraps.cbor"
_log = logging.getLogger(__name__)
_MAX_FILE_BYTES: Final = 4 * MIB


class KeptWraps:
    """The wraps of one account on this device."""

    def __init__(
        self,
        connection: Connection,
        streams: Streams,
        *,
        on_forbidden: Callable[[], None] = lambda: None,
        find_queued: Callable[[], frozenset[int]] = frozenset,
    ) -> None:
        self._connection = connection
        self._streams = streams
        self._on_forbidden = on_forbidden
        self._find_queued = find_queued

    def fetch(self, retired: bool = False) -> Mapping[Digest, bytes]:
        """Fetch the wraps from the server, and keep those that count; without it, take the kept ones.

        Args:
            retired: the retired ones whose grace time is not over; they are not kept.

        Raises:
            OfflineError: there is no server, and no wrap of the newest data key is kept.
        """
        if self._connection.is_offline:
            return self._load_usable()
        found = fetch_wraps(self._connection, retired=retired, on_forbidden=self._on_forbidden)
        if not retired:
            self._keep(found)
        return found

    def load(self) -> dict[Digest, bytes]:
        """Load what is kept; a damaged file keeps nothing."""
        stored = self._folder.read(_FILE)
        try:
            rows = parse_cbor(stored, max_bytes=_MAX_FILE_BYTES) if stored is not None else []
        except MalformedError:
            return {}
        wraps = [row for row in rows if isinstance(row, bytes)] if isinstance(rows, list) else []
        return {compute_digest(wrap): wrap for wrap in wraps}

    def forget_outdated(self) -> None:
        """Erase what does not count any more: wraps that were retired, or are of a user key of before."""
        kept = self.load()
        if kept:
            wanted = self._find_live() | self._find_needed()
            self._write_fewer({digest: wrap for digest, wrap in kept.items() if digest in wanted}, kept)

    def erase(self) -> None:
        """Erase all but those that the queue needs: what waits there is not lost."""
        kept, wanted = self.load(), self._find_needed()
        self._write_fewer({digest: wrap for digest, wrap in kept.items() if digest in wanted}, kept)

    @property
    def _folder(self) -> PrivateFolder:
        return self._connection.profile.folder

    def _find_live(self) -> frozenset[Digest]:
        key_id = self._streams.devices.key_id
        if key_id is None:
            return frozenset()
        return frozenset(live.wrapped.wrap for live in self._streams.vault.live_wraps(key_id))

    def _find_needed(self) -> frozenset[Digest]:
        """Find the wraps, of whichever user key, that open what is queued."""
        epochs = self._find_queued()
        records = self._streams.vault.wraps.values() if epochs else ()
        return frozenset(record.wrapped.wrap for record in records if record.wrapped.epoch in epochs)

    def _load_usable(self) -> dict[Digest, bytes]:
        kept, vault = self.load(), self._streams.vault
        newest = [live.wrapped.wrap for live in vault.wraps.values() if live.wrapped.epoch == vault.epoch]
        if not any(wrap in kept for wrap in newest):
            raise OfflineError(
                "nothing that opens items without the server is kept here: it may not be, or this device was "
                "not unlocked with the server since its login or the last change of keys"
            )
        return kept

    def _keep(self, found: Mapping[Digest, bytes]) -> None:
        own = self._streams.devices.trusted.get(self._connection.profile.device_key.device_id)
        if own is None or not OfflineSettings.load(self._folder).allowed:
            return
        live, before = self._find_live(), self.load()
        wanted = live | self._find_needed()
        try:
            self._write({digest: w for digest, w in {**before, **found}.items() if digest in wanted}, before)
        except DiskFullError:
            self.erase()  # reading goes on, and what is outdated stays no longer

    def _write_fewer(self, wraps: Mapping[Digest, bytes], before: Mapping[Digest, bytes]) -> None:
        """Write what is left. On a full disk keep what the queue needs as it is, or else nothing at all."""
        try:
            self._write(wraps, before)
        except DiskFullError as error:
            if self._find_needed():
                _log.warning("outdated wraps are erased once there is room: %s", error)
            else:
                self._folder.delete(_FILE)

    def _write(self, wraps: Mapping[Digest, bytes], before: Mapping[Digest, bytes]) -> None:
        if wraps == before:
            return
        if wraps:
            self._folder.write(_FILE, encode_cbor([wraps[digest] for digest in sorted(wraps)]))
        else:
            self._folder.delete(_FILE)
