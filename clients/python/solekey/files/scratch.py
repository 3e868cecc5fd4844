"""Files of a temporary folder of this process alone: written where they lie, and not synced to the disk.

What is to outlive the process is written by ``whole_file``.
"""

import shutil
from pathlib import Path
from typing import BinaryIO


def open_scratch(path: Path) -> BinaryIO:
    """Open a file of a temporary folder to add to its end; it is made where it is missing."""
    return path.open("ab")


def copy_scratch(source: Path, folder: Path) -> Path:
    """Copy a file into a temporary folder; return where it is."""
    return Path(shutil.copyfile(source, folder / source.name))
