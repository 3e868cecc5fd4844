"""The folder of a profile that inputs are written into, and who it is of."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from solekey.crypto import SoftwareDeviceKey
from solekey.files.private_folder import PrivateFolder
from solekey.profile.profile import Profile
from solekey.server import Server
from solekey_protocol.ids import AccountId, SessionId

ORIGIN: Final = "https://solekey.example:8443"
NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEVICE: Final = SoftwareDeviceKey(bytes(range(32)))
SESSION: Final = SessionId.from_raw(bytes(16))
ACCOUNT: Final = AccountId.from_raw(bytes(range(16)))
_KEPT: Final[list[TemporaryDirectory[str]]] = []  # removed when the process ends


@cache
def _folder() -> PrivateFolder:
    _KEPT.append(TemporaryDirectory())
    folder = PrivateFolder(Path(_KEPT[-1].name) / "profile")
    Profile.create(
        folder.path, Server(ORIGIN), username="ada", device_name="laptop", random=lambda size: bytes(size)
    ).keep(ACCOUNT)
    return folder


def put(name: str, data: bytes) -> PrivateFolder:
    """Write a file of the profile, and return the folder."""
    path = _folder().path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return _folder()
