"""Seals drafts and brings their ciphertext to the vault; what was brought before is not brought again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from solekey.crypto import DataKey, ItemContext, RandomSource, seal_bytes, seal_envelope
from solekey.profile.private_folder import PrivateFolder
from solekey.progress import Progress
from solekey.vault.drafts import Put, StreamContent
from solekey.vault.objects import SMALL_OBJECT_BYTES, ObjectStore
from solekey.vault.spool import Spool, cut_parts
from solekey_protocol.change_list import Change, Part
from solekey_protocol.ids import AccountId, ItemId, compute_digest
from solekey_protocol.limits import MAX_BATCH_BYTES


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
        """
        total = sum(put.size for put in puts)
        changes: list[Change] = []
        small: list[bytes] = []
        done = waiting = 0
        for put in puts:
            if isinstance(put.content, StreamContent):
                change = self._upload_stream(put, put.content, data_key, _shift(progress, done, total))
            else:
                change, parts = self._seal_small(put, put.content, data_key)
                small += parts
                waiting += change.size
                if waiting >= MAX_BATCH_BYTES // 2:
                    self._flush(small)
                    waiting = 0
            changes.append(change)
            done += put.size
            progress(done, total)
        self._flush(small)
        return changes

    def _flush(self, small: list[bytes]) -> None:
        """Upload what has gathered, small objects together, and empty the list."""
        self.objects.put_many([part for part in small if len(part) <= SMALL_OBJECT_BYTES])
        for part in small:
            if len(part) > SMALL_OBJECT_BYTES:
                self.objects.put(part)
        small.clear()

    def _seal_small(self, put: Put, content: bytes, data_key: DataKey) -> tuple[Change, list[bytes]]:
        context = ItemContext(self.account, put.item, put.base_version + 1)
        envelope = seal_bytes(
            content, metadata=put.metadata, data_key=data_key, context=context, random=self.random
        )
        parts = list(cut_parts([envelope]))
        rows = tuple(Part(compute_digest(part), len(part)) for part in parts)
        return Change(put.item, context.version, data_key.epoch, rows), parts

    def _upload_stream(
        self, put: Put, content: StreamContent, data_key: DataKey, progress: Callable[[int], None]
    ) -> Change:
        spool = Spool(self.folder, content.fingerprint)
        change = spool.load()
        if change is None or not _is_for(change, put.item, put.base_version + 1, data_key.epoch):
            change = spool.seal(put.item, put.base_version + 1, data_key.epoch, self._seal(put, data_key))
        missing = self.objects.find_missing([part.digest for part in change.parts])
        sent = 0
        for part, data in zip(change.parts, spool.read_parts(change), strict=True):
            if part.digest in missing:
                self.objects.put(data)
            sent += part.size
            progress(min(sent, content.size))
        return change

    def _seal(self, put: Put, data_key: DataKey) -> Iterator[bytes]:
        if not isinstance(put.content, StreamContent):
            raise TypeError("only streamed content is spooled")
        with put.content.open() as source:
            yield from seal_envelope(
                source,
                content_size=put.content.size,
                metadata=put.metadata,
                data_key=data_key,
                context=ItemContext(self.account, put.item, put.base_version + 1),
                random=self.random,
            )


def _is_for(change: Change, item: ItemId, version: int, epoch: int) -> bool:
    return (change.item, change.version, change.epoch) == (item, version, epoch)


def _shift(progress: Progress, done: int, total: int) -> Callable[[int], None]:
    return lambda sent: progress(done + sent, total)
