"""What waits for the disk is done where it holds nobody up: SQLite's commits, and nothing else."""

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from solekey_eventlog.bus import TopicSettings, derive_topics, open_bus
from solekey_eventlog.clock import SystemClock
from solekey_eventlog.engine import open_engine
from solekey_eventlog.errors import StalePositionError
from solekey_eventlog.secret import Secret
from solekey_eventlog.store import EventStore
from solekey_protocol.events import Stream, auth
from solekey_protocol.ids import AccountId
from solekey_protocol.statements import EMPTY_HEAD, Head
from tests.support.demo_service.reacting import AUTH, TABLES
from tests.support.engines.sqlite import copy_migrated
from tests.support.repository import ROOT

ACCOUNT = AccountId.from_raw(bytes(16))
TIMEOUT_S = 60.0


class Disk:
    """Counts the commits that wait for it, and holds them until it is free."""

    def __init__(self) -> None:
        self.count = 0
        self.asked = threading.Event()
        self.free = threading.Event()
        self.free.set()

    def offload(self, work: Callable[[], Any]) -> Any:
        self.count += 1
        self.asked.set()
        assert self.free.wait(TIMEOUT_S)
        return work()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def store(tmp_path: Path, disk: Disk) -> EventStore:
    url = f"sqlite:///{tmp_path / 'auth.db'}"
    copy_migrated(url, AUTH.package)
    return EventStore(open_engine(Secret(url), offload=disk.offload), Stream.AUTH, TABLES, SystemClock())


def append(store: EventStore, *after: Head) -> None:
    """Append an event after each head, all in one transaction."""
    with store.begin() as uow:
        for head in after or [uow.head(ACCOUNT)]:
            uow.append(ACCOUNT, head, auth.AccountRegistered(1))


def test_a_write_waits_for_the_disk_once_and_a_read_never(store: EventStore, disk: Disk) -> None:
    append(store)
    assert disk.count == 1
    assert store.count_unpublished() == 1
    assert disk.count == 1


def test_what_is_rolled_back_does_not_wait(store: EventStore, disk: Disk) -> None:
    with pytest.raises(StalePositionError):
        append(store, EMPTY_HEAD, EMPTY_HEAD)
    assert disk.count == 0
    assert store.count_unpublished() == 0


def test_while_the_disk_is_awaited_others_read_what_was_before(store: EventStore, disk: Disk) -> None:
    disk.free.clear()
    writer = threading.Thread(target=append, args=(store,))
    writer.start()
    assert disk.asked.wait(TIMEOUT_S)
    assert store.count_unpublished() == 0
    disk.free.set()
    writer.join()
    assert store.count_unpublished() == 1


def test_what_is_published_waits_for_the_disk(tmp_path: Path, disk: Disk) -> None:
    with open_bus(f"embedded://{tmp_path / 'bus.db'}", offload=disk.offload) as bus:
        bus.create_topics([TopicSettings("test.offload.v1", partitions=1)])
        before = disk.count
        bus.publish("test.offload.v1", "a", b"value")
        assert disk.count == before + 1
        assert [record.value for record in bus.read("test.offload.v1")] == [b"value"]
        assert disk.count == before + 1


PROGRAM = """
    import eventlet
    eventlet.monkey_patch()
    import sys
    from eventlet import patcher, tpool
    from solekey_eventlog.secret import Secret
    from solekey_protocol.events import auth
    from solekey_protocol.ids import AccountId
    from solekey_service.nameko_ext.wiring import Wiring
    from tests.support.demo_service.reacting import AUTH

    gate = patcher.original("threading").Event()
    gate.set()
    execute = tpool.execute

    def execute_when_open(work, *args, **kwargs):
        def held():
            if not gate.wait(30):
                raise TimeoutError
            return work(*args, **kwargs)
        return execute(held)

    tpool.execute = execute_when_open
    config = AUTH.config(database_url=Secret(sys.argv[1]), bus_url=sys.argv[2], origin="https://solekey.test")
    parts = Wiring(AUTH).build(config)
    store = parts.api.kernel.store
    account = AccountId.from_raw(bytes(16))

    def append():
        with store.begin() as uow:
            uow.append(account, uow.head(account), auth.AccountRegistered(1))

    def publish():
        parts.bus.publish("test.offload.v1", "a", b"value")

    for write in (append, publish):
        gate.clear()
        writing = eventlet.spawn(write)
        eventlet.sleep(0)
        print(write.__name__, "waits:", not writing.dead, "others read:", store.count_unpublished())
        gate.set()
        writing.wait()
    print(store.count_unpublished(), "event,", sum(1 for _ in parts.bus.read("test.offload.v1")), "record")
"""


@pytest.mark.slow
def test_a_service_waits_for_the_disk_beside_its_event_loop(tmp_path: Path) -> None:
    bus_url = f"embedded://{tmp_path / 'bus.db'}"
    with open_bus(bus_url) as bus:
        bus.create_topics([*derive_topics(), TopicSettings("test.offload.v1", partitions=1)])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), f"sqlite:///{tmp_path}/auth.db", bus_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "append waits: True others read: 0",
        "publish waits: True others read: 1",
        "1 event, 1 record",
    ], done.stderr
