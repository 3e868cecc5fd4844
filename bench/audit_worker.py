"""One audit, or the questions of a notebook, in a process of its own: ``python -m bench.audit_worker``."""

import argparse
import json
import resource
import time
from contextlib import nullcontext
from pathlib import Path

from solekey.audit import open_log, read_pins, verify_log
from solekey.audit.archive.archive import Archive
from solekey.audit.engine.processes import count_cores
from solekey.audit.seen import AuditorKey, Seen, read_seen, write_seen

_QUESTIONS = (
    "SELECT stream, event, count(*) FROM events WHERE verified GROUP BY ALL",
    "SELECT date_trunc('hour', time), count(*), sum(bytes) FROM events GROUP BY ALL ORDER BY 1",
    "SELECT status, count(*) FROM devices GROUP BY ALL",
    "SELECT account, sum(bytes) FROM commits WHERE verified GROUP BY ALL ORDER BY 2 DESC LIMIT 20",
    "SELECT * FROM accounts ORDER BY findings DESC, account LIMIT 20",
)


def main() -> None:
    """Do what the arguments say, and print the times and the memory it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", nargs="?", type=Path)
    parser.add_argument("pins", nargs="?", type=Path)
    for name in ("tables", "seen", "keep", "key", "archive", "ask"):
        parser.add_argument(f"--{name}", type=Path)
    options = parser.parse_args()
    begun = time.perf_counter()
    answer = ask(options.ask) if options.ask else audit(options)
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    peak_kib = own.ru_maxrss + (0 if options.ask else count_cores() * others.ru_maxrss)
    cpu_s = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    print(
        json.dumps(
            {**answer, "wall_s": time.perf_counter() - begun, "cpu_s": cpu_s, "peak_mib": peak_kib / 1024}
        )
    )


def audit(options: argparse.Namespace) -> dict[str, object]:
    """Audit a log; keep the heads for the next audit."""
    seen = read_seen(options.seen, AuditorKey(options.key).public) if options.seen else None
    archive = Archive(options.archive, AuditorKey(options.key)) if options.archive else None
    with archive if archive is not None else nullcontext():
        report = verify_log(
            open_log(options.log), read_pins(options.pins), seen=seen, tables=options.tables, archive=archive
        )
    if options.keep:
        write_seen(options.keep, report, Seen(), AuditorKey(options.key))
    return {"verdict": report.verdict.value, "records": report.records, "findings": len(report.findings)}


def ask(path: Path) -> dict[str, object]:
    """Ask tables what a notebook asks."""
    from solekey.audit import Tables

    with Tables(path) as tables:
        rows = sum(len(tables.query(question)) for question in _QUESTIONS)
        some = list(tables.accounts(limit=20)["account"])
        rows += len(tables.events(accounts=some)) + len(tables.wraps(accounts=some)) + len(tables.fields())
    return {"rows": rows}


if __name__ == "__main__":
    main()
