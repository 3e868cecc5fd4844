"""Files with secrets for their owner only (0600); what exists is never overwritten."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from solekey.errors import OutputExistsError
from solekey.profile.private_folder import open_private


@contextmanager
def new_secret_file(path: Path) -> Iterator[BinaryIO]:
    """Make a file before its content exists, so that a secret that is told once always has its place.

    The file is deleted again when the block fails.

    Raises:
        OutputExistsError: there is a file of this name.
    """
    try:
        with open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise OutputExistsError(f"{path} exists") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
