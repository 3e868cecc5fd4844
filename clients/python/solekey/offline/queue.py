"""Changes that wait for the server, in their order, as ciphertext in the profile.

::

    queue/<number>.entry               what is to be done, sealed (`queue_entry`); written last
    queue/<number>-<header>.sealed     the envelope of a put
    queue/<number>.older               empty: this device may have signed a commit since it was queued
    queue/<number>.before              a commit number: it was made before a restoration was accepted, which
                                       has kept the commits up to this one
    queue/sent                         which commits were signed for which entries (`push`)

A damaged entry is named and harms no other. Processes of one profile take turns (`lock`).
Spec: offline.md §6.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from solekey.crypto import (
    ContentSource,
    DataKey,
    EnvelopeReader,
    ItemMetadata,
    RandomSource,
    seal_bytes,
    seal_envelope,
)
from solekey.crypto.stream import ItemContext
from solekey.errors import EpochKeyMissingError, OpenError, ProfileError, SolekeyError, TamperedWrapError
from solekey.files.disk_room import verify_room
from solekey.files.private_folder import PrivateFolder
from solekey.files.whole_file import WholeFile, delete_abandoned
from solekey.offline.queue_entry import QueueEntry, open_record, read_epoch, seal_record
from solekey.transfer.drafts import Draft, Put, StreamContent
from solekey.transfer.sealed_sources import FileSource, open_envelope, read_pieces
from solekey.transfer.upload_spool import derive_fingerprint, write_parts
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId, DeviceId
from solekey_protocol.limits import MIB

FindKey = Callable[[int], DataKey]
"""Finds the data key of an epoch. Raises EpochKeyMissingError, TamperedWrapError."""

_FOLDER: Final = "queue"
_ENTRY: Final = re.compile(r"(\d{8})\.entry", re.ASCII)
_NUMBER_DIGITS: Final = 8
_OLDER: Final = ".older"
_BEFORE: Final = ".before"
_HEADER_CHARS: Final = 16
_COMMIT_DIGITS: Final = 16
_LOCK: Final = "queue"
SMALL_BYTES: Final = MIB
"""Up to this size the content of a put is in memory while it is sent."""


@dataclass(frozen=True, slots=True)
class DamagedEntry:
    """An entry that cannot be read, and why. It stays where it is."""

    number: int
    error: SolekeyError

    @property
    def is_locked(self) -> bool:
        """Whether it lacks its data key alone: another user key opens it."""
        return isinstance(self.error, EpochKeyMissingError)

    def describe(self) -> str:
        """Say which one it is, and what is wrong."""
        return f"queued change {self.number}: {self.error} [{self.error.code}]"


@dataclass(slots=True)
class _LastLook:
    """When the folder had been changed last, as it was looked at, and the last number that was there."""

    modified_ns: int = -1
    number: int = 0


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of one profile. Adding to it costs the same however much waits."""

    folder: PrivateFolder
    account: AccountId
    device: DeviceId
    random: RandomSource
    _last: _LastLook = field(default_factory=_LastLook, init=False, compare=False)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other process away. What a crash has left is deleted first."""
        self.folder.make()
        with self.folder.lock(_LOCK):
            if self._read_modified_ns() != self._last.modified_ns:  # not by this process alone
                self._delete_orphans()
                delete_abandoned(self.folder.path / _FOLDER)
                self._last.number = max(self._list_numbers(), default=0)
                self._last.modified_ns = self._read_modified_ns()
            yield

    def __len__(self) -> int:
        """How many changes wait."""
        return len(self._list_numbers())

    def find_epochs(self) -> frozenset[int]:
        """Find whose data keys the entries need, without any key."""
        epochs = set()
        for number in self._list_numbers():
            try:
                epochs.add(read_epoch(self._read(number)))
            except OpenError:
                continue
        return frozenset(epochs)

    def read_all(self, find_key: FindKey) -> tuple[list[QueueEntry], list[DamagedEntry]]:
        """Read the entries in their order, and those that cannot be read."""
        entries, damaged = list[QueueEntry](), list[DamagedEntry]()
        for each in self.iter_entries(find_key):
            if isinstance(each, QueueEntry):
                entries.append(each)
            else:
                damaged.append(each)
        return entries, damaged

    def iter_entries(self, find_key: FindKey) -> Iterator[QueueEntry | DamagedEntry]:
        """Read the entries one by one, in their order, as far as it is asked for."""
        for number in self._list_numbers():
            try:
                yield self._open_entry(number, find_key)
            except (OpenError, EpochKeyMissingError, TamperedWrapError) as error:
                yield DamagedEntry(number, error)
            except MalformedError as error:
                yield DamagedEntry(number, ProfileError(str(error)))

    def add(self, draft: Draft, data_key: DataKey, *, commit: int, now_ms: int) -> QueueEntry:
        """Add a change behind all others. Call it under the lock.

        Args:
            draft: the change.
            data_key: of the newest epoch.
            commit: the last commit that was followed.
            now_ms: the time.

        Raises:
            DiskFullError: there is no room; the queue is as it was.
        """
        number = self._last.number + 1
        while (self.folder.path / _FOLDER / f"{number:08}.entry").exists():
            number += 1  # another process was as quick as the clock of the folder
        entry = QueueEntry(number, self.device, draft.item, draft.base_version, commit, now_ms)
        try:
            if isinstance(draft, Put):
                entry = self._seal(entry, draft, data_key)
            self._write(entry, data_key)
        except BaseException:
            self._delete_orphans()
            raise
        self._last.number, self._last.modified_ns = number, self._read_modified_ns()
        return entry

    def move(
        self,
        entry: QueueEntry,
        moved: QueueEntry,
        describe: Callable[[ItemMetadata], ItemMetadata],
        find_key: FindKey,
        newest: DataKey,
    ) -> QueueEntry:
        """Let an entry follow another place, and return it: what it was to follow is there now.

        Args:
            entry: as it is.
            moved: the same with another item, base version and commit.
            describe: describes a put in its new place.
            find_key: finds the data key of the entry.
            newest: the data key that it is sealed under from then on.
        """
        if not entry.is_removal:
            with self.open_envelope(entry, find_key) as reader:
                metadata = describe(reader.open_metadata())
            content = self.read_content(entry, find_key)
            moved = self._seal(moved, Put(moved.item, moved.base_version, metadata, content), newest)
        self._write(moved, newest)
        if not entry.is_removal:
            self.find_sealed(entry).unlink(missing_ok=True)
        return moved

    def note_commit(self) -> None:
        """Note, before this device signs a commit that is not of the queue, that what waits is older."""
        for number in self._list_numbers():
            if not self._find_note(number).exists():
                self.folder.write(f"{_FOLDER}/{number:08}{_OLDER}", b"", tidies=False)

    def is_older(self, entry: QueueEntry) -> bool:
        """Tell whether this device may have signed a commit since it queued an entry."""
        return self._find_note(entry.number).exists()

    def note_restoration(self, commit: int) -> None:
        """Note of what waits that the server was restored, and has kept the commits up to this one."""
        for number in self._list_numbers():
            before = self.find_restored(number)
            kept = commit if before is None else min(commit, before)
            self.folder.write(f"{_FOLDER}/{number:08}{_BEFORE}", str(kept).encode(), tidies=False)

    def find_restored(self, number: int) -> int | None:
        """Find up to which commit the server has kept what an entry was made after; None: it was not restored
        since.
        """
        note = self.folder.read(f"{_FOLDER}/{number:08}{_BEFORE}")
        if note is None:
            return None
        return int(note) if note.isdigit() and len(note) <= _COMMIT_DIGITS else 0

    def forget_restoration(self, entry: QueueEntry) -> None:
        """Forget that the server was restored: the entry follows what it has now."""
        self.folder.delete(f"{_FOLDER}/{entry.number:08}{_BEFORE}")

    def delete(self, entry: QueueEntry) -> None:
        """Delete an entry that was sent, or is not wanted."""
        self.folder.delete(f"{_FOLDER}/{entry.number:08}.entry")
        self._find_note(entry.number).unlink(missing_ok=True)
        self.forget_restoration(entry)
        if not entry.is_removal:
            self.find_sealed(entry).unlink(missing_ok=True)

    def discard(self, number: int) -> bool:
        """Delete an entry, whether it can be read or not; False: there is none."""
        found = number in self._list_numbers()
        for path in (self.folder.path / _FOLDER).glob(f"{number:08}[.-]*"):
            path.unlink(missing_ok=True)
        return found

    @contextmanager
    def open_envelope(self, entry: QueueEntry, find_key: FindKey) -> Iterator[EnvelopeReader]:
        """Open what a put holds.

        Raises:
            OpenError: its ciphertext is cut or altered. SwappedObjectError: it is another one.
            ProfileError: it is gone.
        """
        try:
            with self.find_sealed(entry).open("rb") as file:
                source = FileSource(file, entry.change.size)
                yield open_envelope(source, entry.change, self.account, find_key(entry.epoch))
        except FileNotFoundError as error:
            raise ProfileError(f"the ciphertext of queued change {entry.number} is gone") from error

    def read_content(self, entry: QueueEntry, find_key: FindKey) -> bytes | StreamContent:
        """Read the content of a put: a small one at once, a large one in constant memory when it is asked."""

        @contextmanager
        def open_again() -> Iterator[ContentSource]:
            with self.open_envelope(entry, find_key) as reader:
                yield read_pieces(reader.iter_content())

        with self.open_envelope(entry, find_key) as reader:
            if entry.change.size <= SMALL_BYTES:
                return b"".join(reader.iter_content())
            size = reader.open_content_size()
        fingerprint = derive_fingerprint(("queue", entry.item), (entry.base_version, str(entry.header)))
        return StreamContent(fingerprint, size, open_again)

    def find_sealed(self, entry: QueueEntry) -> Path:
        """Find the file of a put's envelope."""
        name = f"{entry.number:08}-{(entry.header or '')[:_HEADER_CHARS]}.sealed"
        return self.folder.path / _FOLDER / name

    def _find_note(self, number: int) -> Path:
        return self.folder.path / _FOLDER / f"{number:08}{_OLDER}"

    def _seal(self, entry: QueueEntry, put: Put, data_key: DataKey) -> QueueEntry:
        new = self.folder.path / _FOLDER / f"{entry.number:08}-new.sealed"
        new.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        verify_room(new.parent, put.size)
        with WholeFile.make(new, tidies=False) as whole:
            parts, header = write_parts(self._iter_envelope(put, data_key), whole.file)
            whole.publish()
        sealed = replace(entry, epoch=data_key.epoch, header=header, parts=parts)
        new.replace(self.find_sealed(sealed))
        return sealed

    def _iter_envelope(self, put: Put, data_key: DataKey) -> Iterator[bytes]:
        context = ItemContext(self.account, put.item, put.base_version + 1)
        if isinstance(put.content, bytes):
            yield seal_bytes(
                put.content, metadata=put.metadata, data_key=data_key, context=context, random=self.random
            )
            return
        with put.content.open() as source:
            yield from seal_envelope(
                source,
                content_size=put.content.size,
                metadata=put.metadata,
                data_key=data_key,
                context=context,
                random=self.random,
            )

    def _write(self, entry: QueueEntry, data_key: DataKey) -> None:
        sealed = seal_record(entry.encode(), self.account, data_key, self.random)
        self.folder.write(f"{_FOLDER}/{entry.number:08}.entry", sealed, tidies=False)

    def _open_entry(self, number: int, find_key: FindKey) -> QueueEntry:
        sealed = self._read(number)
        entry = QueueEntry.parse(open_record(sealed, self.account, find_key(read_epoch(sealed))))
        if entry.number != number:
            raise MalformedError("it is another entry's")
        return entry

    def _read(self, number: int) -> bytes:
        return self.folder.read(f"{_FOLDER}/{number:08}.entry") or b""

    def _list_numbers(self) -> Sequence[int]:
        names = (path.name for path in (self.folder.path / _FOLDER).glob("*.entry"))
        return sorted(int(match[1]) for name in names if (match := _ENTRY.fullmatch(name)))

    def _read_modified_ns(self) -> int:
        try:
            return (self.folder.path / _FOLDER).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _delete_orphans(self) -> None:
        """Delete envelopes and notes whose entry was never written, or is deleted already."""
        numbers = {f"{number:08}" for number in self._list_numbers()}
        for path in (self.folder.path / _FOLDER).glob("*.*"):
            if path.suffix in {".sealed", _OLDER, _BEFORE} and path.name[:_NUMBER_DIGITS] not in numbers:
                path.unlink(missing_ok=True)
