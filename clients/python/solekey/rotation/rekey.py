"""Re-encrypts items under a new epoch: small ones many at a time, large ones streamed through a spool."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from solekey.crypto import ContentSource, EnvelopeReader, ItemContext, open_bytes
from solekey.progress import Progress
from solekey.vault.drafts import Put, StreamContent
from solekey.vault.sealed_sources import PartSource, read_pieces
from solekey.vault.spool import Spool, derive_fingerprint
from solekey.vault.unlocked import UnlockedAccount
from solekey_protocol.change_list import Change
from solekey_protocol.events.vault import CommitKind
from solekey_protocol.limits import MIB

BATCH_ITEMS: Final = 500
BATCH_BYTES: Final = 4 * MIB
_STREAM_FROM_BYTES: Final = MIB


def find_old_items(unlocked: UnlockedAccount, epoch: int) -> list[Change]:
    """Find the live items that are sealed under an epoch before this one, the smallest first."""
    old = [change for change in unlocked.index.items.values() if change.epoch < epoch]
    return sorted(old, key=lambda change: (change.size, change.item))


def rekey_items(unlocked: UnlockedAccount, epoch: int, progress: Progress) -> None:
    """Re-encrypt every item under ``epoch``, batch by batch; what another device has done is left alone.

    Raises:
        TransferBusyError: another program of this profile re-encrypts the same items.
        OpenError, SwappedObjectError: an item's ciphertext is not what was committed. Nothing was changed
            about it, and the old key stays until it is.
    """
    total = len(unlocked.index.items)
    while old := find_old_items(unlocked, epoch):
        progress(total - len(old), total)
        batch = _take_batch(old)
        drafts = list(_draft_batch(unlocked, batch))
        with ExitStack() as held:
            spools = [
                Spool(unlocked.connection.profile.folder, draft.content.fingerprint)
                for draft in drafts
                if isinstance(draft.content, StreamContent)
            ]
            for spool in spools:
                held.enter_context(spool.hold())
            unlocked.committer.commit(drafts, kind=CommitKind.REKEY)
            for spool in spools:
                spool.delete()
    progress(total, total)


def _take_batch(old: list[Change]) -> list[Change]:
    batch: list[Change] = []
    size = 0
    for change in old[:BATCH_ITEMS]:
        if batch and size + change.size > BATCH_BYTES:
            break
        batch.append(change)
        size += change.size
    return batch


def _draft_batch(unlocked: UnlockedAccount, batch: list[Change]) -> Iterator[Put]:
    """Draft the next versions with the same content and metadata; small items are fetched together."""
    small = [change for change in batch if _is_small(change)]
    envelopes = unlocked.objects.fetch_many([change.parts[0].digest for change in small])
    for change, envelope in zip(small, envelopes, strict=True):
        item = open_bytes(
            envelope,
            data_key=unlocked.keyring.data_key(change.epoch),
            context=ItemContext(unlocked.account, change.item, change.version),
        )
        yield Put(change.item, change.version, item.metadata, item.content)
    for change in batch:
        if not _is_small(change):
            yield _draft_large(unlocked, change)


def _is_small(change: Change) -> bool:
    return change.size < _STREAM_FROM_BYTES and len(change.parts) == 1


def _draft_large(unlocked: UnlockedAccount, change: Change) -> Put:
    reader = _make_reader(unlocked, change)
    metadata, size = reader.open_metadata(), reader.open_content_size()
    fingerprint = derive_fingerprint(("rekey", change.item), (change.version, unlocked.streams.vault.epoch))
    content = StreamContent(fingerprint, size, lambda: _open_source(unlocked, change))
    return Put(change.item, change.version, metadata, content)


def _make_reader(unlocked: UnlockedAccount, change: Change) -> EnvelopeReader:
    return EnvelopeReader(
        PartSource(unlocked.objects, change),
        data_key=unlocked.keyring.data_key(change.epoch),
        context=ItemContext(unlocked.account, change.item, change.version),
    )


@contextmanager
def _open_source(unlocked: UnlockedAccount, change: Change) -> Iterator[ContentSource]:
    yield read_pieces(_make_reader(unlocked, change).iter_content())
