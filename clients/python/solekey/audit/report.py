"""The verdict of an audit: what was looked at, what was found, what accounts amount to. Spec: audit.md §2."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from solekey.audit.catalogue import CHECKS, LIMITS, Check
from solekey.audit.covert import Covert
from solekey.audit.engine.provenance import Provenance
from solekey.audit.sources.log import BusPlace
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.ids import SYSTEM_ACCOUNT, AccountId
from solekey_protocol.statements import EMPTY_HEAD, Head

MAX_FINDINGS_OF_A_KIND: Final = 10_000
"""Findings of one check and code that a report keeps; the others are counted."""


class Verdict(StrEnum):
    """What an audit concludes."""

    CLEAN = "clean"
    VIOLATIONS = "violations"
    CANNOT_TELL = "cannot_tell"


class Result(StrEnum):
    """What one check concludes."""

    CLEAN = "clean"
    VIOLATIONS = "violations"
    NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an honest service would not have written.

    Attributes:
        check: the check that found it, such as ``SES-02``.
        code: what is wrong; stable (audit.md §4).
        account: whose event it is; None where the record cannot be read so far.
        stream: in which stream.
        seq: at which place; None where there is no event.
        detail: what was expected and what was found, for a person.
        place: where the record lies on the bus; None where the log does not say.

    The account, stream and seq of a record that is no event are those that it claims.
    """

    check: str
    code: str
    account: AccountId | None
    stream: str
    seq: int | None
    detail: str
    place: BusPlace | None = None

    def __str__(self) -> str:
        """One line for a person."""
        where = f"{self.account or '?'} {self.stream}" + (f" seq {self.seq}" if self.seq else "")
        where += f" at {self.place}" if self.place else ""
        return f"{self.check} {self.code}: {where}: {self.detail}"

    def summary(self) -> dict[str, object]:
        """It as plain values, for JSON."""
        return {
            "check": self.check,
            "code": self.code,
            "account": self.account,
            "stream": self.stream,
            "seq": self.seq,
            "detail": self.detail,
            "topic": self.place.topic if self.place else None,
            "partition": self.place.partition if self.place else None,
            "offset": self.place.offset if self.place else None,
        }


@dataclass(frozen=True, slots=True)
class Holder:
    """The event that brought what one account alone may have, and what is found where another has it."""

    time: str
    account: AccountId
    stream: Stream
    seq: int
    check: str
    code: str
    place: BusPlace | None = None


class Tally:
    """What the checks of one audit look at and find."""

    def __init__(self) -> None:
        self.looked_at: Counter[str] = Counter()
        self.found: Counter[tuple[str, str]] = Counter()
        """How many findings there are of each check and code, kept or not."""
        self.findings: list[Finding] = []
        self._kept: Counter[tuple[str, str]] = Counter()
        self.notices: list[Finding] = []
        self.covert = Covert()
        self.holders: dict[bytes, Holder] = {}
        self.shared: dict[bytes, dict[AccountId, Holder]] = {}
        """What several accounts have, and each of them."""

    def look(self, check: str, count: int = 1) -> None:
        """Note that a check has looked at so many of what it counts."""
        self.looked_at[check] += count

    def find(  # the fields of a finding, in their order
        self,
        check: str,
        code: str,
        account: AccountId | None,
        stream: str,
        seq: int | None,
        detail: str,
        place: BusPlace | None = None,
    ) -> None:
        """Note a finding."""
        self._keep(Finding(CHECKS[check].id, code, account, stream, seq, detail, place))
        self.found[check, code] += 1

    def find_at(
        self, check: str, code: str, event: Event, detail: str, place: BusPlace | None = None
    ) -> None:
        """Note a finding at an event."""
        self.find(check, code, event.account, event.stream, event.seq, detail, place)

    def note_at(self, check: str, code: str, event: Event, detail: str) -> None:
        """Note what is no violation, and what an auditor should read all the same: a *notice*."""
        self.note(check, code, event.account, event.stream, event.seq, detail)

    def note(self, check: str, code: str, account: AccountId, stream: str, seq: int, detail: str) -> None:
        """Note a notice at a place whose event the log may not hold."""
        self.notices.append(Finding(CHECKS[check].id, code, account, stream, seq, detail))

    def hold(self, check: str, code: str, value: bytes, event: Event) -> None:
        """Note what no other account may have: an id, a digest or a key."""
        place = event.account, event.stream, event.seq
        self.holders.setdefault(value, Holder(str(event.time), *place, check, code))

    def merge(self, other: "Tally") -> None:
        """Add what another tally has looked at and found: of other accounts, or of another process."""
        for value, holder in other.holders.items():
            first = self.holders.setdefault(value, holder)
            if first.account != holder.account:
                self.shared.setdefault(value, {first.account: first})[holder.account] = holder
        for value, holders in other.shared.items():
            self.shared.setdefault(value, {}).update(holders)
        self.looked_at.update(other.looked_at)
        for finding in other.findings:
            self._keep(finding)
        self.found.update(other.found)
        self.notices.extend(other.notices)
        self.covert.merge(other.covert)

    def find_shared(self) -> list[Finding]:
        """Find what several accounts have and one alone may: all but the first of them are at fault."""
        found = []
        for value, holders in sorted(self.shared.items()):
            first, *others = sorted(holders.values(), key=lambda each: (each.time, each.account))
            detail = f"{first.account} has it, too ({first.stream} seq {first.seq}): {value.hex()}"
            for each in others:
                place = each.account, each.stream, each.seq
                self.find(each.check, each.code, *place, detail, each.place)
                found.append(Finding(each.check, each.code, *place, detail, each.place))
        return found

    def put_back(self, findings: Iterable[Finding]) -> None:
        """Take findings of an earlier audit, which were counted then."""
        for finding in findings:
            self._keep(finding)

    def _keep(self, finding: Finding) -> None:
        """Keep a finding, unless there are very many of its kind: a log may be nothing but garbage."""
        kind = (finding.check, finding.code)
        if self._kept[kind] < MAX_FINDINGS_OF_A_KIND:
            self._kept[kind] += 1
            self.findings.append(finding)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What one check looked at, and what came of it."""

    check: Check
    looked_at: int
    findings: int

    @property
    def result(self) -> Result:
        """What the check concludes; a check that lacks its input was not run."""
        if self.findings:
            return Result.VIOLATIONS
        return Result.NOT_RUN if self.check.needs and not self.looked_at else Result.CLEAN


@dataclass(frozen=True, slots=True)
class AccountReport:
    """What the log says about one account, as far as it could be verified and nothing contests it.

    Attributes:
        account: its id.
        events: how many different events of it the log holds, verified or not.
        heads: the last event of each stream that verifies.
        pinned: whether its user vouches for it.
        founded: whether it has a user key.
        trusted_devices: how many devices are trusted.
        revoked_devices: how many were revoked.
        live_wraps: the wraps that are not retired: kind of secret, epoch, version.
        commits: the number of the last commit.
        findings: how many findings there are about it.
    """

    account: AccountId
    events: int
    heads: Mapping[Stream, Head]
    pinned: bool
    founded: bool = False
    trusted_devices: int = 0
    revoked_devices: int = 0
    live_wraps: tuple[tuple[str, int, int], ...] = ()
    commits: int = 0
    findings: int = 0

    @property
    def verified(self) -> int:
        """How many of its events verify."""
        return sum(head.seq for head in self.heads.values())

    def head(self, stream: Stream) -> int:
        """The last seq verified of a stream."""
        return self.heads.get(stream, EMPTY_HEAD).seq


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict over a whole log.

    Attributes:
        records: how many records the log holds.
        repeated: how many of them are the same bytes again.
        accounts: what each account amounts to.
        coverage: each check of the catalogue, what it looked at and what came of it.
        findings: all that an honest service would not have written, in the order of the accounts.
        notices: what is no violation, and what an auditor should read; the verdict does not rest on it.
        provenance: what exactly was looked at, and with what.
        covert: how much the operator could have hidden in what he states.
        across: those of the findings that only several accounts together show.
    """

    records: int
    repeated: int
    accounts: Mapping[AccountId, AccountReport]
    coverage: tuple[Coverage, ...]
    findings: tuple[Finding, ...] = field(default=())
    notices: tuple[Finding, ...] = field(default=())
    provenance: Provenance | None = None
    covert: Covert = field(default_factory=Covert)
    across: tuple[Finding, ...] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """What the audit concludes. Whatever was not looked at is never clean."""
        if self.findings:
            return Verdict.VIOLATIONS
        return Verdict.CANNOT_TELL if self.doubts else Verdict.CLEAN

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why nothing can be concluded although nothing was found."""
        users = self.users
        unpinned = [account for account in users if not account.pinned]
        doubts = []
        if not self.records:
            doubts.append("the log holds no event")
        if self.records and SYSTEM_ACCOUNT not in self.accounts:
            doubts.append("the platform's own records are not in the log: it is not a whole one")
        if unpinned:
            doubt = f"accounts that nobody vouches for: {len(unpinned)} of {len(users)}; give their pins"
            unfounded = sum(not account.founded for account in unpinned)
            doubts.append(f"{doubt} ({unfounded} of them were never founded)" if unfounded else doubt)
        return tuple(doubts)

    @property
    def not_run(self) -> tuple[Check, ...]:
        """The checks that lacked their input: what this audit cannot show."""
        return tuple(row.check for row in self.coverage if row.result is Result.NOT_RUN)

    @property
    def users(self) -> tuple[AccountReport, ...]:
        """The accounts but the platform's own."""
        return tuple(each for each in self.accounts.values() if each.account != SYSTEM_ACCOUNT)

    def summarise_coverage(self) -> list[dict[str, object]]:
        """What each check looked at and what came of it, as plain values."""
        return [
            {
                "check": row.check.id,
                "title": row.check.title,
                "looked_at": row.looked_at,
                "counts": row.check.counts,
                "findings": row.findings,
                "result": row.result.value,
                "needs": row.check.needs,
            }
            for row in self.coverage
        ]

    def summary(self) -> dict[str, object]:
        """The verdict as plain values, for JSON and for a table."""
        return {
            "verdict": self.verdict.value,
            "doubts": list(self.doubts),
            "records": self.records,
            "repeated": self.repeated,
            "accounts": len(self.users),
            "pinned_accounts": sum(account.pinned for account in self.users),
            "provenance": self.provenance.summary() if self.provenance is not None else None,
            "checks": self.summarise_coverage(),
            "findings": [finding.summary() for finding in self.findings],
            "notices": [notice.summary() for notice in self.notices],
            "covert": self.covert.summary(),
            "cannot_show": list(LIMITS),
        }


def cover(tally: Tally) -> tuple[Coverage, ...]:
    """Say of each check of the catalogue what it looked at."""
    found: Counter[str] = Counter()
    for (check, _), count in tally.found.items():
        found[check] += count
    if unknown := tally.looked_at.keys() - CHECKS.keys():
        raise KeyError(min(unknown))
    return tuple(Coverage(check, tally.looked_at[check.id], found[check.id]) for check in CHECKS.values())


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by account, stream and place; what has no place comes first."""
    return tuple(
        sorted(
            findings,
            key=lambda each: (
                *(each.account or "", each.stream, each.seq or 0, each.check, each.code, each.detail),
                *((each.place.topic, each.place.partition, each.place.offset) if each.place else ()),
            ),
        )
    )
