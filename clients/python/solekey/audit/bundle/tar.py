"""A finished bundle as one file: POSIX ustar, in which the manifest comes first. Spec: audit-bundle.md §1."""

import tarfile
from pathlib import Path
from typing import Final

from solekey.audit.bundle.layout import BUS, MANIFEST, SIGNATURE
from solekey.files.whole_file import WholeFile

_BLOCK_BYTES: Final = 512
_FIRST: Final = (MANIFEST, SIGNATURE, BUS)


def write_tar(folder: Path, target: Path) -> None:
    """Write the files of a folder to a tar file, atomically. Raises as `WholeFile.make`."""
    names = sorted(
        (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()),
        key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name),
    )
    with WholeFile.make(target, new=True) as whole:
        for name in names:
            header = tarfile.TarInfo(name)
            header.size = (folder / name).stat().st_size
            header.mode = 0o600
            whole.file.write(header.tobuf(tarfile.USTAR_FORMAT))
            with (folder / name).open("rb") as file:
                while block := file.read(1024 * 1024):
                    whole.file.write(block)
            whole.file.write(bytes(-header.size % _BLOCK_BYTES))
        whole.file.write(bytes(2 * _BLOCK_BYTES))
        whole.publish()
