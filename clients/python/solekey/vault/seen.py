"""Which version of each item this profile last read or wrote: what its next edit is based on.

It outlives the process, so that an edit that was made elsewhere meanwhile is never overwritten unseen. Kept
in a sealed journal of the profile, ``seen.journal``; where that is lost or does not open, nothing counts as
read. Spec: vault.md §5.1, keys.md §5.4.
"""

import logging
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from solekey.crypto import Confidential, DataKey, RandomSource
from solekey.crypto.sealed_journal import JournalContext, JournalHeader
from solekey.errors import DiskFullError, EpochKeyMissingError, OpenError, TamperedWrapError, TransportError
from solekey.files.private_folder import PrivateFolder
from solekey.streams.streams import Streams
from solekey.vault.keyring import Keyring
from solekey_protocol.ids import AccountId, ItemId

JOURNAL: Final = "seen.journal"
_ROW: Final = struct.Struct(">16sII")
"""Item, revision, item version of its ciphertext."""
_SPARE_ROWS: Final = 4096
"""After each so many rows it is looked at: with that many more than items it is written anew."""
_LOOKED_UP: Final = 32
"""So many items are looked up in the rows as they are stored; for more, all are taken apart."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """A version that was read or written.

    Attributes:
        revision: which edit of the item it is.
        version: the item version that its ciphertext had.
    """

    revision: int
    version: int


@dataclass(frozen=True, slots=True, repr=False)
class StoredRows(Confidential):
    """Rows as they are stored: of an item the last one counts. One item is found without parsing the others.

    *Wire format* of a row: item (16) ‖ revision (4) ‖ item version (4).
    """

    packed: bytes = b""

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.packed) // _ROW.size

    def find(self, item: bytes) -> Seen | None:
        """Find the last row of an item."""
        end = len(self.packed)
        while (at := self.packed.rfind(item, 0, end)) >= 0:
            if at % _ROW.size == 0:
                _, revision, version = _ROW.unpack_from(self.packed, at)
                return Seen(revision, version)
            end = at + len(item) - 1  # it only looks like the id: it lies across two fields
        return None

    def read_all(self) -> dict[bytes, Seen]:
        """Read all rows."""
        return {item: Seen(revision, version) for item, revision, version in _ROW.iter_unpack(self.packed)}


class SeenVersions:
    """What one profile has seen, while its account is unlocked."""

    def __init__(
        self,
        account: AccountId,
        folder: PrivateFolder,
        keyring: Keyring,
        streams: Streams,
        random: RandomSource,
    ) -> None:
        self._context = JournalContext(account, "seen")
        self._folder = folder
        self._keyring = keyring
        self._streams = streams
        self._random = random
        self._seen: dict[bytes, Seen] = {}
        self._stored = StoredRows()
        self._header: JournalHeader | None = None
        self._rows = self._looked_up = 0
        self._loaded = False

    def find(self, item: ItemId) -> Seen | None:
        """Find the version of an item that was seen last."""
        self._load()
        return self._find_all([item.raw])[0]

    def note(self, versions: Mapping[ItemId, Seen]) -> None:
        """Note what was read or written, for this process and those after it.

        On a full disk it is noted for this process alone: what was read is given out nevertheless.
        """
        try:
            self._load()
        except TransportError as error:  # offline, and sealed under a key that only the server has wrapped
            _log.warning("what was read is not noted for later: %s", error)
            return
        known = self._find_all([item.raw for item in versions])
        new = {
            item.raw: seen
            for (item, seen), before in zip(versions.items(), known, strict=True)
            if before != seen
        }
        if not new:
            return
        self._seen |= new
        try:
            with self._folder.lock(JOURNAL):
                self._append(new)
        except (DiskFullError, OSError) as error:
            _log.warning("what was read is not noted for later: %s", error)

    def _append(self, new: Mapping[bytes, Seen]) -> None:
        epoch = self._streams.vault.epoch
        header = self._header
        stored = self._folder.read_beginning(JOURNAL, len(header.raw)) if header else None
        if header is None or stored != header.raw or header.epoch != epoch or self._is_long(len(new)):
            self._write_anew(self._keyring.data_key(epoch))
            return
        record = self._seal(header, new.items(), self._keyring.data_key(epoch))
        # Not durable: after a power cut a row may be lost, and one check is weaker.
        self._folder.append(JOURNAL, record, durable=False)
        self._rows += len(new)

    def _is_long(self, added: int) -> bool:
        if self._rows // _SPARE_ROWS == (self._rows + added) // _SPARE_ROWS:
            return False  # how many items there are is counted now and then
        self._take_apart()
        return self._rows > len(self._seen) + _SPARE_ROWS

    def _write_anew(self, data_key: DataKey) -> None:
        """Write all rows under the newest epoch; another process of this profile may have noted more."""
        stored = self._folder.read(JOURNAL)
        if stored is not None:
            self._stored, _ = self._open(stored)
        self._take_apart()
        header = JournalHeader.make(data_key, self._context, self._random)
        record = self._seal(header, self._seen.items(), data_key)
        self._folder.write(JOURNAL, header.raw + record)
        self._header, self._rows = header, len(self._seen)

    def _seal(self, header: JournalHeader, rows: Iterable[tuple[bytes, Seen]], data_key: DataKey) -> bytes:
        packed = b"".join(_ROW.pack(item, seen.revision, seen.version) for item, seen in rows)
        return header.seal(packed, data_key=data_key, context=self._context, random=self._random)

    def _load(self) -> None:
        if self._loaded:
            return
        stored = self._folder.read(JOURNAL)
        if stored is not None:
            self._stored, whole = self._open(stored)
            self._rows = self._stored.count
            self._header = JournalHeader.parse(stored) if whole else None
        self._loaded = True

    def _find_all(self, items: Sequence[bytes]) -> list[Seen | None]:
        self._looked_up += len(items)
        if self._looked_up > _LOOKED_UP:
            self._take_apart()
        return [self._seen.get(item) or self._stored.find(item) for item in items]

    def _take_apart(self) -> None:
        """Take the stored rows apart, under what was noted since."""
        if self._stored.packed:
            self._seen, self._stored = {**self._stored.read_all(), **self._seen}, StoredRows()

    def _open(self, stored: bytes) -> tuple[StoredRows, bool]:
        """Open as much as opens, and tell whether that is all of it."""
        rows = bytearray()
        with suppress(OpenError, EpochKeyMissingError, TamperedWrapError):
            header = JournalHeader.parse(stored)
            data_key = self._keyring.any_data_key(header.epoch)
            for record in header.iter_records(stored, data_key=data_key, context=self._context):
                if len(record) % _ROW.size:
                    break
                rows += record
            else:
                return StoredRows(bytes(rows)), True
        _log.warning("%s does not open wholly: what it noted counts as not read", JOURNAL)
        return StoredRows(bytes(rows)), False
