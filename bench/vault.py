"""The vault with 1,000, 10,000 and 100,000 items of 1 KiB, on the embedded platform: speed, bytes, memory.

Client and platform are processes of their own. For each size an account is filled, used in an open session,
read in a new one, and read by a device that has followed nothing yet. The limit in the same run is what
AES-GCM and HKDF allow: items sealed in memory.

Run it with `make bench-vault`. Spec: vault.md; item-index.md. Why it is so: docs/decisions/0080.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.measure import Row, make_row, print_rows, write_rows
from bench.vault_worker import make_content
from solekey.account.enrolment import trust_device
from solekey.crypto import DataKey, ItemContext, ItemMetadata, seal_bytes
from solekey_protocol.ids import AccountId, ItemId
from tests.support.people.library_user import LibraryUser
from tests.support.platform_process import PlatformProcess

SIZES: Final = (1_000, 10_000, 100_000)
_SEALED: Final = 5_000
_ROUNDS: Final = 3
_WITHOUT_LIMIT: Final = {  # an hour's upload is bounded for users; a benchmark sends all at once
    "SOLEKEY_ACCOUNT_OBJECTS_PER_HOUR": "1000000",
}
_GOALS: Final = {
    "put_many": ("put_many", "items/s", "value >= 5000"),
    "put_ms": ("put of one, open session", "ms", "value <= 30"),
    "get_ms": ("get of one, open session", "ms", "value <= 10"),
    "new_session_get_ms": ("get of one, new session", "ms", "value <= 150"),
    "new_session_get_bytes": ("get of one, new session: fetched", "bytes", "value <= 100000"),
    "command_ms": ("solekey get NAME, as a process", "ms", "value <= 500"),
    "fresh_list": ("fresh device: verify and list", "items/s", "value >= 15000"),
    "get_many": ("all contents by get_many", "items/s", "value >= 10000"),
}
_LIMITED: Final = {"put_many", "fresh_list", "get_many"}


def measure_limit() -> float:
    """Measure how many items a second AES-GCM and HKDF seal in memory."""
    key, account = DataKey.make(1, os.urandom), AccountId.from_raw(bytes(16))
    metadata = ItemMetadata("an item", "application/octet-stream", 0, 0)
    begun_s = time.perf_counter()
    for number in range(_SEALED):
        place = ItemContext(account, ItemId.from_raw(bytes(16)), number + 1)
        seal_bytes(make_content(number), metadata=metadata, data_key=key, context=place, random=os.urandom)
    return _SEALED / (time.perf_counter() - begun_s)


def measure_size(platform: PlatformProcess, folder: Path, items: int) -> dict[str, float]:
    """Fill, use and read an account of this many items."""
    user = LibraryUser(platform, folder / str(items), username=f"bench{items}")
    user.folder.mkdir()
    user.sign_up().close()
    measured = run_worker(user, "laptop", "fill", items)
    measured |= run_worker(user, "laptop", "use", items)
    rounds = [run_worker(user, "laptop", "get_one", items) for _ in range(_ROUNDS)]
    measured |= {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    measured["session_mib"] = measured["peak_mib"]
    measured["command_ms"] = statistics.median(run_command(user) for _ in range(_ROUNDS))
    with user.log_in("phone") as session:
        trust_device(session, user.key())
    measured |= run_worker(user, "phone", "read_all", items)
    measured["server_mib"] = read_peak_mib(platform)
    return measured


def run_worker(user: LibraryUser, device: str, task: str, items: int) -> dict[str, float]:
    """Run a task of `bench.vault_worker` in a process of its own."""
    command = [sys.executable, "-m", "bench.vault_worker", task, str(user.folder / device), str(items)]
    done = subprocess.run(command, env=_environment(user), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{task} of {items} items: {done.stderr[-2000:]}")
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def run_command(user: LibraryUser) -> float:
    """Run `solekey get NAME` as a user does; milliseconds."""
    program = str(Path(sys.executable).with_name("solekey"))
    command = [program, "--profile", str(user.folder / "laptop"), "get", "item 000000"]
    begun_s = time.perf_counter()
    subprocess.run(command, env=_environment(user), capture_output=True, check=True)
    return (time.perf_counter() - begun_s) * 1000


def read_peak_mib(platform: PlatformProcess) -> float:
    """Read the peak memory of the platform."""
    if platform.process is None:
        raise RuntimeError("the platform is not running")
    status = Path(f"/proc/{platform.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def _environment(user: LibraryUser) -> dict[str, str]:
    return {**os.environ, "SOLEKEY_USER_KEY": user.phrase}


def make_rows(sizes: Sequence[int], measured: Sequence[dict[str, float]], limit: float) -> list[Row]:
    """Compare each size with its goal, and the largest with the smallest."""
    rows = []
    for items, values in zip(sizes, measured, strict=True):
        for key, (name, unit, goal) in _GOALS.items():
            against = ("sealing in memory", limit) if key in _LIMITED else ("", None)
            title = f"{name}, {items:,} items"
            rows.append(
                make_row(title, values[key], unit, reference=against[0], against=against[1], goal=goal)
            )
    first, last = measured[0], measured[-1]
    for key, name in (("session_mib", "client, one get"), ("server_mib", "server, since it started")):
        title = f"peak memory: {name}, {sizes[-1]:,} items"
        rows.append(
            make_row(
                title, last[key], "MiB", reference=f"{sizes[0]:,}", against=first[key], goal="ratio <= 1.5"
            )
        )
    rows.append(
        make_row(
            f"put_many: cost of an item, {sizes[-1]:,} items",
            1e6 / last["put_many"],
            "us",
            reference=f"{sizes[0]:,}",
            against=1e6 / first["put_many"],
            goal="ratio <= 1.5",
        )
    )
    return rows


def main() -> int:
    """Measure, print, write; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench/vault.json"))
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options = parser.parse_args()
    os.environ.update(_WITHOUT_LIMIT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        platform = PlatformProcess(folder / "data")
        platform.folder.mkdir()
        platform.start()
        try:
            measured = [measure_size(platform, folder, items) for items in options.sizes]
        finally:
            platform.stop()
    rows = make_rows(options.sizes, measured, measure_limit())
    write_rows(options.output, rows)
    print_rows("The vault, items of 1 KiB", rows)
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
