"""Downloads: an item into a file, in constant memory, resumable, and visible only when it is whole.

The parts are kept as ciphertext in the profile until all are there and checked; only then the content is
decrypted into a file without a name, brought to disk, and named. After a crash at any point no plaintext is
left, and only what is missing is fetched again (docs/decisions/0020). Spec: vault.md §10.
"""

from pathlib import Path

from solekey.crypto import EnvelopeReader
from solekey.files.disk_room import verify_room
from solekey.files.private_folder import PrivateFolder
from solekey.files.whole_file import WholeFile
from solekey.progress import Phase, Progress, begin_phase
from solekey.transfer.download_spool import DownloadSpool
from solekey.transfer.sealed_sources import FileSource
from solekey.vault.item_version import ItemVersion, iter_content


def download(version: ItemVersion, folder: PrivateFolder, path: Path, progress: Progress) -> None:
    """Write an item version to a file. What stood there stays until the new content is whole.

    Raises:
        SwappedObjectError, OpenError: the server's ciphertext is not what was committed.
        TargetError, DiskFullError: the file cannot be written.
        TransferBusyError: another program fetches the same version.
        VersionGoneError: another device has replaced it, and it is purged.
    """
    with WholeFile.make(path) as target:
        if len(version.change.parts) == 1:
            for piece in version.iter_parts(progress):
                target.file.write(piece)
            target.publish()
            return
        with DownloadSpool.held(folder, version.change) as spool, version.telling_failure():
            begin_phase(progress, Phase.FETCH)
            spool.fetch(version.unlocked.objects, progress)
            begin_phase(progress, Phase.OPEN)
            _decrypt(version.open_reader(FileSource(spool.file, version.change.size)), target, progress)
            target.publish()
            spool.delete()


def _decrypt(reader: EnvelopeReader, target: WholeFile, progress: Progress) -> None:
    verify_room(target.path.parent, reader.open_content_size())
    for piece in iter_content(reader, progress):
        target.file.write(piece)
