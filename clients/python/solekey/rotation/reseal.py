"""Seals items anew, under the key of another epoch: fetched, opened, sealed and sent, but not committed.

Small ones travel many at a time; what was sealed is on disk first, so that an interrupted run seals nothing
twice. Large ones are streamed through a spool. Content and metadata stay as they are. Spec: rotation.md §3.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from solekey.crypto import (
    ContentSource,
    DataKey,
    EnvelopeReader,
    ItemContext,
    ItemMetadata,
    OpenedItem,
    open_bytes,
)
from solekey.errors import SolekeyError
from solekey.progress import ignore_progress
from solekey.rotation.rekey_spool import RekeySpool, SealedBatch
from solekey.transfer.drafts import Put, StreamContent
from solekey.transfer.objects import verify_object
from solekey.transfer.sealed_sources import PartSource, open_envelope, read_pieces, verify_header
from solekey.transfer.upload_spool import UploadSpool, derive_fingerprint
from solekey.transfer.uploader import Uploader, make_small_change
from solekey.vault.unreadable import UNREADABLE
from solekey_protocol.change_list import Change
from solekey_protocol.envelope import HEADER_BYTES
from solekey_protocol.ids import Digest, compute_digest
from solekey_protocol.limits import MIB

_STREAM_FROM_BYTES: Final = MIB


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that are sealed anew together, and the keys that open them or what is wrong with a key."""

    changes: Sequence[Change]
    keys: Mapping[int, DataKey | SolekeyError]
    sealing_key: DataKey

    def find_key(self, epoch: int) -> DataKey:
        """Find the key of an epoch. Raises what is wrong with it."""
        key = self.keys[epoch]
        if isinstance(key, DataKey):
            return key
        raise key


@dataclass(slots=True)
class Sealed:
    """A batch that was sealed and sent.

    Attributes:
        changes: the next versions, to be committed.
        failed: the versions that did not open.
        kept: what is deleted once all is committed.
    """

    changes: dict[Change, ItemMetadata] = field(default_factory=dict)
    failed: dict[Change, SolekeyError] = field(default_factory=dict)
    kept: list[UploadSpool | SealedBatch] = field(default_factory=list)


def is_small(change: Change) -> bool:
    """Whether an item is sealed anew in memory, together with others."""
    return change.size < _STREAM_FROM_BYTES and len(change.parts) == 1


@dataclass(frozen=True, slots=True)
class Resealer:
    """Works in threads of its own: it touches no stream, no index and no directory."""

    uploader: Uploader
    spool: RekeySpool

    def seal(self, batch: Batch) -> Sealed:
        """Seal a batch anew, and send it."""
        sealed = Sealed()
        small = [change for change in batch.changes if is_small(change)]
        if small:
            self._seal_small(small, batch, sealed)
        for change in batch.changes:
            if not is_small(change):
                with _noting(change, sealed.failed):
                    self._seal_large(change, batch, sealed)
        return sealed

    def _seal_small(self, small: Sequence[Change], batch: Batch, sealed: Sealed) -> None:
        """Seal small items in one batch: those first that an interrupted run has sealed already."""
        objects, new = self.uploader.objects, []
        kept: dict[Digest, bytes] = {}
        for change in small:
            envelope = self._find_sealed(change, batch, sealed)
            if envelope is None:
                new.append(change)
            else:
                kept[compute_digest(envelope)] = envelope
        sending = [kept[digest] for digest in objects.find_missing(list(kept))]
        fetched = objects.fetch_each([change.parts[0].digest for change in new])
        with self.spool.make_batch() as file:
            for change in new:
                with _noting(change, sealed.failed):
                    opened = self._open(change, next(fetched), batch)
                    put = Put(change.item, change.version, opened.metadata, opened.content)
                    following, envelope = self.uploader.seal_small(put, opened.content, batch.sealing_key)
                    file.add(following, envelope)
                    sending.append(envelope)
                    sealed.changes[following] = opened.metadata
        sealed.kept.append(file)
        objects.put_many(sending)

    def _find_sealed(self, change: Change, batch: Batch, sealed: Sealed) -> bytes | None:
        envelope = self.spool.find(change.item, change.version + 1)
        if envelope is None:
            return None
        key, context = batch.sealing_key, ItemContext(self.uploader.account, change.item, change.version + 1)
        try:
            opened = open_bytes(envelope, data_key=key, context=context)
        except UNREADABLE:
            return None
        sealed.changes[make_small_change(context, key.epoch, envelope)] = opened.metadata
        return envelope

    def _open(self, change: Change, envelope: bytes | None, batch: Batch) -> OpenedItem:
        envelope = verify_object(change.parts[0].digest, envelope)
        verify_header(change, envelope[:HEADER_BYTES])
        context = ItemContext(self.uploader.account, change.item, change.version)
        return open_bytes(envelope, data_key=batch.find_key(change.epoch), context=context)

    def _seal_large(self, change: Change, batch: Batch, sealed: Sealed) -> None:
        reader = self._make_reader(change, batch)
        metadata, size = reader.open_metadata(), reader.open_content_size()
        fingerprint = derive_fingerprint(("rekey", change.item), (change.version, batch.sealing_key.epoch))
        content = StreamContent(fingerprint, size, lambda: self._open_source(change, batch))
        spool = UploadSpool(self.uploader.folder, fingerprint)
        with spool.hold():
            put = Put(change.item, change.version, metadata, content)
            (following,) = self.uploader.upload([put], batch.sealing_key, ignore_progress)
        sealed.changes[following] = metadata
        sealed.kept.append(spool)

    def _make_reader(self, change: Change, batch: Batch) -> EnvelopeReader:
        source = PartSource(self.uploader.objects, change)
        return open_envelope(source, change, self.uploader.account, batch.find_key(change.epoch))

    @contextmanager
    def _open_source(self, change: Change, batch: Batch) -> Iterator[ContentSource]:
        yield read_pieces(self._make_reader(change, batch).iter_content())


@contextmanager
def _noting(change: Change, failed: dict[Change, SolekeyError]) -> Iterator[None]:
    """Note what does not open: only what is read can raise these errors, not what is sealed or sent."""
    try:
        yield
    except UNREADABLE as error:
        failed[change] = error
