"""The platform on a full disk: nothing acknowledged is lost, refusals say so, and it goes on with room.

Databases, bus and objects share the disk, as in an embedded platform; or PostgreSQL's tables have one of
their own. Spec: vault.md §3.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from solekey import Vault
from solekey.account.enrolment import trust_device
from solekey.errors import SolekeyError, StorageFullError, UnavailableError
from solekey_protocol.limits import KIB, MIB
from solekey_protocol.services import SERVICES
from tests.support.engines.engine import required
from tests.support.engines.postgres import connect, run_local_postgres, run_postgres_wheel
from tests.support.engines.waiting import wait_until
from tests.support.people.library_user import LibraryUser
from tests.support.platform_process import PlatformProcess
from tests.support.small_disk import SmallDisk, mount_small_disk
from tests.system.killing.platform import DeadlyPlatform

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
            return read_all(vault)


def read_all(vault: Vault) -> dict[str, bytes]:
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


@pytest.fixture
def tables() -> Iterator[tuple[SmallDisk, str]]:
    """A disk that PostgreSQL keeps the services' tables on, and the template of their URLs."""
    with ExitStack() as stack:
        url = stack.enter_context(required(run_postgres_wheel()))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="solekey-tables-"))) / "tables"
        folder.mkdir()
        disk = stack.enter_context(mount_small_disk(folder, ROOM_BYTES, files=10_000))
        with connect(url) as db:
            [(data,)] = db.execute("SHOW data_directory").fetchall()
            owner = Path(data).stat()
            folder.parent.chmod(0o755)
            os.chown(folder, owner.st_uid, owner.st_gid)
            db.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
            for service in SERVICES:
                db.execute(f"CREATE DATABASE full_{service} TABLESPACE small")
        template = url.set(drivername="postgresql+psycopg", database="full_SERVICE")
        yield disk, template.render_as_string(hide_password=False)


@pytest.mark.postgres
def test_full_tables_of_postgresql_lose_nothing_and_are_read_meanwhile(
    tables: tuple[SmallDisk, str], tmp_path: Path
) -> None:
    disk, template = tables
    platform = DeadlyPlatform(tmp_path / "platform", template)
    platform.open()
    try:
        bob = LibraryUser(platform, tmp_path)
        bob.sign_up().close()
        with unlocked(bob) as vault:
            vault.put("before", b"1")
            disk.leave(MIB)
            acknowledged, refusal = put_until_refused(vault)
            assert refusal.code in {"storage_full", "unavailable"}
            expected = {"before": b"1", **acknowledged}
            disk.fill()
            assert read_all(vault).items() >= expected.items()
            platform.restart()
            with pytest.raises(SolekeyError):
                vault.put("meanwhile", b"x")
            disk.resize(ROOM_BYTES)
            wait_until(lambda: has_room(vault))
            found = read_all(vault)
        assert found.items() >= {"after": b"2", **expected}.items()
        assert read_on_a_new_device(bob) == found
    finally:
        platform.close()


@dataclass(frozen=True)
class LogDisk:
    """A disk that PostgreSQL's write-ahead log has for itself; the server dies without room there."""

    disk: SmallDisk
    server: Any
    template: str

    def use_up(self) -> None:
        """Begin a new file of the log, as much writing would."""
        with suppress(psycopg.Error), connect(make_url(self.server.get_uri())) as db:
            db.execute("SELECT pg_switch_wal()")

    def has_server(self) -> bool:
        """Start the server if it has ended, as a supervisor does; tell whether it answers."""
        with suppress(subprocess.SubprocessError, RuntimeError, psycopg.OperationalError):
            self.server.ensure_postgres_running()
            connect(make_url(self.server.get_uri())).close()
            return True
        return False


@pytest.fixture
def log_disk() -> Iterator[LogDisk]:
    with ExitStack() as stack:
        server = stack.enter_context(required(run_local_postgres()))
        url = make_url(server.get_uri())
        with connect(url) as db:
            for setting in ("min_wal_size = '32MB'", "max_wal_size = '32MB'"):
                db.execute(f"ALTER SYSTEM SET {setting}")
            for service in SERVICES:
                db.execute(f"CREATE DATABASE full_{service}")
        server.stop()
        log = server.pgdata / "pg_wal"
        owner = log.stat()
        disk = stack.enter_context(mount_small_disk(log, ROOM_BYTES))
        os.chown(log, owner.st_uid, owner.st_gid)
        server.ensure_postgres_running()
        stack.callback(server.stop)
        template = url.set(drivername="postgresql+psycopg", database="full_SERVICE")
        yield LogDisk(disk, server, template.render_as_string(hide_password=False))


@pytest.mark.postgres
def test_a_full_write_ahead_log_of_postgresql_loses_nothing(log_disk: LogDisk, tmp_path: Path) -> None:
    """The server dies of it. Started again with room, nothing else is to be done: the services go on."""
    platform = DeadlyPlatform(tmp_path / "platform", log_disk.template)
    platform.open()
    try:
        bob = LibraryUser(platform, tmp_path)
        bob.sign_up().close()
        with unlocked(bob) as vault:
            expected = {"before": b"1"}
            vault.put("before", b"1")
            log_disk.disk.leave(MIB)
            refusal = None
            for number in count():
                log_disk.use_up()
                try:
                    vault.put(f"item {number}", b"x")
                except SolekeyError as error:
                    refusal = error
                    break
                expected[f"item {number}"] = b"x"
            assert refusal is not None
            assert refusal.code in NO_ROOM
            log_disk.disk.resize(ROOM_BYTES)
            wait_until(lambda: log_disk.has_server() and has_room(vault))
            found = read_all(vault)
        assert found.items() >= {"after": b"2", **expected}.items()
        assert read_on_a_new_device(bob) == found
        said = (tmp_path / "platform" / "platform.log").read_text()
        told = [line for line in said.splitlines() if "vault: the database does not answer: " in line]
        assert 1 <= len(told) <= 5  # the cause, whenever it changes, and not for each request
        assert "Traceback" not in said
    finally:
        platform.close()


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
        found = read_all(vault)
    expected = {"before": b"1", "after": b"2", **acknowledged}
    assert found.items() >= expected.items()
    assert read_on_a_new_device(ada) == found
