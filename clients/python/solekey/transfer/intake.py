"""Content that can be read only once, such as standard input: sealed to disk first, sent from there.

When another device is faster, or the data key is replaced meanwhile, it has to be sealed again for another
place. It is then read from its own ciphertext: no plaintext is on disk at any time. Spec: vault.md §10.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Final

from solekey.crypto import ContentSource, DataKey
from solekey.errors import ProfileError
from solekey.progress import Progress
from solekey.transfer.drafts import Put, StreamContent
from solekey.transfer.sealed_sources import FileSource, open_envelope, read_pieces
from solekey.transfer.upload_spool import UploadSpool, derive_fingerprint
from solekey.transfer.uploader import Uploader

_RANDOM_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes in what can be read only once.

    Attributes:
        uploader: seals it, under the account's name.
        find_key: finds the data key of an epoch.
    """

    uploader: Uploader
    find_key: Callable[[int], DataKey]

    def make_spool(self) -> UploadSpool:
        """Make a spool with a random name: content that cannot be read again is never resumed."""
        name = self.uploader.random(_RANDOM_BYTES).hex()
        return UploadSpool(self.uploader.folder, derive_fingerprint(("stream",), (name,)))

    def seal(
        self, spool: UploadSpool, draft: Put, epoch: int, source: ContentSource, progress: Progress
    ) -> Put:
        """Seal all of a source into the spool; returns the draft whose content is there.

        Raises:
            SealError, DiskFullError
        """
        once = StreamContent(spool.fingerprint, None, lambda: nullcontext(source))
        self.uploader.seal_stream(spool, replace(draft, content=once), self.find_key(epoch), progress)
        return replace(draft, content=StreamContent(spool.fingerprint, None, lambda: self._open_again(spool)))

    @contextmanager
    def _open_again(self, spool: UploadSpool) -> Iterator[ContentSource]:
        change = spool.load()
        if change is None:
            raise ProfileError(f"{spool.sealed} is gone or damaged: run the same command again")
        with spool.sealed.open("rb") as file:
            source, data_key = FileSource(file, change.size), self.find_key(change.epoch)
            reader = open_envelope(source, change, self.uploader.account, data_key)
            yield read_pieces(reader.iter_content())


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
