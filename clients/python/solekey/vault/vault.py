"""The vault: put, get, list and remove items while the account is unlocked. Spec: vault.md.

Names, types, tags and times stand inside the ciphertext. A put never overwrites what this vault object has
not seen: when another device was faster, both versions are kept, and the outcome says so.
"""

import mimetypes
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from solekey.account.devices import Devices
from solekey.crypto import Confidential, ContentSource, EnvelopeReader, ItemContext, ItemMetadata
from solekey.errors import ItemChangedError
from solekey.profile.private_folder import open_private
from solekey.progress import Progress, ignore_progress
from solekey.vault.commits import MAX_DRAFTS, Outcome
from solekey.vault.directory import ItemInfo
from solekey.vault.download import PartSource
from solekey.vault.drafts import Put, Remove, StreamContent
from solekey.vault.spool import Spool, derive_fingerprint
from solekey.vault.unlocked import UnlockedAccount
from solekey_protocol.events import Stream
from solekey_protocol.ids import RAW_ID_BYTES, ItemId
from solekey_protocol.limits import MIB

SPOOL_FROM_BYTES = MIB
"""Files from this size are sealed to disk first, so that their upload can be resumed."""


@dataclass(frozen=True, slots=True)
class Item(Confidential):
    """An item with its content."""

    info: ItemInfo
    content: bytes

    def __repr__(self) -> str:
        return f"Item({self.info.id}, version={self.info.version}, <redacted>)"


@dataclass(frozen=True, slots=True)
class Stored(Confidential):
    """What a put has led to. ``conflict``: another device was faster; this is the copy beside its version."""

    id: ItemId
    version: int
    name: str
    conflict: bool

    def __repr__(self) -> str:
        return f"Stored({self.id}, version={self.version}, conflict={self.conflict}, <redacted>)"


class Vault:
    """An unlocked vault; it ends with the block of `Session.unlock`. Not for use by several threads."""

    def __init__(self, unlocked: UnlockedAccount) -> None:
        self.unlocked = unlocked
        self._seen: dict[ItemId, int] = {}

    @property
    def devices(self) -> Devices:
        """The account's devices."""
        unlocked = self.unlocked
        return Devices(unlocked.connection, unlocked.streams, unlocked.author)

    def refresh(self) -> None:
        """Verify and follow what other devices have done meanwhile. Raises EvidenceError."""
        self.unlocked.streams.sync(Stream.DEVICES, Stream.VAULT)
        self.unlocked.index.catch_up()

    def list(self) -> list[ItemInfo]:
        """List the items by name; fetches only the beginnings of their ciphertexts."""
        self.refresh()
        return self.unlocked.directory.list()

    def get(self, name_or_id: str, *, progress: Progress = ignore_progress) -> Item:
        """Get an item with its content in memory.

        Raises:
            ItemMissingError, ItemNameError: none or several of this name.
            OpenError, SwappedObjectError: the server's ciphertext is not what was committed.
        """
        info = self._find(name_or_id)
        pieces = list(self._iter_content(info, progress))
        self._seen[info.id] = info.version
        return Item(info, b"".join(pieces))

    def get_file(self, name_or_id: str, path: Path, *, progress: Progress = ignore_progress) -> ItemInfo:
        """Get an item into a file, in constant memory. The file appears only when all of it is authentic.

        Raises:
            As `get`.
        """
        info = self._find(name_or_id)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as file:
                for piece in self._iter_content(info, progress):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                temporary.unlink()
            raise
        self._seen[info.id] = info.version
        return info

    def put(
        self,
        name: str,
        content: bytes | str,
        *,
        type: str | None = None,  # noqa: A002  # the field's name
        tags: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> Stored:
        """Put an item: a new version where this vault knows one of this name, else a new item.

        Raises:
            ItemNameError: several items have this name; put by id.
            MetadataError: a name, tag or attribute outside the limits.
        """
        data = content.encode() if isinstance(content, str) else content
        kind = type or ("text/plain" if isinstance(content, str) else "application/octet-stream")
        return self._commit([self._draft(name, data, kind, tuple(tags), attributes or {})])[0]

    def put_many(self, contents: Mapping[str, bytes]) -> tuple[Stored, ...]:
        """Put many small items at once: few requests, one commit for each few thousand."""
        drafts = [
            self._draft(name, content, "application/octet-stream", (), {})
            for name, content in contents.items()
        ]
        stored: tuple[Stored, ...] = ()
        for start in range(0, len(drafts), MAX_DRAFTS):
            stored += self._commit(drafts[start : start + MAX_DRAFTS])
        return stored

    def put_file(
        self,
        path: Path,
        name: str | None = None,
        *,
        tags: Sequence[str] = (),
        progress: Progress = ignore_progress,
    ) -> Stored:
        """Put a file, in constant memory. Call it again after an interruption: it resumes.

        Raises:
            ContentSizeError: the file changed while it was read.
        """
        status = path.stat()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        chosen = name or path.name
        if status.st_size < SPOOL_FROM_BYTES:
            return self._commit(
                [self._draft(chosen, path.read_bytes(), kind, tuple(tags), {})], progress=progress
            )[0]
        fingerprint = derive_fingerprint(
            str(path.resolve()), status.st_size, status.st_mtime_ns, chosen, self.unlocked.streams.vault.epoch
        )
        content = StreamContent(fingerprint, status.st_size, lambda: _open_source(path))
        draft = self._draft(chosen, content, kind, tuple(tags), {})
        spool = Spool(self.unlocked.connection.profile.folder, fingerprint)
        sealed = spool.load()
        if sealed is not None and sealed == self.unlocked.index.items.get(sealed.item):
            spool.delete()  # the commit went through just before the interruption
            return Stored(sealed.item, sealed.version, chosen, conflict=False)
        if sealed is not None and draft.base_version == 0:
            draft = Put(sealed.item, 0, draft.metadata, content)
        stored = self._commit([draft], progress=progress)[0]
        spool.delete()
        return stored

    def remove(self, name_or_id: str) -> ItemInfo:
        """Remove an item.

        Raises:
            ItemMissingError, ItemNameError: none or several of this name.
            ItemChangedError: another device changed it after this vault had seen it.
        """
        info = self._find(name_or_id)
        draft = Remove(info.id, self._seen.get(info.id, info.version))
        outcome = self.unlocked.committer.commit([draft])[0]
        if outcome.change is None:
            raise ItemChangedError(f"{info.id} was changed by another device")
        return info

    def _find(self, name_or_id: str) -> ItemInfo:
        self.refresh()
        return self.unlocked.directory.find(name_or_id)

    def _draft(
        self,
        name: str,
        content: bytes | StreamContent,
        kind: str,
        tags: tuple[str, ...],
        attributes: Mapping[str, str],
    ) -> Put:
        runtime = self.unlocked.connection.runtime
        now_ms = runtime.now_ms()
        if not self.unlocked.directory.find_all(name):
            item = ItemId.from_raw(runtime.random(RAW_ID_BYTES))
            return Put(item, 0, ItemMetadata(name, kind, now_ms, now_ms, tags, attributes), content)
        info = self.unlocked.directory.find(name)
        created_ms = info.metadata.created_ms
        metadata = ItemMetadata(info.name, kind, created_ms, now_ms, tags, attributes)
        return Put(info.id, self._seen.get(info.id, info.version), metadata, content)

    def _commit(self, drafts: Sequence[Put], *, progress: Progress = ignore_progress) -> tuple[Stored, ...]:
        return tuple(map(self._note, self.unlocked.committer.commit(drafts, progress=progress)))

    def _note(self, outcome: Outcome) -> Stored:
        put, change = outcome.draft, outcome.change
        if not isinstance(put, Put) or change is None:
            raise TypeError("a put is never dropped")
        self._seen[change.item] = change.version
        return Stored(change.item, change.version, put.metadata.name, outcome.conflict)

    def _iter_content(self, info: ItemInfo, progress: Progress) -> Iterator[bytes]:
        change = self.unlocked.index.items[info.id]
        reader = EnvelopeReader(
            PartSource(self.unlocked.objects, change),
            data_key=self.unlocked.keyring.data_key(change.epoch),
            context=ItemContext(self.unlocked.account, change.item, change.version),
        )
        total, done = reader.open_content_size(), 0
        for piece in reader.iter_content():
            done += len(piece)
            progress(done, total)
            yield piece


@contextmanager
def _open_source(path: Path) -> Iterator[ContentSource]:
    with path.open("rb") as file:
        yield file.read
