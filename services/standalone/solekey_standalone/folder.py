"""The folder of an embedded platform: everything that must survive a restart, and nothing else.

::

    bus.db                 the embedded bus: all events, for auditors too
    auth.db, devices.db …  one SQLite database a service
    objects/               ciphertext objects of the vault
    operator/              the operator's secrets, 0600
    tls/                   local certificate authority and server certificate
    founded                the services that have run; from then on nothing else in the folder is made anew
    lock                   held by the process that uses the folder
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from solekey_protocol.services import Service

FOUNDED = "founded"
_NEEDED = ("bus.db", "objects", "operator/operator_key", "operator/signing_key")
_OWNER_ONLY_FOLDER = 0o700
_OWNER_ONLY_FILE = 0o600
_OTHERS = 0o077


class FolderInUseError(Exception):
    """Another process uses the folder."""


class FolderIncompleteError(Exception):
    """Something that the rest of the folder depends on is gone."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Names the places in the folder. ``path`` is absolute."""

    path: Path

    @property
    def bus_url(self) -> str:
        """The embedded bus."""
        return f"embedded://{self.path / 'bus.db'}"

    @property
    def objects_url(self) -> str:
        """Where the vault keeps ciphertext."""
        return f"file://{self.path / 'objects'}"

    @property
    def operator(self) -> Path:
        """Where the operator's secrets lie."""
        return self.path / "operator"

    @property
    def tls(self) -> Path:
        """Where certificates and their keys lie."""
        return self.path / "tls"

    def database_url(self, service: str) -> str:
        """The database of a service."""
        return f"sqlite:///{self.path / service}.db"

    @property
    def is_founded(self) -> bool:
        """Whether a platform has run here: what is missing now was lost."""
        return (self.path / FOUNDED).exists()

    def mark_founded(self) -> None:
        """Note that everything is there: every service has run."""
        names = "".join(f"{service}\n" for service in Service)
        if not self.is_founded or (self.path / FOUNDED).read_text() != names:
            write_private(self.path / FOUNDED, names.encode())

    def prepare(self) -> None:
        """Make the folders, and close them and the files in them to everybody but their owner.

        Raises:
            FolderIncompleteError: a platform has run here, and something of it is missing.
            OSError: the folder is another user's.
        """
        if missing := self._find_missing():
            raise FolderIncompleteError(
                f"{self.path} has been in use, but {', '.join(missing)} is missing, and what is left depends "
                "on it. Restore the whole folder from one backup; nothing was made in its place. For a new "
                "platform without accounts, name another folder"
            )
        for folder in (self.path, self.operator, self.tls, self.path / "objects"):
            folder.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
            _close_to_others(folder, _OWNER_ONLY_FOLDER)
        for folder in (self.path, self.operator, self.tls):
            for file in folder.iterdir():
                if file.is_file() and not file.is_symlink():
                    _close_to_others(file, _OWNER_ONLY_FILE)

    def _find_missing(self) -> list[str]:
        if not self.is_founded:
            return []
        databases = [f"{service}.db" for service in (self.path / FOUNDED).read_text().split()]
        needed = [*_NEEDED, *databases, *(["tls/ca.pem"] if (self.tls / "ca.key").exists() else [])]
        return [name for name in needed if not (self.path / name).exists()]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out. Raises FolderInUseError when one is in."""
        with (self.path / "lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise FolderInUseError(f"{self.path} is in use by another process") from error
            yield


def _close_to_others(path: Path, mode: int) -> None:
    if path.stat().st_mode & _OTHERS:
        path.chmod(mode)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all, and durably."""
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}.new")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(draft, flags, _OWNER_ONLY_FILE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name, too
    finally:
        os.close(folder)
