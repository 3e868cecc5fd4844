"""Downloads: an item into a file, in constant memory, resumable, and visible only when it is whole.

The parts are kept as ciphertext in the profile until all are there and checked; only then the content is
decrypted into a file without a name, brought to disk, and named. After a crash at any point no plaintext is
left, and only what is missing is fetched again (docs/decisions/0020). Where the profile has no room for them,
the content is decrypted as it arrives. Spec: vault.md §10.
"""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Protocol

from solekey.crypto import EnvelopeReader, RangeSource
from solekey.errors import DiskFullError
from solekey.files.disk_room import verify_room
from solekey.files.private_folder import PrivateFolder
from solekey.files.whole_file import WholeFile
from solekey.progress import Phase, Progress, begin_phase
from solekey.transfer.download_spool import DownloadSpool
from solekey.transfer.objects import ObjectStore
from solekey.transfer.sealed_sources import FileSource
from solekey_protocol.change_list import Change

_log = logging.getLogger(__name__)


class CommittedVersion(Protocol):
    """What is downloaded: a version that a signed commit names. See `solekey.vault.item_version`."""

    @property
    def change(self) -> Change:
        """What the commit says of it."""

    @property
    def objects(self) -> ObjectStore:
        """Where its parts are fetched from."""

    def open_reader(self, source: RangeSource) -> EnvelopeReader:
        """Open a reader of the committed ciphertext."""

    def iter_parts(self, progress: Progress) -> Iterator[bytes]:
        """Open the content piece by piece, from whole parts as they are fetched."""

    def telling_failure(self) -> AbstractContextManager[None]:
        """Tell a version that was purged from one that is lost or damaged."""


def download(version: CommittedVersion, folder: PrivateFolder, path: Path, progress: Progress) -> None:
    """Write an item version to a file. What stood there stays until the new content is whole.

    Raises:
        SwappedObjectError, OpenError: the server's ciphertext is not what was committed.
        TargetError, DiskFullError: the file cannot be written.
        TransferBusyError: another program fetches the same version.
        VersionGoneError: another device has replaced it, and it is purged.
    """
    with WholeFile.make(path) as target:
        if len(version.change.parts) == 1 or not _download_by_spool(version, folder, target, progress):
            for piece in version.iter_parts(progress):
                target.file.write(piece)
            target.publish()


def _download_by_spool(
    version: CommittedVersion, folder: PrivateFolder, target: WholeFile, progress: Progress
) -> bool:
    """Write an item version whose parts are all kept first; False: the profile has no room for them."""
    with ExitStack() as stack:
        try:
            spool = stack.enter_context(DownloadSpool.held(folder, version.change))
            with version.telling_failure():
                begin_phase(progress, Phase.FETCH)
                spool.fetch(version.objects, progress)
        except DiskFullError as error:
            _log.warning("what arrives cannot be kept, and is fetched anew when it is interrupted: %s", error)
            return False
        with version.telling_failure():
            begin_phase(progress, Phase.OPEN)
            _decrypt(version.open_reader(FileSource(spool.file, version.change.size)), target, progress)
            target.publish()
            spool.delete()
    return True


def _decrypt(reader: EnvelopeReader, target: WholeFile, progress: Progress) -> None:
    verify_room(target.path.parent, reader.open_content_size())
    for piece in iter_content(reader, progress):
        target.file.write(piece)


def iter_content(reader: EnvelopeReader, progress: Progress) -> Iterator[bytes]:
    """Open the whole content piece by piece, and tell how far it has come."""
    total, done = reader.open_content_size(), 0
    for piece in reader.iter_content():
        done += len(piece)
        progress(done, total)
        yield piece
