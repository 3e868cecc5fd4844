"""Objects damaged on the real platform's disk: one bad object harms one item, through every command."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from solekey.errors import LostObjectError
from solekey.rotation.leftovers import find_leftovers
from solekey.rotation.revocation import revoke_device
from solekey.rotation.rotation import rekey_data, resume_rotation
from solekey_protocol.limits import MIB
from tests.support.people.library_user import LibraryUser
from tests.support.platform_process import PlatformProcess

pytestmark = pytest.mark.slow


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def flip_first(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[90] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: list[Callable[[Path], None]] = [flip, flip_first, cut, empty, Path.unlink, make_folder]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory):
    process = PlatformProcess(tmp_path_factory.mktemp("damaged") / "data")
    process.folder.mkdir()
    process.start()
    yield process
    process.stop()


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_harms_its_own_item(platform: PlatformProcess, tmp_path: Path, how) -> None:
    ada = LibraryUser(platform, tmp_path)
    ada.sign_up().close()
    folder = platform.folder / "objects"
    with ada.open("laptop") as laptop, laptop.unlock(ada.key()) as vault:
        vault.put("good", b"1")
        vault.put("other", os.urandom(200_000))
        before = set(folder.rglob("*"))
        vault.put("bad", os.urandom(3 * MIB))
        (path,) = [found for found in set(folder.rglob("*")) - before if found.is_file()]
    how(path)
    with ada.open("laptop") as laptop, laptop.unlock(ada.key()) as vault:
        listing = vault.list()
        assert {"good", "other"} <= {info.name for info in listing}
        bad = next(item for item, change in vault.unlocked.index.items.items() if change.size > MIB)
        assert vault.get("good").content == b"1"
        vault.put("good", b"2")
        vault.put("new", b"3")
        vault.remove("other")
        rekey_data(vault)
        assert [item.id for item in find_leftovers(vault.unlocked)] == [bad]
        with ada.log_in("phone") as phone:
            lost = phone.devices.own_id
        laptop.sync()
        revocation = revoke_device(vault, lost, ada.new_key())
        assert [item.id for item in revocation.left] == [bad]
        vault.remove(bad)
        resume_rotation(vault)
        assert {change.epoch for change in vault.unlocked.index.items.values()} == {3}
        assert {live.wrapped.epoch for live in vault.unlocked.streams.vault.live_wraps()} == {3}
        assert sorted(info.name for info in vault.list()) == ["good", "new"]


def test_a_lost_row_harms_its_own_item(platform: PlatformProcess, tmp_path: Path) -> None:
    """Small objects are rows; the row of the bytes is gone, the one that names it is not."""
    ada = LibraryUser(platform, tmp_path)
    ada.sign_up().close()
    with ada.open("laptop") as laptop, laptop.unlock(ada.key()) as vault:
        vault.put("good", b"1")
        bad = vault.put("bad", b"2").id
        digest = vault.unlocked.index.items[bad].parts[0].digest
    database = platform.folder / "vault.db"
    with sqlite3.connect(database) as connection:
        (name,) = connection.execute("SELECT name FROM objects WHERE digest = ?", (digest,)).fetchone()
        connection.execute("DELETE FROM object_rows WHERE name = ?", (name,))
    connection.close()
    with ada.open("laptop") as laptop, laptop.unlock(ada.key()) as vault:
        assert [info.name for info in vault.list()] == ["bad", "good"]  # names are known on this device
        with pytest.raises(LostObjectError):
            vault.get(bad)
