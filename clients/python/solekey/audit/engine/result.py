"""What came of some accounts of a log."""

from dataclasses import dataclass, field

from solekey.audit.archive.subjects import SubjectResult
from solekey.audit.report import AccountReport, Tally
from solekey_protocol.ids import Timestamp


@dataclass(slots=True)
class PartResult:
    """What came of some accounts.

    Attributes:
        tally: what was looked at and found.
        accounts: what each account amounts to.
        records: how many records were looked at.
        repeated: how many of them are the same bytes again.
        first: the earliest time of an event; None without events.
        last: the latest.
        subjects: what an archive keeps of each account; empty where there is none.
    """

    tally: Tally = field(default_factory=Tally)
    accounts: list[AccountReport] = field(default_factory=list)
    records: int = 0
    repeated: int = 0
    first: Timestamp | None = None
    last: Timestamp | None = None
    subjects: list[SubjectResult] = field(default_factory=list)

    def merge(self, other: "PartResult") -> None:
        """Add what came of other accounts."""
        self.tally.merge(other.tally)
        self.accounts += other.accounts
        self.records += other.records
        self.subjects += other.subjects
        self.repeated += other.repeated
        self.first = min(filter(None, (self.first, other.first)), default=None)
        self.last = max(filter(None, (self.last, other.last)), default=None)
