"""Seals drafts and brings their ciphertext to the vault; what was brought before is not brought again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from solekey.crypto import (
    Confidential,
    ContentSource,
    DataKey,
    ItemContext,
    RandomSource,
    seal_bytes,
    seal_envelope,
)
from solekey.files.disk_room import verify_room
from solekey.files.private_folder import PrivateFolder
from solekey.progress import Phase, Progress, begin_phase
from solekey.transfer.drafts import Put, StreamContent
from solekey.transfer.objects import SMALL_OBJECT_BYTES, ObjectStore
from solekey.transfer.parallel import map_ahead
from solekey.transfer.upload_spool import UploadSpool, cut_parts
from solekey_protocol.change_list import Change, Part
from solekey_protocol.envelope import HEADER_BYTES
from solekey_protocol.ids import AccountId, ItemId, compute_digest
from solekey_protocol.limits import KIB, MIB

_BATCH_BYTES: Final = 768 * KIB
"""After how many bytes of small items a batch is sent, while the next is sealed."""
ASK_FROM_BYTES: Final = MIB
"""A larger envelope is sent after the vault was asked what it has of it. The size of the envelope alone
decides, which follows from the padded size, and never where the content comes from or how long it is."""


@dataclass(frozen=True, slots=True, repr=False)
class _InMemory(Confidential):
    """The parts of an envelope in memory."""

    parts: Sequence[bytes]

    def read_part(self, change: Change, index: int) -> bytes:
        """Read one of them."""
        del change
        return self.parts[index]


@dataclass(slots=True)
class Uploader:
    """Seals under one account's keys."""

    objects: ObjectStore
    folder: PrivateFolder
    account: AccountId
    random: RandomSource

    def upload(self, puts: Sequence[Put], data_key: DataKey, progress: Progress) -> list[Change]:
        """Seal and upload; returns the changes in the order of the puts.

        Raises:
            SealError: a source changed while it was read, or the metadata is too long.
            DiskFullError: there is no room to seal a large one.
        """
        changes: list[Change] = []
        for _ in map_ahead(self._send_small, self._seal_all(puts, data_key, progress, changes)):
            pass  # while a batch is on its way, the next is sealed
        return changes

    def seal_stream(self, spool: UploadSpool, put: Put, data_key: DataKey, progress: Progress) -> Change:
        """Seal streamed content into a spool, in constant memory."""
        if not isinstance(put.content, StreamContent):
            raise TypeError("only streamed content is spooled")
        if put.content.size is not None:
            self.folder.make()
            verify_room(self.folder.path, put.content.size)
        begin_phase(progress, Phase.SEAL)
        envelope = self._seal(put, put.content, data_key, progress)
        return spool.seal(put.item, put.base_version + 1, data_key.epoch, envelope)

    def seal_small(self, put: Put, content: bytes, data_key: DataKey) -> tuple[Change, bytes]:
        """Seal content that is in memory; returns the change that it makes, and the envelope."""
        context = ItemContext(self.account, put.item, put.base_version + 1)
        envelope = seal_bytes(
            content, metadata=put.metadata, data_key=data_key, context=context, random=self.random
        )
        return make_small_change(context, data_key.epoch, envelope), envelope

    def _seal_all(
        self, puts: Sequence[Put], data_key: DataKey, progress: Progress, changes: list[Change]
    ) -> Iterator[list[bytes]]:
        """Seal drafts, and append the changes that they make; yields batches of parts to send."""
        total = sum(put.size for put in puts)
        batch: list[bytes] = []
        parts: UploadSpool | _InMemory
        done = waiting = 0
        for put in puts:
            if isinstance(put.content, StreamContent):
                change, parts = self._spool(put, put.content, data_key, progress)
            else:
                change, envelope = self.seal_small(put, put.content, data_key)
                parts = _InMemory(tuple(cut_parts([envelope])))
            changes.append(change)
            if change.size > ASK_FROM_BYTES:
                self._send(parts, change, progress)
            else:
                batch += [parts.read_part(change, index) for index in range(len(change.parts))]
                waiting += change.size
                if waiting >= _BATCH_BYTES:
                    yield batch
                    batch, waiting = [], 0
            if not isinstance(put.content, StreamContent):
                done += put.size
                progress(done, total)
        if batch:
            yield batch

    def _send_small(self, batch: Sequence[bytes]) -> None:
        """Send a batch, small objects together."""
        self.objects.put_many([part for part in batch if len(part) <= SMALL_OBJECT_BYTES])
        for part in batch:
            if len(part) > SMALL_OBJECT_BYTES:
                self.objects.put(part)

    def _spool(
        self, put: Put, content: StreamContent, data_key: DataKey, progress: Progress
    ) -> tuple[Change, UploadSpool]:
        spool = UploadSpool(self.folder, content.fingerprint)
        change = spool.load()
        if change is None or not _is_for(change, put.item, put.base_version + 1, data_key.epoch):
            change = self.seal_stream(spool, put, data_key, progress)
        spool.touch()
        begin_phase(progress, Phase.SEND)
        return change, spool

    def _send(self, source: "UploadSpool | _InMemory", change: Change, progress: Progress) -> None:
        """Send the parts that the vault does not have."""
        asked = self.objects.find_missing([part.digest for part in change.parts])
        missing = [index for index, part in enumerate(change.parts) if part.digest in asked]
        left = sum(change.parts[index].size for index in missing)
        progress(change.size - left, change.size)
        sent = map_ahead(lambda index: self.objects.put(source.read_part(change, index)), missing)
        for index, _ in zip(missing, sent, strict=True):
            left -= change.parts[index].size
            progress(change.size - left, change.size)

    def _seal(
        self, put: Put, content: StreamContent, data_key: DataKey, progress: Progress
    ) -> Iterator[bytes]:
        with content.open() as source:
            yield from seal_envelope(
                _counting(source, content.size or 0, progress),
                content_size=content.size,
                metadata=put.metadata,
                data_key=data_key,
                context=ItemContext(self.account, put.item, put.base_version + 1),
                random=self.random,
            )


def make_small_change(context: ItemContext, epoch: int, envelope: bytes) -> Change:
    """Make the change that an envelope in memory leads to."""
    rows = tuple(Part(compute_digest(part), len(part)) for part in cut_parts([envelope]))
    return Change(context.item, context.version, epoch, rows, compute_digest(envelope[:HEADER_BYTES]))


def _is_for(change: Change, item: ItemId, version: int, epoch: int) -> bool:
    return (change.item, change.version, change.epoch) == (item, version, epoch)


def _counting(source: ContentSource, total: int, progress: Progress) -> ContentSource:
    done = 0

    def read(size: int) -> bytes:
        nonlocal done
        piece = source(size)
        done += len(piece)
        progress(done, total)
        return piece

    return read
