"""Going on from an archive: a million events were verified, and ten thousand are new.

``make bench-archive``. The new events are the last five of each of many accounts, so that each of these is
folded again from its kept records. Beside it stands the audit that began the archive. Spec: audit.md §2.6.
"""

import argparse
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from bench.audit import EVENTS, make_key, run_audit, write_pins
from bench.audit_log import Original, read_original
from bench.audit_story import tell_original
from bench.measure import Row, make_row, print_rows, write_rows
from solekey.audit.engine.processes import count_cores

NEW: Final = 10_000
_OF_EACH: Final = 5
"""So many events of an account are new."""
_OUTPUT: Final = Path("build/bench/audit-archive.json")


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=EVENTS, help="how many events the archive has")
    options.add_argument("--new", type=int, default=NEW, help="how many are new")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("SOLEKEY_BENCH_DIR")) as folder:
        rows = measure(Path(folder), given.events, given.new)
    write_rows(_OUTPUT, rows)
    print_rows("Audit that goes on from an archive", rows)


def measure(folder: Path, events: int, new: int) -> list[Row]:
    """Make both logs, begin an archive with the one, and go on with the other."""
    original, system = read_original(event.raw for event in tell_original())
    accounts = max(1, round(events / original.events))
    grown = min(accounts, max(1, new // _OF_EACH))
    old, more, pins = folder / "old.jsonl", folder / "new.jsonl", folder / "pins.json"
    old.write_bytes(b"".join(raw + b"\n" for raw in system))
    write_logs(old, more, original, accounts, grown)
    write_pins(pins, original, accounts)
    key, archive = make_key(folder / "auditor.pem"), folder / "archive"
    first = run_audit(old, pins, archive=archive, key=key)
    again = run_audit(more, pins, archive=archive, key=key)
    if again["records"] != accounts * original.events + len(system):
        raise SystemExit(f"the second audit is not about the whole log: {again}")
    name = f"{first['records']:,} events, then {grown * _OF_EACH:,} more of {grown:,} accounts"
    return [
        make_row(
            f"{name}: going on from the archive",
            again["wall_s"],
            "s",
            reference="the audit that began it",
            against=first["wall_s"],
        ),
        make_row(
            f"{name}: the same, by processor time",
            again["cpu_s"],
            "s",
            reference="the audit that began it",
            against=first["cpu_s"],
        ),
        make_row(f"{name}: its peak memory of all processes", again["peak_mib"], "MiB", goal="value <= 600"),
        make_row(f"{name}: peak memory of the audit that began it", first["peak_mib"], "MiB"),
        make_row(
            f"{name}: the archive",
            archive.stat().st_size / 2**20,
            "MiB",
            reference="the log",
            against=(old.stat().st_size + more.stat().st_size) / 2**20,
        ),
    ]


def write_logs(old: Path, more: Path, original: Original, accounts: int, grown: int) -> None:
    """Write the log of so many clones; the last events of some come into a log of their own."""
    share = max(1, accounts // 64)
    chunks = [range(start, min(start + share, accounts)) for start in range(0, accounts, share)]
    with (
        ProcessPoolExecutor(count_cores(), get_context("fork")) as pool,
        old.open("ab") as first,
        more.open("ab") as second,
    ):
        for lines in pool.map(partial(_clone, original, grown), chunks):
            first.write(lines[0])
            second.write(lines[1])


def _clone(original: Original, grown: int, numbers: range) -> tuple[bytes, bytes]:
    before, after = [], []
    for number in numbers:
        raws = original.clone(number)
        end = len(raws) - (_OF_EACH if number < grown else 0)
        before += raws[:end]
        after += raws[end:]
    return _lines(before), _lines(after)


def _lines(raws: list[bytes]) -> bytes:
    return b"".join(raw + b"\n" for raw in raws)


if __name__ == "__main__":
    main()
