"""The platform on a full disk: nothing acknowledged is lost, refusals say so, and it goes on with room.

Databases, bus and objects share the disk, as in an embedded platform. Spec: vault.md §3.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from solekey import Vault
from solekey.account.enrolment import trust_device
from solekey.errors import SolekeyError, StorageFullError, UnavailableError
from solekey_protocol.limits import KIB, MIB
from tests.support.engines.waiting import wait_until
from tests.support.people.library_user import LibraryUser
from tests.support.platform_process import PlatformProcess
from tests.support.small_disk import SmallDisk, mount_small_disk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOM_BYTES = 400 * MIB
"""More than the 256 MiB that the vault leaves the databases."""
SMALL, LARGE = 20 * KIB, 200 * KIB
"""An item that is kept as a row, and one that is kept as a file."""
NO_ROOM = {"storage_full", "unavailable", "trust_stale"}
"""507, and 503: on a full disk no service tells the others, through the bus, that it is alive."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    (tmp_path / "data").mkdir()
    with mount_small_disk(tmp_path / "data", ROOM_BYTES) as disk:
        yield disk


@pytest.fixture
def platform(disk: SmallDisk) -> Iterator[PlatformProcess]:
    process = PlatformProcess(disk.path)
    process.start()
    yield process
    process.stop()


@pytest.fixture
def ada(platform: PlatformProcess, tmp_path: Path) -> LibraryUser:
    user = LibraryUser(platform, tmp_path)
    user.sign_up().close()
    return user


@contextmanager
def unlocked(user: LibraryUser) -> Iterator[Vault]:
    with user.open("laptop") as session, session.unlock(user.key()) as vault:
        yield vault


def read_on_a_new_device(user: LibraryUser) -> dict[str, bytes]:
    with user.log_in("phone") as phone:
        trust_device(phone, user.key())
        with phone.unlock(user.key()) as vault:
            return {info.name: vault.get(info.id).content for info in vault.list()}


def put_until_refused(vault: Vault) -> tuple[dict[str, bytes], SolekeyError]:
    """Put items until one is refused; returns what was acknowledged, and the refusal."""
    acknowledged: dict[str, bytes] = {}
    for number in count():
        content = os.urandom(SMALL)
        try:
            vault.put(f"item {number}", content)
        except SolekeyError as refusal:
            return acknowledged, refusal
        acknowledged[f"item {number}"] = content
    raise AssertionError


def has_room(vault: Vault) -> bool:
    """Whether the platform takes something again."""
    try:
        vault.put("after", b"2")
    except UnavailableError:
        return False
    return True


def test_a_full_object_store_refuses_what_it_would_keep_and_goes_on(
    disk: SmallDisk, ada: LibraryUser
) -> None:
    large = os.urandom(LARGE)
    with unlocked(ada) as vault:
        disk.resize(ROOM_BYTES // 4)
        with pytest.raises(StorageFullError):
            vault.put("large", large)
        vault.put("small", b"1")  # the databases have the room that is left to them
        assert [info.name for info in vault.list()] == ["small"]
        disk.resize(ROOM_BYTES)
        vault.put("large", large)
    assert read_on_a_new_device(ada) == {"small": b"1", "large": large}


@pytest.mark.parametrize("killed", [False, True], ids=["it goes on", "it is killed and started again, full"])
def test_full_databases_lose_nothing_that_was_acknowledged(
    disk: SmallDisk, platform: PlatformProcess, ada: LibraryUser, killed: bool
) -> None:
    with unlocked(ada) as vault:
        vault.put("before", b"1")
        disk.leave(MIB)
        acknowledged, refusal = put_until_refused(vault)
        assert refusal.code in NO_ROOM
        disk.fill()
        if killed:
            platform.kill()
            platform.start()
        with pytest.raises(SolekeyError) as again:
            vault.put("meanwhile", b"x")
        assert again.value.code in NO_ROOM
        disk.resize(ROOM_BYTES)
        wait_until(lambda: has_room(vault))
        found = {info.name: vault.get(info.id).content for info in vault.list()}
    expected = {"before": b"1", "after": b"2", **acknowledged}
    assert found.items() >= expected.items()
    assert read_on_a_new_device(ada) == found
