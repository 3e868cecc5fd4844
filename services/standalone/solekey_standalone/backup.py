"""A backup of an embedded platform, beside the running platform, and the way back. Spec: events.md §8.2.

::

    target.partial/  →  all files copied and durable  →  manifest.json  →  renamed to target/

The five databases are copied as of one moment: their writers are held for the milliseconds in which a read
transaction is opened on each, and each copy is made of what its transaction sees. So no database knows of
an event that another one lacks, as after a power failure at that moment. Objects are never changed and are
copied afterwards: what the databases name is there, and what nobody names is collected.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Timestamp
from solekey_protocol.services import Service
from solekey_standalone.folder import FOUNDED, DataFolder, write_private

MANIFEST: Final = "manifest.json"
FORMAT: Final = "solekey-backup/1"
_BUS: Final = "bus.db"
_FOLDERS: Final = ("objects", "operator", "tls")
_PARTIAL: Final = ".partial"
_WAIT_S: Final = 30.0
_OWNER_ONLY: Final = 0o700


class BackupError(Exception):
    """A backup that cannot be made, is not whole, or may not be restored there; says what to do."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A whole backup.

    Attributes:
        path: its folder.
        as_of: the moment that it is of.
        files: the size in bytes and SHA-256 of each file, by its path in the folder.
    """

    path: Path
    as_of: Timestamp
    files: dict[str, tuple[int, str]]


def take_backup(folder: DataFolder, target: Path) -> Backup:
    """Copy a platform, which may be running, into a new folder; it is there whole or not at all.

    Raises:
        BackupError: the target exists, or the platform is not one.
        OSError: files cannot be read or written.
        sqlite3.Error: a database is damaged, or was busy for too long.
    """
    if not folder.is_founded:
        raise BackupError(f"{folder.path}: no platform has run here")
    if target.exists():
        raise BackupError(f"{target} exists: a backup is never written over")
    draft = target.with_name(target.name + _PARTIAL)
    shutil.rmtree(draft, ignore_errors=True)  # of a backup that was interrupted
    draft.mkdir(mode=_OWNER_ONLY, parents=True)
    as_of = _copy_databases(folder.path, draft)
    for name in _FOLDERS:
        _copy_folder(folder.path / name, draft / name)
    shutil.copy2(folder.path / FOUNDED, draft / FOUNDED)
    files = {
        str(path.relative_to(draft)): (path.stat().st_size, _digest(path)) for path in _list_files(draft)
    }
    _write_manifest(draft, as_of, files)
    draft.rename(target)
    _make_durable(target.parent)
    return Backup(target, as_of, files)


def verify_backup(path: Path) -> Backup:
    """Verify that a backup is whole and that its databases are sound. Raises BackupError."""
    backup = _read_manifest(path)
    present = {str(file.relative_to(path)) for file in _list_files(path)} - {MANIFEST}
    if missing := sorted(set(backup.files) - present):
        raise BackupError(f"{path}: {missing[0]} is missing, with {len(missing) - 1} more files")
    if added := sorted(present - set(backup.files)):
        raise BackupError(f"{path}: {added[0]} is no part of it, nor are {len(added) - 1} more files")
    for name, (size, digest) in backup.files.items():
        if (path / name).stat().st_size != size or _digest(path / name) != digest:
            raise BackupError(f"{path}: {name} is damaged")
    for name in _databases():
        if name not in backup.files:
            raise BackupError(f"{path}: {name} is missing")
        with closing(sqlite3.connect(f"file:{path / name}?mode=ro&immutable=1", uri=True)) as database:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise BackupError(f"{path}: {name} is damaged: {found}")
    return backup


def restore_backup(path: Path, folder: DataFolder) -> Backup:
    """Verify a backup and copy it into a data folder that is not there yet; whole or not at all.

    Raises:
        BackupError: the backup is not whole, or there is something where it is to go.
        OSError: files cannot be read or written.
    """
    backup = verify_backup(path)
    if folder.path.exists() and any(folder.path.iterdir()):
        raise BackupError(
            f"{folder.path} is not empty: move it away, and keep it: its log may know what the backup lacks"
        )
    draft = folder.path.with_name(folder.path.name + _PARTIAL)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=_OWNER_ONLY, parents=True)
    for name in backup.files:
        (draft / name).parent.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        _copy_file(path / name, draft / name)
    if folder.path.exists():
        folder.path.rmdir()
    draft.rename(folder.path)
    _make_durable(folder.path.parent)
    return backup


def _databases() -> list[str]:
    return [*(f"{service}.db" for service in Service), _BUS]


def _copy_databases(source: Path, target: Path) -> Timestamp:
    """Copy all databases as of one moment, and return it."""
    names = _databases()
    with ExitStack() as stack:
        readers = {name: stack.enter_context(_open(source / name)) for name in names}
        with ExitStack() as held:
            for name in names:  # always in this order; services never write to two of them in a transaction
                held.enter_context(_open(source / name)).execute("BEGIN IMMEDIATE")
            as_of = Timestamp.from_datetime(datetime.now(UTC))
            for reader in readers.values():
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the snapshot begins here
        for name, reader in readers.items():
            with closing(sqlite3.connect(target / name, isolation_level=None)) as copy:
                reader.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a write-ahead log beside it
            _close_to_others(target / name)
    return as_of


def _open(path: Path) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=_WAIT_S, isolation_level=None))


def _copy_folder(source: Path, target: Path) -> None:
    target.mkdir(mode=_OWNER_ONLY)
    for path in _list_files(source):
        place = target / path.relative_to(source)
        place.parent.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        try:
            _copy_file(path, place)
        except FileNotFoundError:
            continue  # an object that was collected meanwhile, or a file on its way to its name


def _copy_file(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    _close_to_others(target)


def _close_to_others(path: Path) -> None:
    path.chmod(0o600)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _list_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.sha256).hexdigest()


def _write_manifest(folder: Path, as_of: Timestamp, files: dict[str, tuple[int, str]]) -> None:
    document = {
        "format": FORMAT,
        "as_of": as_of,
        "version": version("solekey-standalone"),
        "files": {name: {"bytes": size, "sha256": digest} for name, (size, digest) in files.items()},
    }
    write_private(folder / MANIFEST, json.dumps(document, indent=1).encode())


def _read_manifest(path: Path) -> Backup:
    try:
        document: dict[str, Any] = json.loads((path / MANIFEST).read_bytes())
        if document["format"] != FORMAT:
            raise BackupError(f"{path}: of another format, {document['format']!r:.40}")
        files = {name: (int(each["bytes"]), str(each["sha256"])) for name, each in document["files"].items()}
        return Backup(path, Timestamp(document["as_of"]), files)
    except FileNotFoundError:
        raise BackupError(f"{path} is no whole backup: it has no {MANIFEST}") from None
    except (ValueError, KeyError, TypeError, AttributeError, MalformedError) as error:
        raise BackupError(f"{path}: {MANIFEST} is damaged") from error


def _make_durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
