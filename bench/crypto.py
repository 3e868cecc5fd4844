"""How fast the client seals and opens, beside `age`, `cp`, `openssl speed` and the primitives.

    files       a file of 1 GiB into another in the same folder; the source is in the page cache, nobody calls
                fsync, and what a run has written is deleted before the next. Ours runs in a fresh process,
                whose start is not counted; that of `cp` and `age`, a few milliseconds, is
    memory      256 MiB beside the fastest block size of `openssl speed`; one thread each
    items       1 KiB with a name, a type and two times, each under an id of its own; CPU time of one core
    start       `solekey signup` in a terminal, from its start to its first question

Run it with `make bench-crypto`.

Spec: envelope.md. Why it is built so: docs/decisions/0021-speed-of-the-envelope.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Final

from bench.cli_start import measure_first_prompt
from bench.crypto_items import measure_items
from bench.measure import Row, make_row, measure_medians, print_rows, require_programs, write_rows
from solekey_protocol.limits import MIB

_PROGRAMS: Final = {"age": "age", "age-keygen": "age", "openssl": "openssl", "cp": "coreutils"}
_READING_CP: Final = "cp --reflink=never"
"""Reads and writes. `cp` alone lets the kernel copy, which some file systems do several times more slowly."""
_OPENSSL_BLOCKS: Final = (16_384, 65_536, 1_048_576)
_HUGE_PAGES: Final = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Lets malloc ask for huge pages, as a kernel with `transparent_hugepage=always` gives them to everybody."""


def measure_files(size_mib: int, rounds: int, folder: Path) -> list[Row]:
    """Measure file to file: ours, `age` and `cp` in turns."""
    plain, sealed, aged, target = (folder / name for name in ("plain", "sealed", "plain.age", "target"))
    identity = folder / "identity"
    _write_random(plain, size_mib)
    subprocess.run(["age-keygen", "-o", str(identity)], check=True, capture_output=True)
    recipient = subprocess.run(
        ["age-keygen", "-y", str(identity)], check=True, capture_output=True, text=True
    ).stdout.strip()
    subprocess.run(["age", "-r", recipient, "-o", str(aged), str(plain)], check=True)
    _run_worker("seal", str(plain), str(sealed))
    growth: dict[str, list[float]] = {"seal": [], "open": []}

    def run_ours(task: str, source: Path) -> float:
        _clear(target)
        answer = _run_worker(task, str(source), str(target))
        growth[task].append(answer["growth_bytes"])
        return answer["seconds"]

    def run_peer(*command: str) -> float:
        _clear(target)
        started = time.perf_counter()
        subprocess.run(command, check=True)
        return time.perf_counter() - started

    seconds = measure_medians(
        {
            "cp": lambda: run_peer("cp", str(plain), str(target)),
            _READING_CP: lambda: run_peer(*_READING_CP.split(), str(plain), str(target)),
            "seal": lambda: run_ours("seal", plain),
            "age": lambda: run_peer("age", "-r", recipient, "-o", str(target), str(plain)),
            "open": lambda: run_ours("open", sealed),
            "age -d": lambda: run_peer("age", "-d", "-i", str(identity), "-o", str(target), str(aged)),
        },
        rounds,
    )
    speeds = {name: size_mib / value for name, value in seconds.items()}
    rows = []
    for task, peer in (("seal", "age"), ("open", "age -d")):
        goals = {peer: "ratio >= 1.5", "cp": "ratio >= 0.6", _READING_CP: "ratio >= 0.6"}
        name = f"{task} a file of {size_mib} MiB"
        rows += [
            _compare_speed(name, speeds[task], other, speeds[other], goal) for other, goal in goals.items()
        ]
    for task, bytes_ in growth.items():
        name = f"memory growth, {task} a file of {size_mib} MiB"
        rows.append(make_row(name, max(bytes_) / MIB, "MiB, peak", goal="value <= 64"))
    return rows


def measure_memory(size_mib: int, rounds: int) -> list[Row]:
    """Measure in memory, beside `openssl speed` of the same round."""
    ours: dict[str, list[float]] = {}

    def run_ours(pages: str, environment: dict[str, str]) -> float:
        for name, seconds in _run_worker("memory", str(size_mib), "3", **environment).items():
            ours.setdefault(f"{name}, {pages}", []).append(seconds)
        return 0.0

    openssl = measure_medians(
        {
            **{str(block): partial(_run_openssl, block) for block in _OPENSSL_BLOCKS},
            "huge pages": lambda: run_ours("huge pages", _HUGE_PAGES),
            "small pages": lambda: run_ours("small pages", {}),
        },
        rounds,
    )
    speeds = {name: size_mib / statistics.median(values) for name, values in ours.items()}
    block = max(_OPENSSL_BLOCKS, key=lambda size: openssl[str(size)])
    reference = f"openssl speed, {block:,}-byte blocks"
    rows = []
    for task in ("seal", "open"):
        for way in ("chunks", "one_piece"):
            name = f"{task} {size_mib} MiB in memory, {way.replace('_', ' ')}"
            speed = speeds[f"{way}_{task}, huge pages"]
            rows.append(_compare_speed(name, speed, reference, openssl[str(block)], "ratio >= 0.6"))
        name = f"{task} {size_mib} MiB in memory, one piece, pages of 4 KiB"
        limit = speeds["fresh_memory, small pages"]
        rows.append(_compare_speed(name, speeds[f"one_piece_{task}, small pages"], "fresh memory", limit, ""))
    return rows


def measure_start(starts: int) -> list[Row]:
    """Measure how soon the CLI asks its first question."""
    seconds = measure_medians({"python": measure_python, "solekey": measure_first_prompt}, starts)
    return [
        make_row(
            "solekey signup: start to first question",
            seconds["solekey"] * 1000,
            "ms",
            reference="python -c pass",
            against=seconds["python"] * 1000,
            goal="value <= 250",
        )
    ]


def measure_python() -> float:
    """Start the interpreter alone: what no command can be faster than."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - started


def _compare_speed(name: str, speed: float, reference: str, against: float, goal: str) -> Row:
    return make_row(name, speed, "MiB/s", reference=reference, against=against, goal=goal)


def _run_worker(*arguments: str, **environment: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.crypto_worker", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _run_openssl(block: int) -> float:
    """Run `openssl speed` for one second; MiB/s of one core."""
    command = ["openssl", "speed", "-mr", "-elapsed", "-seconds", "1", "-bytes", str(block)]
    done = subprocess.run([*command, "-evp", "aes-256-gcm"], check=True, capture_output=True, text=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("+F:")]
    return float(line.rpartition(":")[2]) / MIB


def _write_random(path: Path, size_mib: int) -> None:
    with path.open("wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(MIB))


def _clear(target: Path) -> None:
    target.unlink(missing_ok=True)
    os.sync()  # nobody writes to the disk what another has left


def main() -> None:
    """Measure, print a table, write build/bench/crypto.json."""
    parser = argparse.ArgumentParser(prog="bench-crypto")
    parser.add_argument("--output", type=Path, default=Path("build/bench/crypto.json"))
    parser.add_argument("--file-mib", type=int, default=1024)
    parser.add_argument("--memory-mib", type=int, default=256)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--starts", type=int, default=15)
    options = parser.parse_args()
    require_programs(_PROGRAMS)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.output.parent) as folder:
        rows = measure_files(options.file_mib, options.rounds, Path(folder))
    rows += measure_memory(options.memory_mib, max(options.rounds // 2, 1))
    rows += measure_items(options.items, options.rounds)
    rows += measure_start(options.starts)
    write_rows(options.output, rows)
    print_rows("Speed of the client's cryptography", rows)
    missed = sum(row.met is False for row in rows)
    print(f"{options.output}: {missed} of {sum(row.met is not None for row in rows)} goals missed")


if __name__ == "__main__":
    main()
