"""Under eventlet a green thread that waits for SQLite's writer must let the writer go on."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.repository import ROOT

PROGRAM = """
    import eventlet
    eventlet.monkey_patch()
    import sys, time
    from solekey_eventlog.clock import SystemClock
    from solekey_service.config import Secret
    from solekey_eventlog.engine import open_engine
    from solekey_eventlog.migrations import upgrade
    from solekey_eventlog.store import EventStore
    from solekey_protocol.events import Stream, auth
    from solekey_protocol.ids import AccountId
    from tests.support.demo_service import reacting as demo

    engine = open_engine(Secret(sys.argv[1]))
    store = EventStore(engine, Stream.AUTH, demo.TABLES, SystemClock())

    def write(number):
        account = AccountId.from_raw(bytes([number]) * 16)
        with store.begin() as uow:
            eventlet.sleep(0.05)  # somebody else's turn, with the write lock held
            uow.append(account, uow.head(account), auth.AccountRegistered(1))

    pool = eventlet.GreenPool()
    for _ in pool.imap(lambda _: upgrade(engine, "tests.support.demo_service"), range(3)):
        pass
    began = time.monotonic()
    for _ in pool.imap(write, range(10)):
        pass
    assert time.monotonic() - began < 10, "waited for busy_timeout"
    assert store.count_unpublished() == 10
    print("written")
"""


@pytest.mark.slow
def test_writers_in_green_threads_take_turns(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), f"sqlite:///{tmp_path}/green.db"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "written\n", done.stderr
