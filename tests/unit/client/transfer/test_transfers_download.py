"""Downloads: resumed, whole or not at all, and never plaintext of an unfinished one."""

import os
import shutil
from pathlib import Path

import httpx
import pytest

from solekey.errors import (
    DiskFullError,
    LostObjectError,
    TargetError,
    TransferBusyError,
    UnreachableError,
    VersionGoneError,
)
from solekey.files import whole_file
from solekey.transfer import upload_spool as spool_module
from solekey.transfer.lock import hold_transfer
from solekey.transfer.upload_spool import KEPT_S
from tests.support.client.transfers import (
    FILM_BYTES,
    PART_BYTES,
    find_digests,
    list_files,
    make_film,
    restart,
    watch,
)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(spool_module, "MAX_PART_BYTES", PART_BYTES)


@pytest.fixture
def film(home, tmp_path) -> bytes:
    """A film in the vault, of several parts."""
    path = make_film(tmp_path)
    home.unlock("laptop").put_file(path)
    content = path.read_bytes()
    path.unlink()
    return content


@pytest.fixture
def target(tmp_path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder / "back.bin"


@pytest.fixture
def downloads(home) -> Path:
    return home.folder / "laptop" / "downloads"


@pytest.fixture
def in_order(monkeypatch):
    """Parts are fetched one after the other: which of two at the same time gets through, nobody can say."""
    monkeypatch.setattr("solekey.transfer.parallel.AT_ONCE", 1)


@pytest.mark.usefixtures("in_order")
def test_a_download_goes_on_where_it_was_cut(home, film, target, downloads):
    traffic = watch(home, fetches_left=2)
    with pytest.raises(UnreachableError):
        restart(home).get_file("film.bin", target)
    first = traffic.fetched
    assert len(first) == 2
    assert list_files(target.parent) == []
    assert [name.rpartition(".")[2] for name in list_files(downloads)] == ["sealed"]
    traffic = watch(home)
    vault = restart(home)
    vault.get_file("film.bin", target)
    assert target.read_bytes() == film
    assert sorted(first + traffic.fetched) == sorted(find_digests(vault, "film.bin"))
    assert list_files(downloads) == []
    assert list_files(target.parent) == ["back.bin"]


@pytest.mark.usefixtures("in_order")
def test_a_part_that_was_damaged_on_disk_is_fetched_again(home, film, target, downloads):
    watch(home, fetches_left=3)
    with pytest.raises(UnreachableError):
        restart(home).get_file("film.bin", target)
    [spool] = downloads.glob("*.sealed")
    with spool.open("r+b") as file:
        file.seek(PART_BYTES + 1000)
        byte = file.read(1)
        file.seek(PART_BYTES + 1000)
        file.write(bytes([byte[0] ^ 1]))
    traffic = watch(home)
    vault = restart(home)
    vault.get_file("film.bin", target)
    assert target.read_bytes() == film
    digests = find_digests(vault, "film.bin")
    assert traffic.fetched == [digests[1], *digests[3:]]


def test_what_is_on_disk_until_the_end_is_ciphertext(home, tmp_path, target, downloads):
    marker = b"the plaintext of the film "
    path = tmp_path / "film.bin"
    path.write_bytes(marker * (FILM_BYTES // len(marker)))
    home.unlock("laptop").put_file(path)
    path.unlink()

    def find_plaintext() -> list[str]:
        return [file.name for file in tmp_path.rglob("*") if file.is_file() and marker in file.read_bytes()]

    seen: list[list[str]] = []
    restart(home).get_file("film.bin", target, progress=lambda *_: seen.append(find_plaintext()))
    assert len(seen) > 5
    assert not any(seen)
    assert find_plaintext() == ["back.bin"]  # the search finds what is there


@pytest.mark.usefixtures("in_order")
def test_without_unnamed_files_a_temporary_one_is_used_and_abandoned_ones_are_deleted(
    home, film, target, monkeypatch
):
    monkeypatch.setattr(whole_file, "_OWN_FILES", Path("/nowhere"))
    left = whole_file._choose_temporary(target)
    left.write_bytes(b"what a killed process left")
    held = whole_file._choose_temporary(target)
    with held.open("wb") as file:
        assert whole_file.lock_descriptor(file.fileno(), wait=False)
        watch(home, fetches_left=1)
        with pytest.raises(UnreachableError):
            restart(home).get_file("film.bin", target)
    assert list_files(target.parent) == [held.name]  # another process writes it; ours is deleted
    watch(home)
    restart(home).get_file("film.bin", target)
    assert target.read_bytes() == film
    assert list_files(target.parent) == ["back.bin"]


def test_a_small_item_needs_no_spool(home, target, downloads):
    vault = home.unlock("laptop")
    vault.put("note", b"short")
    vault.get_file("note", target)
    assert target.read_bytes() == b"short"
    assert target.stat().st_mode & 0o777 == 0o600
    assert not downloads.exists()


def test_a_connection_lost_in_a_part_is_taken_up_again(home, film, target):
    lost: list[str] = []

    def lose_once(request, response):
        if request.method == "GET" and "/objects/" in request.url.path and not lost:
            lost.append(request.url.path)
            raise httpx.ReadError("connection reset")
        return response

    home.server.tamper = lose_once
    restart(home).get_file("film.bin", target)
    assert lost
    assert target.read_bytes() == film


@pytest.mark.usefixtures("in_order")
def test_the_old_file_stays_until_the_new_one_is_whole(home, film, target):
    target.write_bytes(b"old")
    watch(home, fetches_left=2)
    with pytest.raises(UnreachableError):
        restart(home).get_file("film.bin", target)
    assert target.read_bytes() == b"old"
    watch(home)
    restart(home).get_file("film.bin", target)
    assert target.read_bytes() == film


@pytest.mark.usefixtures("in_order")
def test_a_new_version_between_the_attempts_is_what_comes(home, film, tmp_path, target, downloads):
    watch(home, fetches_left=2)
    with pytest.raises(UnreachableError):
        restart(home).get_file("film.bin", target)
    home.server.be_honest()
    home.add_device("phone")
    phone = home.unlock("phone")
    new = make_film(tmp_path)
    phone.get("film.bin")
    assert phone.put_file(new).version == 2
    restart(home).get_file("film.bin", target)
    assert target.read_bytes() == new.read_bytes()
    assert list_files(downloads) == []  # the spool of the old version is gone, too


def test_two_at_the_same_time_are_refused_by_name(home, film, target, downloads):
    vault = restart(home)
    info = vault.find("film.bin")
    with (
        hold_transfer(downloads / f"{info.id}.{info.version}.lock"),
        pytest.raises(TransferBusyError) as refusal,
    ):
        vault.get_file("film.bin", target)
    assert refusal.value.code == "transfer_running"
    vault.get_file("film.bin", target)
    assert target.read_bytes() == film


@pytest.mark.parametrize("what", ["folder", "missing folder", "device", "pipe", "circle", "readable only"])
def test_a_target_that_is_no_file_is_refused_before_anything_is_fetched(home, film, tmp_path, what):
    target = tmp_path / "somewhere"
    if what == "folder":
        target.mkdir()
    elif what == "missing folder":
        target = target / "below"
    elif what == "device":
        target = Path("/dev/null")
    elif what == "pipe":
        os.mkfifo(target)
    elif what == "circle":
        target.symlink_to(target)
    else:
        target.mkdir(mode=0o500)
        target = target / "file"
        if os.geteuid() == 0:  # to whom every folder is open; /proc is not
            target = Path("/proc/self/file")
    traffic = watch(home)
    with pytest.raises(TargetError) as refusal:
        restart(home).get_file("film.bin", target)
    assert refusal.value.code == "target_unusable"
    assert not set(traffic.fetched)
    if what == "device":
        assert Path("/dev/null").is_char_device()


def test_a_link_is_not_followed(home, film, target, tmp_path):
    real = tmp_path / "real.bin"
    real.write_bytes(b"old")
    target.symlink_to(real)
    with pytest.raises(TargetError, match="symbolic link"):
        restart(home).get_file("film.bin", target)
    assert target.is_symlink()
    assert real.read_bytes() == b"old"


def test_a_full_disk_is_named_and_nothing_is_lost(home, film, target, monkeypatch):
    target.write_bytes(b"old")
    fill(target.parent, monkeypatch)
    with pytest.raises(DiskFullError) as refusal:
        restart(home).get_file("film.bin", target)
    assert refusal.value.code == "disk_full"
    assert str(target.parent) in str(refusal.value)
    assert target.read_bytes() == b"old"
    assert list_files(target.parent) == ["back.bin"]
    monkeypatch.undo()
    traffic = watch(home)
    restart(home).get_file("film.bin", target)
    assert target.read_bytes() == film
    assert not traffic.fetched


def test_a_full_profile_keeps_nobody_from_a_file(home, film, target, downloads, monkeypatch):
    fill(downloads, monkeypatch)
    restart(home).get_file("film.bin", target)
    assert target.read_bytes() == film
    assert list_files(target.parent) == ["back.bin"]


def fill(folder, monkeypatch):
    """Let a folder's disk say that there is no room."""
    real = shutil.disk_usage
    monkeypatch.setattr(
        "solekey.files.disk_room.shutil.disk_usage",
        lambda path: real(path)._replace(free=1000) if Path(path) == folder else real(path),
    )


@pytest.mark.usefixtures("in_order")
def test_what_nobody_will_resume_is_deleted(home, film, target, downloads):
    watch(home, fetches_left=2)
    with pytest.raises(UnreachableError):
        restart(home).get_file("film.bin", target)
    home.server.be_honest()
    vault = restart(home)
    vault.put("note", "x")
    vault.get_file("note", target)
    [spool] = downloads.glob("*.sealed")  # it is young, and its version lives
    old = spool.stat().st_mtime - KEPT_S - 60
    os.utime(spool, (old, old))
    vault.get_file("note", target)
    assert list_files(downloads) == []


def test_a_version_that_is_purged_while_it_is_fetched_is_no_accusation(home, film, target):
    vault = restart(home)
    digests = find_digests(vault, "film.bin")
    home.add_device("phone")
    phone = home.unlock("phone")
    phone.get("film.bin")

    def replace_and_purge(done, total):
        if done == total or phone.find("film.bin").version > 1:
            return
        phone.put("film.bin", b"short now")
        for digest in digests:
            del home.account.objects[digest]

    with pytest.raises(VersionGoneError) as refusal:
        vault.get_file("film.bin", target, progress=replace_and_purge)
    assert refusal.value.code == "item_version_gone"
    vault.get_file("film.bin", target)
    assert target.read_bytes() == b"short now"


def test_a_live_version_that_the_server_does_not_have_is_one(home, film, target):
    vault = restart(home)
    del home.account.objects[find_digests(vault, "film.bin")[2]]
    with pytest.raises(LostObjectError):
        vault.get_file("film.bin", target)
    assert list_files(target.parent) == []
