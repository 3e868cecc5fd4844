"""Re-encrypts items under a new epoch: small ones many at a time, large ones streamed through a spool.

An item that does not open stays as it is, under its old epoch, whose wrap must then stay, too: it may open
again once the server has its object back. Spec: rotation.md §3.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from solekey.crypto import ContentSource, EnvelopeReader, ItemContext, open_bytes
from solekey.errors import SolekeyError
from solekey.progress import Progress
from solekey.transfer.drafts import Put, StreamContent
from solekey.transfer.objects import verify_object
from solekey.transfer.sealed_sources import PartSource, open_envelope, read_pieces, verify_header
from solekey.transfer.upload_spool import UploadSpool, derive_fingerprint
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UNREADABLE
from solekey_protocol.change_list import Change
from solekey_protocol.envelope import HEADER_BYTES
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind
from solekey_protocol.limits import MIB

BATCH_ITEMS: Final = 500
BATCH_BYTES: Final = 4 * MIB
_STREAM_FROM_BYTES: Final = MIB


class _UnreadableContentError(Exception):
    """What is being sealed anew does not open. Tells it from whatever else may fail in a commit."""

    def __init__(self, change: Change, error: SolekeyError) -> None:
        super().__init__(change.item)
        self.change = change
        self.error = error


def find_old_items(unlocked: UnlockedAccount, epoch: int) -> list[Change]:
    """Find the live items that are sealed under an epoch before this one, the smallest first."""
    old = [change for change in unlocked.index.items.values() if change.epoch < epoch]
    return sorted(old, key=lambda change: (change.size, change.item))


def rekey_items(unlocked: UnlockedAccount, epoch: int, progress: Progress) -> frozenset[Change]:
    """Re-encrypt every item under ``epoch``, batch by batch; what another device has done is left alone.

    Returns:
        Those that do not open. They stay live under their epoch; ``unlocked.unreadable`` says why.

    Raises:
        TransferBusyError: another program of this profile re-encrypts the same items.
    """
    total = len(unlocked.index.items)
    left: set[Change] = set()
    while old := [change for change in find_old_items(unlocked, epoch) if change not in left]:
        progress(total - len(old), total)
        batch = _take_batch(old)
        failed = _rekey_batch(unlocked, batch)
        if failed:
            unlocked.streams.sync(Stream.DEVICES, Stream.VAULT)
            unlocked.index.catch_up()  # a version that another device has superseded may be purged
        for change, error in failed.items():
            if unlocked.index.items.get(change.item) == change:
                unlocked.unreadable.note(change, error)
                left.add(change)
    progress(total, total)
    return frozenset(left)


def _rekey_batch(unlocked: UnlockedAccount, batch: list[Change]) -> dict[Change, SolekeyError]:
    """Re-encrypt a batch in one commit; returns what does not open (large ones show it in the commit)."""
    failed: dict[Change, SolekeyError] = {}
    drafts = list(_draft_batch(unlocked, batch, failed))
    with ExitStack() as held:
        spools = [
            UploadSpool(unlocked.connection.profile.folder, draft.content.fingerprint)
            for draft in drafts
            if isinstance(draft.content, StreamContent)
        ]
        for spool in spools:
            held.enter_context(spool.hold())
        while drafts:
            try:
                unlocked.committer.commit(drafts, kind=CommitKind.REKEY)
                break
            except _UnreadableContentError as error:
                failed[error.change] = error.error
                drafts = [draft for draft in drafts if draft.item != error.change.item]
        for spool in spools:
            spool.delete()
    return failed


def _take_batch(old: list[Change]) -> list[Change]:
    batch: list[Change] = []
    size = 0
    for change in old[:BATCH_ITEMS]:
        if batch and size + change.size > BATCH_BYTES:
            break
        batch.append(change)
        size += change.size
    return batch


def _draft_batch(
    unlocked: UnlockedAccount, batch: list[Change], failed: dict[Change, SolekeyError]
) -> Iterator[Put]:
    """Draft the next versions with the same content and metadata; small items are fetched together."""
    small = [change for change in batch if _is_small(change)]
    envelopes = unlocked.objects.fetch_each([change.parts[0].digest for change in small])
    for change, envelope in zip(small, envelopes, strict=True):
        with _noting(change, failed):
            yield _draft_small(unlocked, change, envelope)
    for change in batch:
        if not _is_small(change):
            with _noting(change, failed):
                yield _draft_large(unlocked, change)


@contextmanager
def _noting(change: Change, failed: dict[Change, SolekeyError]) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        failed[change] = error


def _is_small(change: Change) -> bool:
    return change.size < _STREAM_FROM_BYTES and len(change.parts) == 1


def _draft_small(unlocked: UnlockedAccount, change: Change, envelope: bytes | None) -> Put:
    envelope = verify_object(change.parts[0].digest, envelope)
    verify_header(change, envelope[:HEADER_BYTES])
    item = open_bytes(
        envelope,
        data_key=unlocked.keyring.data_key(change.epoch),
        context=ItemContext(unlocked.account, change.item, change.version),
    )
    return Put(change.item, change.version, item.metadata, item.content)


def _draft_large(unlocked: UnlockedAccount, change: Change) -> Put:
    reader = _make_reader(unlocked, change)
    metadata, size = reader.open_metadata(), reader.open_content_size()
    fingerprint = derive_fingerprint(("rekey", change.item), (change.version, unlocked.streams.vault.epoch))
    content = StreamContent(fingerprint, size, lambda: _open_source(unlocked, change))
    return Put(change.item, change.version, metadata, content)


def _make_reader(unlocked: UnlockedAccount, change: Change) -> EnvelopeReader:
    data_key = unlocked.keyring.data_key(change.epoch)
    return open_envelope(PartSource(unlocked.objects, change), change, unlocked.account, data_key)


@contextmanager
def _open_source(unlocked: UnlockedAccount, change: Change) -> Iterator[ContentSource]:
    yield read_pieces(_iter_content(unlocked, change))


def _iter_content(unlocked: UnlockedAccount, change: Change) -> Iterator[bytes]:
    try:
        yield from _make_reader(unlocked, change).iter_content()
    except UNREADABLE as error:
        raise _UnreadableContentError(change, error) from error
