"""A profile, or a target, on a disk that is full: it is read on, nothing is lost, and it goes on with room.

Spec: hostile-server.md §2, item-index.md §3, recovery.md §4.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from solekey import UserKey, Vault
from solekey.account.session import Session
from solekey.errors import DiskFullError, RollbackError, WrongUserKeyError
from solekey.files.private_folder import PrivateFolder
from solekey.profile.pins import load_pin
from solekey.rotation.rotation import change_user_key
from solekey.vault.index.index_file import delete_index_file
from solekey.vault.index.item_index import INDEX_FILE
from solekey_protocol.events import Stream
from solekey_protocol.limits import MAX_PART_BYTES, MIB
from tests.support.client.world import World
from tests.support.small_disk import SmallDisk, mount_small_disk

pytestmark = pytest.mark.slow

FILLINGS: dict[str, Callable[[SmallDisk], None]] = {
    "no bytes": SmallDisk.fill,
    "no names": SmallDisk.use_up_names,
}


@pytest.fixture
def disk(home: World) -> Iterator[SmallDisk]:
    """What the laptop's profile is on, with an item."""
    with home.sessions["laptop"].unlock(home.key()) as vault:
        vault.put("before", b"1")
    with mount_small_disk(home.folder / "laptop") as disk:
        yield disk


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[SmallDisk]:
    """Another disk, which people write to."""
    (tmp_path / "stick").mkdir()
    with mount_small_disk(tmp_path / "stick", 16 * MIB) as disk:
        yield disk


@pytest.fixture
def phone(home: World, disk: SmallDisk) -> Vault:
    """Another device, whose disk has room."""
    home.add_device("phone")
    home.reopen("laptop").sync()
    return home.unlock("phone")


def find_pinned(home: World) -> dict[Stream, int]:
    folder = PrivateFolder(home.folder / "laptop")
    return {stream: load_pin(folder, stream).seq for stream in Stream if home.account.events.get(stream)}


def find_shown(home: World) -> dict[Stream, int]:
    return {stream: len(events) for stream, events in home.account.events.items() if events}


def read_all(vault: Vault) -> dict[str, bytes]:
    return {info.name: vault.get(info.id).content for info in vault.list()}


def test_a_full_profile_loses_nothing_and_goes_on(home: World, disk: SmallDisk, tmp_path: Path) -> None:
    film = tmp_path / "film"
    film.write_bytes(os.urandom(2 * MIB))
    disk.fill()
    with pytest.raises(DiskFullError), home.reopen("laptop").unlock(home.key()) as vault:
        vault.put_file(film, "film")
    disk.empty()
    with home.reopen("laptop").unlock(home.key()) as vault:
        vault.put_file(film, "film")
        vault.put("after", b"2")
        assert vault.get("film").content == film.read_bytes()
    with home.reopen("laptop").unlock(home.key()) as vault:
        assert read_all(vault) == {"before": b"1", "after": b"2", "film": film.read_bytes()}


@pytest.mark.parametrize("how", FILLINGS)
def test_a_full_profile_is_read_refuses_changes_and_goes_on_by_itself(
    home: World, disk: SmallDisk, phone: Vault, how: str
) -> None:
    pinned = find_pinned(home)
    assert pinned == find_shown(home)
    FILLINGS[how](disk)
    phone.put("news", b"2")
    shown = find_shown(home)
    notices: list[str] = []
    runtime = replace(home.runtime, notice=notices.append)
    session = home.stack.enter_context(Session.open(disk.path, runtime))
    with session.unlock(home.key()) as vault:
        assert read_all(vault) == {"before": b"1", "news": b"2"}
        assert len(session.devices.list()) == 2
        for change in (lambda: vault.put("mine", b"3"), lambda: vault.remove("before")):
            with pytest.raises(DiskFullError):
                change()
        with pytest.raises(DiskFullError):
            change_user_key(vault, UserKey.make())
        assert find_shown(home) == shown  # nothing was signed
        assert find_pinned(home) == pinned
        disk.empty()
        vault.put("mine", b"3")
        assert find_pinned(home) == find_shown(home)
        assert read_all(vault) == {"before": b"1", "news": b"2", "mine": b"3"}
    assert sum("disk is full" in notice for notice in notices) == 1
    with home.reopen("laptop").unlock(home.key()) as vault:
        assert read_all(vault) == {"before": b"1", "news": b"2", "mine": b"3"}


def test_what_is_seen_on_a_full_disk_counts_for_the_program_and_is_pinned_with_room(
    home: World, disk: SmallDisk, phone: Vault
) -> None:
    before = find_pinned(home)
    disk.fill()
    phone.put("news", b"2")
    session = home.reopen("laptop")
    session.sync()
    assert find_pinned(home) == before
    newest = home.account.events[Stream.VAULT].pop()
    with pytest.raises(RollbackError):
        session.sync()
    home.account.events[Stream.VAULT].append(newest)
    disk.empty()
    session.sync()  # nothing new: what could not be saved before is saved
    assert find_pinned(home) == find_shown(home)
    home.account.events[Stream.VAULT].pop()
    with pytest.raises(RollbackError):
        home.reopen("laptop").sync()


@pytest.mark.parametrize("how", FILLINGS)
@pytest.mark.parametrize("there", [True, False], ids=["an index", "no index"])
def test_the_index_is_read_from_its_file_or_followed_in_memory(
    home: World, disk: SmallDisk, how: str, there: bool
) -> None:
    with home.reopen("laptop").unlock(home.key()) as vault:
        vault.put("more", b"2")
    if not there:
        delete_index_file(disk.path / INDEX_FILE)
    FILLINGS[how](disk)
    session = home.reopen("laptop")
    home.server.requests.clear()
    with session.unlock(home.key()) as vault:
        assert {info.name for info in vault.list()} == {"before", "more"}
        asked = [path for _, path in home.server.requests if "objects" in path]
        assert bool(asked) != there  # what the file has is not fetched again
        assert read_all(vault) == {"before": b"1", "more": b"2"}
    disk.empty()
    with home.reopen("laptop").unlock(home.key()) as vault:
        assert {info.name for info in vault.list()} == {"before", "more"}
        assert (disk.path / INDEX_FILE).exists()


@pytest.mark.parametrize("how", FILLINGS)
def test_a_session_is_refreshed_on_a_full_disk(home: World, disk: SmallDisk, how: str) -> None:
    FILLINGS[how](disk)
    for _ in range(3):  # access tokens are good for five minutes, refresh tokens for once
        home.server.now += timedelta(minutes=6)
        with home.reopen("laptop").unlock(home.key()) as vault:
            assert read_all(vault) == {"before": b"1"}
    assert home.account.states[Stream.AUTH].sessions


@pytest.mark.parametrize("size", [MIB, MAX_PART_BYTES + MIB])
def test_a_full_target_keeps_what_stood_there(
    home: World, stick: SmallDisk, tmp_path: Path, size: int
) -> None:
    film = tmp_path / "film"
    film.write_bytes(os.urandom(size))
    target = stick.path / "film"
    target.write_bytes(b"old")
    with home.sessions["laptop"].unlock(home.key()) as vault:
        vault.put_file(film)
        stick.fill()
        with pytest.raises(DiskFullError):
            vault.get_file("film", target)
        assert sorted(path.name for path in stick.path.iterdir()) == ["ballast", "film"]
        assert target.read_bytes() == b"old"
        stick.empty()
        vault.get_file("film", target)
    assert target.read_bytes() == film.read_bytes()


def test_a_large_file_is_had_where_the_target_has_room_and_the_profile_has_none(
    home: World, disk: SmallDisk, tmp_path: Path
) -> None:
    film = tmp_path / "film"
    film.write_bytes(os.urandom(MAX_PART_BYTES + MIB))
    home.add_device("phone")
    home.unlock("phone").put_file(film)
    disk.fill()
    with home.reopen("laptop").unlock(home.key()) as vault:
        vault.get_file("film", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == film.read_bytes()


def test_a_kit_that_has_no_room_leaves_the_old_words_in_force(
    home: World, stick: SmallDisk, run_cli: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    words, kit = tmp_path / "words", stick.path / "new.pdf"
    words.write_text(home.phrase)
    change = ("rotate", "user-key", "--accept-risk", "--kit", kit, "--user-key", f"@{words}")
    with home.sessions["laptop"].unlock(home.key()) as vault:
        vault.put("before", b"1")
    stick.fill()
    code, _, said = run_cli("laptop", *change)
    assert code != 0
    assert "[disk_full]" in said
    assert not kit.exists()
    with home.reopen("laptop").unlock(home.key()) as vault:
        assert read_all(vault) == {"before": b"1"}
        assert not vault.unlocked.streams.rotation.rotations
    stick.empty()
    code, _, said = run_cli("laptop", *change)
    assert code == 0, said
    assert kit.exists()
    with pytest.raises(WrongUserKeyError), home.reopen("laptop").unlock(home.key()):
        raise AssertionError
