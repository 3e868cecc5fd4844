"""Long histories: what it costs to open an account with 1,000, 10,000 and 100,000 commits.

``make bench-history``. The accounts are made quickly: the statements are signed here, each in its place, and
written through the event store (service), or served from memory by the tests' server (client). What is
measured is the product's own code: a process of the vault service that has just begun, and the client library
on a profile, over an in-process transport.

*Service*: folding the vault stream with an empty cache, and a new process on a database with 10,000 accounts
until it has served one. *Client*: opening a profile and following the server; a fresh device that downloads
and verifies all; memory.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.history_account import (
    add_commits,
    make_server_account,
    write_accounts,
    write_commits,
    write_long_account,
)
from bench.measure import Row, make_row, print_rows, write_rows
from solekey.account.session import Session
from solekey.streams.stream_copy import FOLD_EVENTS
from solekey_eventlog.bus import derive_topics, open_bus
from solekey_eventlog.clock import Clock, ManualClock
from solekey_eventlog.secret import Secret
from solekey_eventlog.streams import SNAPSHOT_EVENTS, Streams
from solekey_protocol.ids import AccountId
from solekey_protocol.streams import VaultStream
from solekey_service.build import build_service
from solekey_service.kernel import Kernel
from solekey_vault.definition import DEFINITION
from tests.support.client.world import World
from tests.support.eventlog.author import NOON

SIZES: Final = (1_000, 10_000, 100_000)
ACCOUNTS: Final = 10_000
_ROUNDS: Final = 7
_OUTPUT: Final = Path("build/bench/history.json")


def main() -> None:
    """Measure, print, write."""
    rows: list[Row] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure_service(Path(folder), size)
            rows += measure_client(Path(folder), size)
    with tempfile.TemporaryDirectory() as folder:
        rows += measure_restart(Path(folder))
    write_rows(_OUTPUT, rows)
    print_rows("Long histories", rows)


def build_vault(folder: Path, clock: Clock | None = None) -> Kernel[Any]:
    """Build the vault service on a database in a folder.

    Args:
        folder: where it keeps everything.
        clock: what the time of its events is read from.
    """
    bus_url = f"embedded://{folder}/bus.db"
    bus = open_bus(bus_url)
    bus.create_topics(derive_topics())
    url = Secret(f"sqlite:///{folder}/vault.db")
    config = DEFINITION.config(
        database_url=url,
        bus_url=bus_url,
        origin="https://solekey.example",
        object_store_url=f"file://{folder}/objects",
    )
    return build_service(DEFINITION, config, bus, clock=clock).kernel


def measure_service(folder: Path, size: int) -> list[Row]:
    """Measure a service that does not know the account yet; its snapshot is as old as it can be."""
    covered = size - SNAPSHOT_EVENTS + 1
    kernel = build_vault(folder, ManualClock(NOON.datetime))
    author = write_long_account(kernel, covered)
    first_s = take_s(lambda: fold_anew(kernel, author.account))  # without a snapshot, as after an upgrade
    write_commits(kernel, author, covered + 1, size)
    cold_ms = take_median_ms(lambda: fold_anew(kernel, author.account))
    kernel.close()
    name = f"service, {size:,} commits"
    return [
        make_row(f"{name}: fold all events, as without a snapshot", first_s * 1000, "ms"),
        make_row(
            f"{name}: open a cold account",
            cold_ms,
            "ms",
            reference="without a snapshot",
            against=first_s * 1000,
            goal="value <= 50",
        ),
    ]


def fold_anew(kernel: Kernel[Any], account: AccountId) -> None:
    """Fold the account's stream as a process does that has just begun."""
    with kernel.store.read() as uow:
        Streams(kernel.store, kernel.streams.subscribed).fold_parked(uow, account, VaultStream)


def measure_client(folder: Path, size: int) -> list[Row]:
    """Measure a device that does not know the account, and one that does, also when its fold is old."""
    covered = size - FOLD_EVENTS + 1
    with make_server_account(folder, covered) as home:
        before = read_memory_mib()
        fresh_s = take_s(lambda: open_and_sync(home))
        grown = read_memory_mib() - before
        unlocked_ms = take_median_ms(lambda: open_and_unlock(home))
        add_commits(home, covered + 1, size)
        open_and_sync(home)
        opened_ms = take_median_ms(lambda: open_and_sync(home))
    name = f"client, {size:,} commits"
    return [
        make_row(f"{name}: a fresh device downloads and verifies", fresh_s, "s"),
        make_row(f"{name}: events that a fresh device verifies", size / fresh_s, "1/s"),
        make_row(f"{name}: memory that it takes", grown, "MiB"),
        make_row(f"{name}: open and unlock", unlocked_ms, "ms", goal="value <= 300"),
        make_row(
            f"{name}: open, {FOLD_EVENTS - 1} events after the fold", opened_ms, "ms", goal="value <= 300"
        ),
    ]


def open_and_sync(home: World) -> None:
    """Open the profile as a command does, and follow the server."""
    with Session.open(home.folder / "laptop", home.runtime) as session:
        session.sync()


def open_and_unlock(home: World) -> None:
    """Open the profile and unlock the vault."""
    with Session.open(home.folder / "laptop", home.runtime) as session, session.unlock(home.key()):
        pass


def measure_restart(folder: Path) -> list[Row]:
    """Measure a new process of the service on a database with many accounts."""
    kernel = build_vault(folder, ManualClock(NOON.datetime))
    accounts = write_accounts(kernel, ACCOUNTS)
    kernel.close()
    command = [sys.executable, "-m", "bench.history_restart", str(folder), accounts[len(accounts) // 2]]
    seconds, memory = [], []
    for _ in range(3):
        started = time.perf_counter()
        process = subprocess.run(command, check=True, capture_output=True, text=True)  # our own program
        served_at, peak = process.stdout.split()
        seconds.append(float(served_at) - started)
        memory.append(float(peak))
    name = f"service, {ACCOUNTS:,} accounts"
    return [
        make_row(
            f"{name}: from its start to its first answer", statistics.median(seconds), "s", goal="value <= 5"
        ),
        make_row(f"{name}: peak memory after serving all of them", statistics.median(memory), "MiB"),
    ]


def take_median_ms(work: Callable[[], None]) -> float:
    """Do something several times and return how long it took, in milliseconds."""
    return statistics.median(take_s(work) for _ in range(_ROUNDS)) * 1000


def take_s(work: Callable[[], None]) -> float:
    """Do something and return how long it took."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def read_memory_mib() -> float:
    """Read the peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
