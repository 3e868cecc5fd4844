"""What came of a class: caught, named, or not. A class that slips through fails."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from solekey.audit import Finding, LogError, Pin, Report, Verdict, verify_log
from solekey.audit.sources.log import BusPlace
from solekey_protocol.ids import AccountId
from tamper.stories import ADA, BEN, CYD
from tamper.tampering import Exhibit, Outcome, Tampering
from tamper.writing import Place

_NAMELESS: Final = (Outcome.UNVOUCHED, Outcome.IMPOSSIBLE, Outcome.UNREADABLE)
_FIRST_KEYS: Final[Mapping[AccountId, Pin]] = {
    who.account: Pin(who.user_key(0).public) for who in (ADA, BEN, CYD)
}


@dataclass(frozen=True)
class Judgement:
    """What came of one class.

    Attributes:
        tampering: the class.
        ok: whether it is what must come of it.
        found: the checks and codes that found something.
        named: whether one of the expected checks named the event at fault.
    """

    tampering: Tampering
    ok: bool
    found: tuple[str, ...]
    named: bool

    def summary(self) -> dict[str, object]:
        """It as plain values, for JSON."""
        each = self.tampering
        return {
            "id": each.id,
            "what": each.what,
            "outcome": each.outcome.value,
            "expects": list(each.expects),
            "found": list(self.found),
            "named": self.named,
            "reason": each.reason,
            "ok": self.ok,
        }


def judge(tampering: Tampering) -> Judgement:
    """Show a class to the audit."""
    exhibit = tampering.make()
    try:
        log = exhibit.log() if callable(exhibit.log) else exhibit.log
        with exhibit.archive() if exhibit.archive is not None else nullcontext() as archive:
            report = verify_log(log, find_pins(exhibit), exhibit.bounds, seen=exhibit.seen, archive=archive)
    except LogError as error:
        is_expected = tampering.outcome is Outcome.UNREADABLE and error.code in tampering.expects
        return Judgement(tampering, is_expected, (error.code,), named=False)
    finally:
        exhibit.close()
    caught = report.notices if tampering.outcome is Outcome.NOTICED else report.findings
    expected = [finding for finding in caught if finding.check in tampering.expects]
    named = any(_names(finding, exhibit.at) for finding in expected)
    ok = _is_as_expected(tampering, report, expected) and (
        named or not tampering.named or tampering.outcome in _NAMELESS
    )
    found = sorted({f"{each.check} {each.code}" for each in caught})
    return Judgement(tampering, ok, tuple(found), named)


def find_pins(exhibit: Exhibit) -> Mapping[AccountId, Pin]:
    """Whoever is in the log has pinned the first key, where the class says no more."""
    if exhibit.pins is not None:
        return exhibit.pins
    raw = b"".join(exhibit.log) if isinstance(exhibit.log, list) else b""
    return {account: pin for account, pin in _FIRST_KEYS.items() if account.encode() in raw or not raw}


def _is_as_expected(tampering: Tampering, report: Report, expected: list[Finding]) -> bool:
    match tampering.outcome:
        case Outcome.CAUGHT:
            return report.verdict is Verdict.VIOLATIONS and bool(expected)
        case Outcome.NOTICED:
            return report.verdict is not Verdict.VIOLATIONS and bool(expected)
        case Outcome.UNREADABLE:
            return False  # it was read
        case Outcome.UNVOUCHED:
            return report.verdict is Verdict.CANNOT_TELL
        case Outcome.IMPOSSIBLE:
            return report.verdict is Verdict.CLEAN


def _names(finding: Finding, at: Place | BusPlace | None) -> bool:
    if isinstance(at, BusPlace):
        return finding.place == at
    return at is not None and (finding.account, finding.stream, finding.seq) == at
