"""The same exhibit in two audits: up to somewhere, and, from the archive of that, what is new."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from solekey.audit import Report, open_log, verify_log
from solekey.audit.archive.archive import Archive
from solekey.audit.bundle.export import export_to_bundle
from solekey.audit.sources.log import Log
from tamper.classes.bus import BusLog, cut
from tamper.classes.stored import StoredLog
from tamper.judging import Judgement, find_pins, judge
from tamper.tampering import Exhibit, Outcome, Tampering
from tests.support.audit.auditor import AUDITOR

_OF_ONE_AUDIT: Final = "HED-01"
"""It counts what was held against the last audit: nothing of it in an audit of the whole log."""
_HALF: Final = 0.5
FORKS: Final = ("two facts at one place", "two foundings of one account")
"""Of the whole log nobody can say which of two is meant; an archive has one of them (audit.md §2.1)."""
Given = Log | Sequence[bytes]


def go_on(exhibit: Exhibit, at: float) -> tuple[Report, Report]:
    """Audit an exhibit as a whole, and in two audits.

    Args:
        exhibit: what an auditor is given; no callable.
        at: the part of it that the first audit has, 0 to 1.
    """
    assert not callable(exhibit.log)
    with TemporaryDirectory(prefix="solekey-tamper-") as name:
        folder = Path(name)
        whole, *parts = _split(exhibit.log, at, folder)
        assert len(parts) == 2
        pins, bounds = exhibit.pins or {}, exhibit.bounds
        for part in parts:
            with Archive(folder / "archive", AUDITOR) as archive:
                report = verify_log(part, pins, bounds, archive=archive)
        return verify_log(whole, pins, bounds), report


def _split(log: Given, at: float, folder: Path) -> Iterator[Given]:
    """Yield all of it, what comes first, and what is new."""
    if isinstance(log, Sequence):
        end = round(len(log) * at)
        yield from (log, log[:end], log[end:])
    elif isinstance(log, StoredLog):
        end = round(len(log.events) * at)
        yield from (log, log.events[:end], replace(log, events=log.events[end:]))
    else:
        assert isinstance(log, BusLog)
        paths = [folder / "one", folder / "two"]
        export_to_bundle(cut(log, at), paths[0])
        export_to_bundle(log, paths[1], after=paths[0])
        first = open_log(paths[0])
        yield from (open_log(*paths), first, open_log(paths[1], after=first.bundles[0].name))


def summarise(report: Report) -> dict[str, object]:
    """What two audits of one log must agree in."""
    return {
        "verdict": report.verdict,
        "doubts": report.doubts,
        "records": (report.records, report.repeated),
        "findings": report.findings,
        "notices": report.notices,
        "accounts": report.accounts,
        "covert": report.covert,
        "looked at": {
            row.check.id: (row.looked_at, row.findings)
            for row in report.coverage
            if row.check.id != _OF_ONE_AUDIT
        },
        "times": (report.provenance.first, report.provenance.last) if report.provenance else None,
    }


def judge_twice(tampering: Tampering) -> Judgement:
    """Show a class to the audit, and to one that goes on from an archive: both must say the same."""
    judgement = judge(tampering)
    exhibit = tampering.make()
    exhibit.close()
    if callable(exhibit.log) or tampering.outcome is Outcome.UNREADABLE or tampering.what in FORKS:
        return judgement
    whole, continued = map(summarise, go_on(replace(exhibit, pins=find_pins(exhibit), seen=None), _HALF))
    if whole == continued:
        return judgement
    return replace(judgement, ok=False, found=(*judgement.found, "another answer from an archive"))
