"""Some accounts of a log, verified one after the other."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from solekey.audit.checks.claims import Claims
from solekey.audit.engine.account import AccountAudit, AccountLog
from solekey.audit.engine.context import Context
from solekey.audit.engine.spill import Part
from solekey.audit.report import AccountReport, Tally
from solekey.audit.sources.log import Record
from solekey.audit.tables.rows import AccountRows
from solekey.audit.tables.writing import RowFiles
from solekey_protocol.errors import ProtocolError, SchemaError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.ids import AccountId, Timestamp
from solekey_protocol.schemas import verify_schema

_SUBJECT: Final = b'"subject":"'
_ACCOUNT_CHARS: Final = len("acc_") + 26


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
    """

    tally: Tally = field(default_factory=Tally)
    accounts: list[AccountReport] = field(default_factory=list)
    records: int = 0
    repeated: int = 0
    first: Timestamp | None = None
    last: Timestamp | None = None

    def merge(self, other: "PartResult") -> None:
        """Add what came of other accounts."""
        self.tally.merge(other.tally)
        self.accounts += other.accounts
        self.records += other.records
        self.repeated += other.repeated
        self.first = min(filter(None, (self.first, other.first)), default=None)
        self.last = max(filter(None, (self.last, other.last)), default=None)


def find_subject(raw: bytes) -> bytes:
    """Find the account of a record without parsing it; no bytes where it cannot be one.

    Of a canonical record it is the subject. Of all else it says only into which part it comes.
    """
    at = raw.rfind(_SUBJECT) + len(_SUBJECT)  # canonical JSON has the time and the type behind it
    return raw[at : at + _ACCOUNT_CHARS] if at >= len(_SUBJECT) else b""


def verify_part(part: Part, context: Context) -> PartResult:
    """Verify the accounts of a part. One account's events are in memory at a time."""
    subjects: dict[bytes, list[tuple[int, Record]]] = {}
    for number, record in part.records():
        subjects.setdefault(find_subject(record.raw or b""), []).append((number, record))
    system = [parse_event(raw) for raw in context.system]
    result = PartResult()
    with open_rows(context, f"{part.number:03}") as rows:
        for subject in sorted(subjects):
            result.merge(verify_records(subjects.pop(subject), context, rows, system))
    return result


@contextmanager
def open_rows(context: Context, part: str) -> Iterator[RowFiles | None]:
    """Open the files that rows of tables are written to, where tables are made."""
    if context.rows is None:
        yield None
        return
    with RowFiles(context.rows, part) as rows:
        yield rows


def verify_records(
    records: Iterable[tuple[int, Record]],
    context: Context,
    rows: RowFiles | None = None,
    system: Sequence[Event] = (),
) -> PartResult:
    """Verify the records of one account, each given with its number in the log."""
    result = PartResult()
    logs: dict[AccountId, AccountLog] = {}
    for number, record in records:
        result.records += 1
        event = _parse(number, record, result.tally)
        if event is None:
            continue
        log = logs.setdefault(event.account, AccountLog(event.account))
        log.add(event, record.place)
        result.first = min(result.first or event.time, event.time)
        result.last = max(result.last or event.time, event.time)
    result.tally.look("REC-01", result.records)
    result.tally.look("REC-02", result.records)
    for log in logs.values():
        tally = Tally()
        verified = AccountAudit(log, context, tally).run(system)
        tally.findings = [verified.locate(each) for each in tally.findings]
        found = tally.found.total()
        tally.notices = [verified.locate(each) for each in tally.notices]
        if rows is not None:
            rows.write(AccountRows(verified, tally.findings).rows(rows.fields))
        result.tally.merge(tally)
        result.accounts.append(replace(verified.report, findings=found))
        result.repeated += log.repeated
    return result


def _parse(number: int, record: Record, tally: Tally) -> Event | None:
    """REC-01, REC-02: parse a record. What ``parse_event`` takes is inside its JSON Schema: tests compare."""
    raw = record.raw or b""
    try:
        return parse_event(raw)
    except ProtocolError as refusal:
        error = _word(raw, refusal)
        check = "REC-02" if isinstance(error, SchemaError) else "REC-01"
        claims = Claims.parse(record.raw)
        where = (claims.account, claims.stream or "?", claims.seq)
        tally.find(check, error.code, *where, f"record {number}: {error}", record.place)
        return None


def _word(raw: bytes, refusal: ProtocolError) -> ProtocolError:
    """The refusal in the words of the JSON Schema, where that refuses, too."""
    try:
        verify_schema(raw)
    except ProtocolError as error:
        return error
    return refusal
