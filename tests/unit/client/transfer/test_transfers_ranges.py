"""Range reads: only the chunks that are needed are asked for, and an item is a file like any other."""

import io
import os
import random
import zipfile

import pytest

from solekey.errors import ItemMissingError, VersionGoneError, WipedSecretError
from solekey.transfer import upload_spool as spool_module
from solekey_protocol.envelope import HEADER_BYTES, TAG_BYTES
from solekey_protocol.limits import KIB, MIB
from tests.support.client.transfers import find_digests, restart, watch

SMALL_SEALED = 64 * KIB + TAG_BYTES
LARGE_SEALED = MIB + TAG_BYTES


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(5 * MIB)


@pytest.fixture(scope="module")
def large_content() -> bytes:
    return os.urandom(20 * MIB)


@pytest.fixture
def vault(home, content, monkeypatch):
    """A vault with ``tape``: 5 MiB in chunks of 64 KiB, and parts of 1 MB, which chunks lie across."""
    monkeypatch.setattr(spool_module, "MAX_PART_BYTES", 1_000_000)
    vault = home.unlock("laptop")
    vault.put("tape", content)
    return restart(home)


def find_final_sealed(vault, name: str, sealed_chunk: int) -> int:
    size = vault.find(name).sealed_size - HEADER_BYTES
    return size % sealed_chunk or sealed_chunk


@pytest.mark.parametrize(
    ("start", "size"),
    [(0, 1), (0, 0), (1, 10), (65_000, 2_000), (2_000_000, 300_000), (5 * MIB - 1, 1), (5 * MIB - 10, 100)],
)
def test_a_range_is_what_stands_there(vault, content, start, size):
    assert vault.get_range("tape", start, size) == content[start : start + size]


def test_a_range_at_or_behind_the_end_is_empty_and_a_negative_one_refused(vault, content):
    assert vault.get_range("tape", len(content), 10) == b""
    assert vault.get_range("tape", 2**60, 10) == b""
    for start, size in ((-1, 1), (0, -1)):
        with pytest.raises(ValueError, match="range"):
            vault.get_range("tape", start, size)
    with pytest.raises(ItemMissingError):
        vault.get_range("nothing", 0, 1)


def test_only_the_chunks_of_a_range_the_first_and_the_final_one_are_asked_for(home, vault):
    final = find_final_sealed(vault, "tape", SMALL_SEALED)
    for start, size, chunks in ((3_000_000, 100, 1), (3_000_000, 200_000, 4), (100, 100, 0)):
        traffic = watch(home)
        vault.get_range("tape", start, size)
        assert len(traffic.ranges) == len(traffic.fetched)  # no whole object
        assert traffic.ranged_bytes == HEADER_BYTES + SMALL_SEALED + chunks * SMALL_SEALED + final


def test_a_range_of_a_large_file_is_found_with_few_requests(home, large_content, monkeypatch):
    vault = home.unlock("laptop")
    vault.put("film", large_content)
    final = find_final_sealed(vault, "film", LARGE_SEALED)
    traffic = watch(home)
    assert vault.get_range("film", 9_000_000, 10) == large_content[9_000_000:9_000_010]
    assert traffic.ranged_bytes == HEADER_BYTES + LARGE_SEALED + LARGE_SEALED + final
    assert len(traffic.ranges) <= 4  # one chunk lies across two parts
    traffic = watch(home)
    assert vault.get_range("film", 0, len(large_content)) == large_content
    assert traffic.ranged_bytes == vault.find("film").sealed_size
    assert len(traffic.ranges) <= 12


def test_an_item_is_a_file_to_be_sought_in(vault, content):
    with vault.open("tape") as file:
        assert file.readable()
        assert file.seekable()
        assert not file.writable()
        assert file.raw.name == "tape"
        assert file.raw.info.version == 1
        assert file.read(10) == content[:10]
        assert file.seek(-10, io.SEEK_END) == len(content) - 10
        assert file.read() == content[-10:]
        assert file.read() == b""
        file.seek(1_000_000)
        file.seek(-5, io.SEEK_CUR)
        assert file.tell() == 999_995
        assert file.read(300_000) == content[999_995:1_299_995]
        file.seek(0)
        assert file.read() == content
        with pytest.raises(ValueError, match="before"):
            file.seek(-1)
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
    with pytest.raises(ValueError, match="closed"):
        file.read()


def test_random_reads_are_the_same_as_of_a_file_in_memory(vault, content):
    choose = random.Random(7)  # noqa: S311  # positions, no secret
    memory = io.BytesIO(content)
    with vault.open("tape") as file:
        for _ in range(60):
            position, size = choose.randrange(len(content) + 10), choose.randrange(200_000)
            assert file.seek(position) == memory.seek(position)
            assert file.read(size) == memory.read(size)


def test_a_zip_archive_is_read_without_fetching_it(home, tmp_path):
    archive = tmp_path / "many.zip"
    wanted = os.urandom(30_000)
    with zipfile.ZipFile(archive, "w") as files:
        for number in range(40):
            files.writestr(f"noise {number}", os.urandom(100_000))
        files.writestr("wanted", wanted)
    vault = home.unlock("laptop")
    vault.put_file(archive)
    traffic = watch(home)
    with vault.open("many.zip") as file, zipfile.ZipFile(file) as files:
        assert len(files.namelist()) == 41
        assert files.read("wanted") == wanted
    assert traffic.ranged_bytes < archive.stat().st_size / 4


def test_a_file_stays_on_its_version(home, vault, content):
    home.add_device("phone")
    phone = home.unlock("phone")
    phone.get("tape")
    with vault.open("tape") as file:
        assert file.read(10) == content[:10]
        assert phone.put("tape", b"new").version == 2
        file.seek(2_000_000)
        assert file.read(10) == content[2_000_000:2_000_010]
    with vault.open("tape") as file:
        assert file.read() == b"new"


def test_a_file_whose_version_is_purged_says_so(home, vault, content):
    home.add_device("phone")
    phone = home.unlock("phone")
    phone.get("tape")
    digests = find_digests(vault, "tape")
    with vault.open("tape") as file:
        file.read(10)
        phone.put("tape", b"new")
        for digest in digests:
            del home.account.objects[digest]
        file.seek(2_000_000)
        with pytest.raises(VersionGoneError):
            file.read(10)


def test_a_file_ends_with_the_unlocked_block(home, vault):
    with home.reopen("laptop").unlock(home.key()) as other:
        file = other.open("tape")
        file.read(10)
    file.seek(3_000_000)
    with pytest.raises(WipedSecretError):
        file.read(10)


def test_an_empty_item_is_an_empty_file(home):
    vault = home.unlock("laptop")
    vault.put("empty", b"")
    with vault.open("empty") as file:
        assert file.read() == b""
    assert vault.get_range("empty", 0, 10) == b""
