"""An audit of a million events: how fast, beside what the machine's Ed25519 allows, and how much memory.

``make bench-audit``. The log is cloned from one account under fresh keys (audit_log.py). The limit is the raw
rate of Ed25519 verification on all cores, over signatures of that very log, its keys loaded and its messages
cut out beforehand, measured before the audit and after it. Then the log grows by a tenth, and a second audit
goes on from the heads of the first and makes tables, which are asked what notebooks ask.
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
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.audit_log import Original, clone_log, read_original
from bench.audit_story import tell_original
from bench.measure import Row, make_row, print_rows, write_rows
from solekey.audit.engine.processes import count_cores

EVENTS: Final = 1_000_000
_TRIPLE_CLONES: Final = 40
_RAW_SECONDS: Final = 15.0
_GROWTH: Final = 10
"""The log of the second audit is longer by one part in so many."""
_MEMORY_MIB: Final = 600
_OUTPUT: Final = Path("build/bench/audit.json")

Triple = tuple[bytes, bytes, bytes]
"""Public key, signature, message."""


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=EVENTS, help="how many events the log has")
    events: int = options.parse_args().events
    with tempfile.TemporaryDirectory(dir=os.environ.get("SOLEKEY_BENCH_DIR")) as folder:
        rows = measure(Path(folder), events)
    write_rows(_OUTPUT, rows)
    print_rows("Audit", rows)


def measure(folder: Path, events: int) -> list[Row]:
    """Make the log and measure everything."""
    original, system = read_original(event.raw for event in tell_original())
    accounts, cores = max(1, round(events / original.events)), count_cores()
    log, pins = folder / "events.jsonl", folder / "pins.json"
    write_log(log, original, system, accounts)
    write_pins(pins, original, accounts)
    triples = read_triples(original)
    raw = [measure_raw(triples, cores)]
    key = make_key(folder / "auditor.pem")
    audit = run_audit(log, pins, keep=folder / "seen.json", key=key)
    raw.append(measure_raw(triples, cores))
    rows = make_rows(raw, audit, original.signatures * accounts, cores)
    return rows + measure_growth(folder, log, pins, original, accounts, audit)


def write_log(target: Path, original: Original, system: Sequence[bytes], accounts: int) -> None:
    """Write the log of so many clones, made on all cores."""
    share = max(1, accounts // 64)
    chunks = [range(start, min(start + share, accounts)) for start in range(0, accounts, share)]
    with ProcessPoolExecutor(count_cores(), get_context("fork")) as pool, target.open("ab") as file:
        file.writelines(raw + b"\n" for raw in system)
        for lines in pool.map(_clone_lines, [original] * len(chunks), chunks):
            file.write(lines)


def _clone_lines(original: Original, numbers: range) -> bytes:
    return b"".join(raw + b"\n" for raw in clone_log(original, numbers))


def read_triples(original: Original) -> list[Triple]:
    """Take the signatures of some clones, with keys and messages."""
    return [triple for number in range(_TRIPLE_CLONES) for triple in original.triples(number)]


def measure_raw(triples: Sequence[Triple], processes: int) -> tuple[float, float]:
    """Verify signatures and do nothing else, on all cores; return the rate by the clock, and a core's own."""
    with ProcessPoolExecutor(processes, get_context("fork")) as pool:
        done = list(pool.map(_verify_raw, [triples] * processes))
    return sum(wall for wall, _ in done), statistics.mean(own for _, own in done)


def _verify_raw(triples: Sequence[Triple]) -> tuple[float, float]:
    loaded = [(Ed25519PublicKey.from_public_bytes(key), s, m) for key, s, m in triples]
    count, begun, own = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < _RAW_SECONDS:
        for key, signature, message in loaded:
            key.verify(signature, message)
        count += len(loaded)
    return count / (time.perf_counter() - begun), count / (time.process_time() - own)


def run_audit(log: Path, pins: Path, **more: Path) -> dict[str, Any]:
    """Audit a log in a process of its own; return what bench.audit_worker prints."""
    arguments = [f"--{name}={path}" for name, path in more.items()]
    command = [sys.executable, "-m", "bench.audit_worker", str(log), str(pins), *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # our own program
    answer: dict[str, Any] = json.loads(done.stdout)
    if answer["verdict"] != "clean":
        raise SystemExit(f"the log is not clean: {answer}")
    return answer


def make_rows(
    raw: Sequence[tuple[float, float]], audit: dict[str, Any], signatures: int, cores: int
) -> list[Row]:
    """Make the rows of an audit from the beginning.

    Args:
        raw: rates of raw verification, by the clock of all cores and by a core's own time, before and after.
        audit: what came of the audit.
        signatures: how many the log has.
        cores: on how many it was done.
    """
    wall, own = (statistics.mean(each) for each in zip(*raw, strict=True))
    records = audit["records"]
    name = f"{records:,} events"
    return [
        make_row(
            f"{name}: signatures verified, with all that an audit does",
            signatures / audit["wall_s"],
            "1/s",
            reference=f"raw Ed25519 on {cores} cores",
            against=wall,
            goal="ratio >= 0.7",
        ),
        make_row(
            f"{name}: the same, by processor time",
            signatures / audit["cpu_s"],
            "1/s a core",
            reference="raw Ed25519 on a core",
            against=own,
        ),
        make_row(f"{name}: from the beginning to the verdict", audit["wall_s"], "s"),
        make_row(f"{name}: events", records / audit["wall_s"], "1/s"),
        make_row(
            f"{name}: peak memory of all processes", audit["peak_mib"], "MiB", goal=f"value <= {_MEMORY_MIB}"
        ),
    ]


def measure_growth(
    folder: Path, log: Path, pins: Path, original: Original, accounts: int, first: dict[str, Any]
) -> list[Row]:
    """Let the log grow, go on from the first audit's heads, and make tables on the way; then ask them."""
    grown = range(accounts, accounts + max(1, accounts // _GROWTH))
    with log.open("ab") as file:
        file.write(_clone_lines(original, grown))
    write_pins(pins, original, grown.stop)
    seen, tables = folder / "seen.json", folder / "tables.duckdb"
    again = run_audit(log, pins, seen=seen, key=folder / "auditor.pem", tables=tables)
    asked = json.loads(
        subprocess.run(
            [sys.executable, "-m", "bench.audit_worker", "--ask", str(tables)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    )
    name = f"{again['records']:,} events"
    return [
        make_row(
            f"{name}: going on from the last audit, one in {_GROWTH + 1} is new; tables made, too",
            again["wall_s"],
            "s",
            reference="the audit before, from the beginning",
            against=first["wall_s"],
        ),
        make_row(f"{name}: the tables on disk", tables.stat().st_size / 2**20, "MiB"),
        make_row(f"{name}: what a notebook asks of the tables", asked["wall_s"], "s", goal="value <= 10"),
        make_row(f"{name}: its memory", asked["peak_mib"], "MiB", goal="value <= 1024"),
    ]


def make_key(target: Path) -> Path:
    """Make an auditor's key."""
    key = Ed25519PrivateKey.generate()
    target.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return target


def write_pins(target: Path, original: Original, accounts: int) -> None:
    """Write what the users of so many clones pin."""
    pins = {original.account(number): original.first_key(number) for number in range(accounts)}
    target.write_text(json.dumps(pins))


if __name__ == "__main__":
    main()
