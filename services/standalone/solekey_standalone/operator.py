"""The operator's secrets of an embedded platform: made at the first start, kept for good, mode 0600."""

import secrets
from pathlib import Path

from solekey_eventlog.secret import Secret
from solekey_standalone.folder import write_private

_SECRET_BYTES = 32


def load_or_make_secret(folder: Path, name: str) -> Secret:
    """Load a secret of 32 bytes as hex, making it when it is not there.

    Raises:
        OSError: it is there but cannot be read. Nothing is made then: a new one would lock every account out.
    """
    path = folder / name
    if not path.exists():
        write_private(path, secrets.token_hex(_SECRET_BYTES).encode())
    return Secret(path.read_text(encoding="ascii").strip())
