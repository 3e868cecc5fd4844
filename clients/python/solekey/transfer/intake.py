"""Content that can be read only once, such as standard input: sealed to disk first, sent from there.

When another device is faster, or the data key is replaced meanwhile, it has to be sealed again for another
place. It is then read from its own ciphertext: no plaintext is on disk at any time. Spec: vault.md §10.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Final

from solekey.crypto import ContentSource
from solekey.errors import ProfileError
from solekey.progress import Progress
from solekey.transfer.drafts import Put, StreamContent
from solekey.transfer.sealed_sources import FileSource, open_envelope, read_pieces
from solekey.transfer.upload_spool import Spool, derive_fingerprint
from solekey.vault.unlocked import UnlockedAccount

_RANDOM_BYTES: Final = 16


def make_intake(unlocked: UnlockedAccount) -> Spool:
    """Make the spool of content that nobody can ask for again: its name is random, it is never resumed."""
    name = unlocked.connection.runtime.random(_RANDOM_BYTES).hex()
    return Spool(unlocked.connection.profile.folder, derive_fingerprint(("stream",), (name,)))


def take_in(
    unlocked: UnlockedAccount, spool: Spool, draft: Put, source: ContentSource, progress: Progress
) -> Put:
    """Seal all of a source into the spool; returns the draft whose content is there.

    Raises:
        SealError, DiskFullError
    """
    once = StreamContent(spool.fingerprint, None, lambda: nullcontext(source))
    data_key = unlocked.keyring.data_key(unlocked.streams.vault.epoch)
    unlocked.committer.uploader.seal_stream(spool, replace(draft, content=once), data_key, progress)
    again = StreamContent(spool.fingerprint, None, lambda: _open_again(unlocked, spool))
    return replace(draft, content=again)


def read_head(source: ContentSource, size: int) -> bytes:
    """Read as much as there is, up to a size."""
    head = bytearray()
    while len(head) < size and (piece := source(size - len(head))):
        head += piece
    return bytes(head)


def put_back(head: bytes, source: ContentSource) -> ContentSource:
    """Put what was read already before what comes."""
    left = memoryview(head)

    def read(size: int) -> bytes:
        nonlocal left
        if not left:
            return source(size)
        piece, left = bytes(left[:size]), left[size:]
        return piece

    return read


@contextmanager
def _open_again(unlocked: UnlockedAccount, spool: Spool) -> Iterator[ContentSource]:
    change = spool.load()
    if change is None:
        raise ProfileError(f"{spool.sealed} is gone or damaged: run the same command again")
    with spool.sealed.open("rb") as file:
        data_key = unlocked.keyring.data_key(change.epoch)
        reader = open_envelope(FileSource(file, change.size), change, unlocked.account, data_key)
        yield read_pieces(reader.iter_content())
