"""An audit as a notebook opens it: the report, its tables, and the verdict as a page. Spec: audit.md §2."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from solekey.audit.bounds import Bounds
from solekey.audit.catalogue import LIMITS
from solekey.audit.document.words import VERDICTS
from solekey.audit.pins import read_pins
from solekey.audit.report import Report
from solekey.audit.sources import open_log
from solekey.audit.tables.tables import Tables
from solekey.audit.verify import verify_log
from solekey.files.any_path import AnyPath

_SHOWN: Final = 20
_MARKS: Final = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]()<>#+-!|~$&"})


class OpenedAudit:
    """A verified log and its tables, in a folder that is deleted in the end. A context manager.

    A log that was tampered with opens, too: what it shows is its verdict.

    Args:
        source: as of ``open_log``.
        pins: files of ``solekey heads export``, from users and not from the operator.
        bounds: what an honest operator keeps.

    Raises:
        LogError: there is no log, or not a readable one.
    """

    def __init__(self, source: AnyPath, pins: Sequence[AnyPath] = (), bounds: Bounds | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="solekey-audit-")
        path = Path(self._folder.name) / "audit.duckdb"
        self.report: Report = verify_log(open_log(source), read_pins(*pins), bounds, tables=path)
        self.tables = Tables(path)

    @property
    def verdict(self) -> "VerdictPage":
        """The verdict, which a notebook shows as a page."""
        return VerdictPage(self.report)

    def close(self) -> None:
        """Close the tables and delete them."""
        self.tables.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class VerdictPage:
    """A verdict in words: plain in a terminal, a page in a notebook."""

    report: Report

    def __str__(self) -> str:
        """The verdict in one line."""
        return f"verdict: {self.report.verdict.value}"

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        report = self.report
        name, meaning = VERDICTS[report.verdict.value]
        lines = [f"## Verdict: {name}", "", meaning, ""]
        lines += [f"- Cannot tell: {_plain(doubt)}." for doubt in report.doubts]
        lines += [f"- **{each.check}** {_plain(each)}" for each in report.findings[:_SHOWN]]
        if left := len(report.findings) - _SHOWN:
            lines += [f"- … and {left} more findings."] if left > 0 else []
        run = len(report.coverage) - len(report.not_run)
        lines += ["", f"{run} of {len(report.coverage)} checks were run over {report.records} records.", ""]
        lines += ["### What this cannot show", ""]
        lines += [f"- {check.id}, that {check.title}: it needs {check.needs}." for check in report.not_run]
        lines += [f"- {_plain(limit)}" for limit in LIMITS]
        return "\n".join(lines)


def _plain(text: object) -> str:
    """A text of which nothing is markup: a log holds what an operator wrote into it."""
    return str(text).translate(_MARKS)
