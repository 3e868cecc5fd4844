"""One process of the vault's benchmark: a client that fills, reads or lists an account; prints JSON.

It is a process of its own so that its peak memory is that of its work alone. See `bench.vault`.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest import mock

from solekey import UserKey, Vault
from solekey.account.session import Session
from solekey.connection.connection import Connection

CONTENT_BYTES: Final = 1024
AT_ONCE: Final = 10_000  # items given to one put_many
_SINGLE: Final = 15  # puts and gets of one item, whose median counts


def fill(profile: Path, phrase: str, items: int) -> dict[str, float]:
    """Put many items, in calls of `AT_ONCE`."""
    with unlocked(profile, phrase) as vault:
        begun_s, cpu_s = time.perf_counter(), time.process_time()
        for start in range(0, items, AT_ONCE):
            names = range(start, min(start + AT_ONCE, items))
            vault.put_many({name_item(number): make_content(number) for number in names})
        spent_s = time.perf_counter() - begun_s
        return {"put_many": items / spent_s, "put_many_cpu_us": (time.process_time() - cpu_s) / items * 1e6}


def use(profile: Path, phrase: str, items: int) -> dict[str, float]:
    """Put and get single items in an open session."""
    with unlocked(profile, phrase) as vault:
        vault.get(name_item(0))
        gets = [measure_ms(partial(vault.get, name_item(n * 7 % items))) for n in range(_SINGLE)]
        puts = [measure_ms(partial(vault.put, f"single {n}", make_content(n))) for n in range(_SINGLE)]
        return {"get_ms": statistics.median(gets), "put_ms": statistics.median(puts)}


def get_one(profile: Path, phrase: str, items: int) -> dict[str, float]:
    """Get one item by name in a new session; counts the bytes of all answers."""
    with counting() as counted:
        begun_s = time.perf_counter()
        with unlocked(profile, phrase) as vault:
            content = vault.get(name_item(items // 2)).content
        spent_ms = (time.perf_counter() - begun_s) * 1000
    if content != make_content(items // 2):
        raise ValueError("another content than was put")
    return {"new_session_get_ms": spent_ms, "new_session_get_bytes": counted[0]}


def read_all(profile: Path, phrase: str, items: int) -> dict[str, float]:
    """Verify and list everything on a device that has followed nothing yet, then get all contents."""
    with Session.open(profile) as session:
        begun_s, cpu_s = time.perf_counter(), time.process_time()
        with session.unlock(UserKey.from_phrase(phrase)) as vault:
            listing = vault.list()
            listed_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - cpu_s
            begun_s = time.perf_counter()
            got = len([None for _ in vault.get_many([info.id for info in listing])])
            got_s = time.perf_counter() - begun_s
    if len(listing) < items or got != len(listing):
        raise ValueError(f"{len(listing)} listed, {got} got, of {items}")
    return {
        "fresh_list": len(listing) / listed_s,
        "fresh_list_cpu_us": cpu_s / len(listing) * 1e6,
        "get_many": got / got_s,
    }


TASKS: Final[dict[str, Callable[[Path, str, int], dict[str, float]]]] = {
    "fill": fill,
    "use": use,
    "get_one": get_one,
    "read_all": read_all,
}


@contextmanager
def unlocked(profile: Path, phrase: str) -> Iterator[Vault]:
    """Unlock the account of a profile."""
    with Session.open(profile) as session, session.unlock(UserKey.from_phrase(phrase)) as vault:
        yield vault


@contextmanager
def counting() -> Iterator[list[int]]:
    """Count the bytes of the answers."""
    counted, real = [0], Connection.call

    def call(self: Connection, *arguments: Any, **options: Any) -> Any:
        answer = real(self, *arguments, **options)
        counted[0] += len(answer.body)
        return answer

    with mock.patch.object(Connection, "call", call):
        yield counted


def name_item(number: int) -> str:
    """Name an item of the benchmark."""
    return f"item {number:06}"


def make_content(number: int) -> bytes:
    """Make an item's content."""
    return number.to_bytes(8, "big") * (CONTENT_BYTES // 8)


def measure_ms(task: Callable[[], object]) -> float:
    """Measure how long a task takes."""
    begun_s = time.perf_counter()
    task()
    return (time.perf_counter() - begun_s) * 1000


def main() -> None:
    """Run one task and print what it measured, with the process's peak memory."""
    task, profile, items = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    phrase = os.environ["SOLEKEY_USER_KEY"]
    measured = TASKS[task](profile, phrase, items)
    print(json.dumps({**measured, "peak_mib": read_peak_mib()}))


def read_peak_mib() -> float:
    """Read this process's peak memory; `getrusage` would tell that of the process that started it, too."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
