"""What every benchmark shares: interleaved medians, rows, a table, a JSON file.

A row compares our value with that of a peer or a limit, taken in the same run: the machine is shared, and a
number alone says nothing. Peers and ours take turns, round by round, so that a slow minute slows all of them;
the medians of the rounds are compared. A goal is a text such as ``ratio >= 0.6``, ``value <= 64``; `Row.met`
is what came of it.
"""

import json
import math
import operator
import shutil
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

Task = Callable[[], float]
"""Does its work once and returns what it measured: seconds, or a rate."""

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a benchmark.

    Attributes:
        name: what was measured, and how.
        value: the median of our rounds.
        unit: the unit of value and reference value.
        reference: the peer or the limit; empty where a goal stands alone.
        reference_value: the median of its rounds in the same run.
        ratio: value / reference value.
        goal: what is asked of value or ratio; empty for a row that only informs.
        met: whether it is reached; None without a goal.
    """

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float | None
    ratio: float | None
    goal: str
    met: bool | None


def make_row(
    name: str, value: float, unit: str, *, reference: str = "", against: float | None = None, goal: str = ""
) -> Row:
    """Make a row of a value, of what it is compared with, and of a goal such as ``ratio >= 0.6``."""
    ratio = None if against is None else value / against
    met = None
    if goal:
        subject, comparison, bound = goal.split()
        measured = {"value": value, "ratio": ratio}[subject]
        if measured is None:
            raise ValueError(f"{name}: a goal for a ratio needs a reference")
        met = _COMPARISONS[comparison](measured, float(bound))
    return Row(name, value, unit, reference, against, ratio, goal, met)


def measure_medians(tasks: Mapping[str, Task], rounds: int) -> dict[str, float]:
    """Run the tasks in turns, `rounds` times, and return the median of each."""
    measured: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            measured[name].append(task())
    return {name: statistics.median(values) for name, values in measured.items()}


def find_quantile(values: Sequence[float], quantile: float) -> float:
    """Find the least of the values that so large a part of them does not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(quantile * len(values)), 1) - 1]


def require_programs(packages: Mapping[str, str]) -> None:
    """End the process with a clear message when a program is missing.

    Args:
        packages: the Debian package of each program.
    """
    missing = {program: package for program, package in packages.items() if shutil.which(program) is None}
    if missing:
        wanted = " ".join(sorted(set(missing.values())))
        print(f"Missing: {', '.join(missing)}. On Debian: apt-get install {wanted}", file=sys.stderr)
        raise SystemExit(2)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False) + "\n")


def print_rows(title: str, rows: Sequence[Row]) -> None:
    """Print the rows as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for column in ("What", "Ours", "Unit", "Peer or limit", "Its value", "Ratio", "Goal", "Met"):
        table.add_column(column, justify="right" if column in {"Ours", "Its value", "Ratio"} else "left")
    for row in rows:
        met = {True: "[green]yes[/]", False: "[red]NO[/]", None: ""}[row.met]
        values = (_format(row.value), row.unit, row.reference, _format(row.reference_value))
        table.add_row(row.name, *values, _format(row.ratio), row.goal, met)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _format(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
