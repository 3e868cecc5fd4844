"""How fast keys are rotated on the embedded platform: re-encryption, user key changes, large files, resuming.

The platform is one process, the client another, TLS between them, items of 1 KiB. Each rate stands beside a
limit that was measured in the same run: small items beside sealing and opening them in memory alone, large
files beside a plain copy through the same API (`get_file`, then `put_file`). For resuming, a process is
killed (SIGKILL) when 90 % of the items are done, and another one goes on: what is counted is how many items
were sealed more than once.

Run it with `make bench-rotation`; `--sizes 1000 10000 100000` for the largest.

Spec: rotation.md §3.
"""

import argparse
import multiprocessing
import os
import secrets
import shutil
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, Final
from unittest import mock

from bench.measure import Row, make_row, print_rows, write_rows
from solekey.crypto import DataKey, ItemContext, ItemMetadata, open_bytes, seal_bytes
from solekey.rotation.rotation import change_user_key, rekey_data, resume_rotation
from solekey.transfer.uploader import Uploader
from solekey.vault.vault import Vault
from solekey_protocol.ids import AccountId, ItemId
from solekey_protocol.limits import MIB
from tests.support.people.library_user import LibraryUser
from tests.support.platform_process import PlatformProcess

REKEY_GOAL: Final = "value >= 3000"  # items a second
CHANGE_GOAL: Final = "value <= 0.5"  # seconds
LARGE_GOAL: Final = "ratio >= 0.5"
RESUME_GOAL: Final = "value <= 0.01"  # of the items
_ITEM_BYTES: Final = 1024
_PUT_AT_ONCE: Final = 5000
_FILES: Final = 4
_KILLED_AT: Final = 0.9
_SETTINGS: Final = {
    "SOLEKEY_STATEMENTS_PER_MINUTE": "1000000",
    "SOLEKEY_ACCOUNT_OBJECTS": "100000000",
    "SOLEKEY_ACCOUNT_OBJECTS_PER_HOUR": "100000000",
    "SOLEKEY_ACCOUNT_BYTES_PER_HOUR": str(1 << 40),
}


@contextmanager
def run_platform(folder: Path) -> Iterator[PlatformProcess]:
    """Run the embedded platform, with limits that a benchmark does not meet."""
    os.environ.update(_SETTINGS)
    platform = PlatformProcess(folder / "data")
    platform.folder.mkdir(parents=True)
    platform.start()
    try:
        yield platform
    finally:
        platform.stop()


def measure(work: Callable[[], object]) -> float:
    """Measure how many seconds something takes."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def measure_sealing(items: int) -> float:
    """Measure opening and sealing so many items in memory: items a second, the limit of one processor."""
    random = secrets.token_bytes
    key, account = DataKey.make(1, random), AccountId.from_raw(random(16))
    contexts = [ItemContext(account, ItemId.from_raw(random(16)), 1) for _ in range(items)]
    metadata, content = ItemMetadata("an item", "text/plain", 0, 0), random(_ITEM_BYTES)

    def seal(context: ItemContext) -> bytes:
        return seal_bytes(content, metadata=metadata, data_key=key, context=context, random=random)

    sealed = [seal(context) for context in contexts]
    pairs = list(zip(contexts, sealed, strict=True))
    began_s = time.perf_counter()
    for context, envelope in pairs:
        open_bytes(envelope, data_key=key, context=context)
        seal(context)
    return items / (time.perf_counter() - began_s)


def fill(vault: Vault, items: int) -> None:
    """Put so many small items."""
    for start in range(0, items, _PUT_AT_ONCE):
        names = range(start, min(start + _PUT_AT_ONCE, items))
        vault.put_many({f"item {name}": secrets.token_bytes(_ITEM_BYTES) for name in names})


def measure_small(platform: PlatformProcess, folder: Path, items: int, rounds: int) -> list[Row]:
    """Measure re-encryption and user key changes of an account of so many items."""
    user = LibraryUser(platform, folder / f"small-{items}")
    session = user.sign_up()
    with session.unlock(user.key()) as vault:
        fill(vault, items)
        rekeys = [measure(lambda: rekey_data(vault)) for _ in range(rounds)]
        changes = [measure(lambda: change_user_key(vault, user.new_key())) for _ in range(rounds)]
    limit = statistics.median(measure_sealing(min(items, 5000)) for _ in range(rounds))
    rate = items / statistics.median(rekeys)
    return [
        make_row(
            f"re-encrypt {items:,} items of 1 KiB",
            rate,
            "items/s",
            reference="open and seal in memory",
            against=limit,
            goal=REKEY_GOAL,
        ),
        make_row(
            f"change the user key of {items:,} items", statistics.median(changes), "s", goal=CHANGE_GOAL
        ),
        *_measure_resuming(user, items),
    ]


def _measure_resuming(user: LibraryUser, items: int) -> list[Row]:
    """Kill a re-encryption when most is done, and count what the next process seals again."""
    counter = multiprocessing.get_context("fork").Value("l", 0)
    started = multiprocessing.get_context("fork").Value("i", 0)
    child = os.fork()
    if child == 0:
        try:
            _rekey_and_die(user, counter, started)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if not (os.WIFSIGNALED(status) and started.value):
        raise RuntimeError("the process was not killed in the middle")
    with user.open("laptop") as session, session.unlock(user.key()) as vault, _counting(counter):
        took_s = measure(lambda: resume_rotation(vault))
        alive = {change.epoch for change in vault.unlocked.index.items.values()}
    if len(alive) != 1:
        raise RuntimeError("the re-encryption was not finished")
    again = (counter.value - items) / items
    return [
        make_row(f"sealed again after a kill at 90 % of {items:,}", again, "of all", goal=RESUME_GOAL),
        make_row(f"resume after a kill at 90 % of {items:,}", took_s, "s"),
    ]


def _rekey_and_die(user: LibraryUser, counter: "Synchronized[int]", started: "Synchronized[int]") -> None:
    def look(done: int, total: int) -> None:
        started.value = 1
        if done >= total * _KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)

    with user.open("laptop") as session, session.unlock(user.key()) as vault, _counting(counter):
        rekey_data(vault, progress=look)


@contextmanager
def _counting(counter: "Synchronized[int]") -> Iterator[None]:
    """Count what is sealed inside the block, in whichever process."""
    seal = Uploader.seal_small

    def count(*arguments: Any) -> Any:
        with counter.get_lock():
            counter.value += 1
        return seal(*arguments)

    with mock.patch.object(Uploader, "seal_small", count):
        yield


def measure_large(platform: PlatformProcess, folder: Path, size_mib: int, rounds: int) -> list[Row]:
    """Measure the re-encryption of large files beside a plain copy through the same API."""
    user = LibraryUser(platform, folder / "large")
    session = user.sign_up()
    copies = folder / "copies"
    copies.mkdir()
    source = copies / "source"
    with session.unlock(user.key()) as vault:
        for number in range(_FILES):
            _write_random(source, size_mib * MIB // _FILES)
            vault.put_file(source, f"film {number}")
        source.unlink()
        rekeys, copied = [], []
        for _ in range(rounds):
            copied.append(measure(lambda: _copy(vault, copies)))
            for number in range(_FILES):
                vault.remove(f"copy {number}")
            rekeys.append(measure(lambda: rekey_data(vault)))
    ours, plain = (size_mib / statistics.median(times) for times in (rekeys, copied))
    name = f"re-encrypt {size_mib:,} MiB in {_FILES} files"
    return [
        make_row(name, ours, "MiB/s", reference="get_file, then put_file", against=plain, goal=LARGE_GOAL)
    ]


def _copy(vault: Vault, folder: Path) -> None:
    for number in range(_FILES):
        path = folder / f"copy {number}"
        vault.get_file(f"film {number}", path)
        vault.put_file(path)
        path.unlink()


def _write_random(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(0, size, MIB):
            file.write(secrets.token_bytes(MIB))


def measure_all(sizes: Sequence[int], large_mib: int, rounds: int) -> list[Row]:
    """Measure everything, on one platform."""
    folder = Path(tempfile.mkdtemp(prefix="solekey-bench-"))
    try:
        with run_platform(folder) as platform:
            rows = [row for size in sizes for row in measure_small(platform, folder, size, rounds)]
            return [*rows, *measure_large(platform, folder, large_mib, rounds)] if large_mib else rows
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Measure, write build/bench/rotation.json, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000], help="items of an account")
    parser.add_argument("--large-mib", type=int, default=1024, help="MiB in large files; 0: none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("build/bench/rotation.json"))
    given = parser.parse_args()
    rows = measure_all(given.sizes, given.large_mib, given.rounds)
    write_rows(given.output, rows)
    print_rows("Rotation", rows)


if __name__ == "__main__":
    main()
