"""A backup of an embedded platform: of one moment, whole or not at all, and never over anything."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from solekey_protocol.services import Service
from solekey_standalone.backup import MANIFEST, BackupError, restore_backup, take_backup, verify_backup
from solekey_standalone.folder import DataFolder

NAMES = [*(f"{service}.db" for service in Service), "bus.db"]
FIRST, LAST = NAMES[0], NAMES[-1]


def open_database(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=30)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """The files of a platform, whose databases only count."""
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    for name in NAMES:
        with closing(open_database(folder.path / name)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE told (n INTEGER)")
            database.execute("INSERT INTO told VALUES (0)")
    for name in ("operator/operator_key", "operator/signing_key", "objects/acc/one"):
        (folder.path / name).parent.mkdir(exist_ok=True)
        (folder.path / name).write_bytes(name.encode())
    folder.mark_founded()
    return folder


def read_count(path: Path) -> int:
    with closing(open_database(path)) as database:
        return int(database.execute("SELECT n FROM told").fetchone()[0])


def test_it_holds_what_was_committed_also_in_the_write_ahead_log(folder: DataFolder, tmp_path: Path) -> None:
    with closing(open_database(folder.path / FIRST)) as database:
        database.execute("UPDATE told SET n = 7")
        assert (folder.path / f"{FIRST}-wal").stat().st_size
        backup = take_backup(folder, tmp_path / "backup")
    assert read_count(backup.path / FIRST) == 7
    assert verify_backup(backup.path) == backup
    assert set(backup.files) == {
        *NAMES, "founded", "objects/acc/one", "operator/operator_key", "operator/signing_key",
    }  # fmt: skip
    assert [path for path in backup.path.rglob("*") if path.stat().st_mode & 0o077] == []
    restored = DataFolder(tmp_path / "restored")
    restore_backup(backup.path, restored)
    assert read_count(restored.path / FIRST) == 7
    assert (restored.path / "objects/acc/one").read_bytes() == b"objects/acc/one"


def test_no_database_knows_what_an_earlier_one_lacks(folder: DataFolder, tmp_path: Path) -> None:
    """Somebody counts in one database, then in the other, all the time: as an event goes to the bus."""
    stop, started = threading.Event(), threading.Event()

    def count() -> None:
        with (
            closing(open_database(folder.path / FIRST)) as own,
            closing(open_database(folder.path / LAST)) as bus,
        ):
            while not stop.is_set():
                own.execute("UPDATE told SET n = n + 1")
                bus.execute("UPDATE told SET n = n + 1")
                started.set()

    counter = threading.Thread(target=count)
    counter.start()
    try:
        assert started.wait(30)
        pairs = []
        for number in range(5):
            path = take_backup(folder, tmp_path / f"backup-{number}").path
            pairs.append((read_count(path / FIRST), read_count(path / LAST)))
    finally:
        stop.set()
        counter.join()
    assert {own - bus for own, bus in pairs} <= {0, 1}
    assert pairs[-1] > pairs[0]  # it counted meanwhile


def test_one_that_was_interrupted_is_no_backup_and_is_made_again(folder: DataFolder, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    (tmp_path / "backup.partial").mkdir()
    (tmp_path / "backup.partial" / FIRST).write_bytes(b"half")
    with pytest.raises(BackupError, match=r"no whole backup: it has no manifest\.json"):
        verify_backup(tmp_path / "backup.partial")
    take_backup(folder, target)
    assert not (tmp_path / "backup.partial").exists()
    verify_backup(target)
    with pytest.raises(BackupError, match="exists: a backup is never written over"):
        take_backup(folder, target)


def test_a_folder_in_which_no_platform_has_run_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no platform has run here"):
        take_backup(DataFolder(tmp_path / "empty"), tmp_path / "backup")


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: damage(path / "objects/acc/one"), "objects/acc/one is damaged"),
        (lambda path: damage(path / FIRST), f"{FIRST} is damaged"),
        (lambda path: (path / "objects/acc/one").unlink(), "objects/acc/one is missing"),
        (lambda path: (path / "objects/acc/two").write_bytes(b"x"), "objects/acc/two is no part of it"),
        (lambda path: (path / MANIFEST).unlink(), "no whole backup"),
        (lambda path: (path / MANIFEST).write_bytes(b"{}"), "manifest.json is damaged"),
        (lambda path: (path / MANIFEST).write_bytes(b'{"format":"other/1"}'), "of another format"),
    ],
)
def test_what_is_not_whole_is_not_restored(folder: DataFolder, tmp_path: Path, change, said: str) -> None:
    path = take_backup(folder, tmp_path / "backup").path
    change(path)
    target = DataFolder(tmp_path / "restored")
    with pytest.raises(BackupError, match=said):
        restore_backup(path, target)
    assert not target.path.exists()


def test_nothing_is_restored_over_a_platform(folder: DataFolder, tmp_path: Path) -> None:
    path = take_backup(folder, tmp_path / "backup").path
    before = {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()}
    with pytest.raises(BackupError, match="not empty: move it away, and keep it"):
        restore_backup(path, folder)
    assert {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()} == before
