"""Some accounts of a log, verified one after the other."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from solekey.audit.archive.chunks import encode_chunk
from solekey.audit.archive.results import encode_result
from solekey.audit.archive.subjects import SubjectResult
from solekey.audit.checks.claims import Claims
from solekey.audit.engine.account import AccountAudit, AccountLog
from solekey.audit.engine.context import Context
from solekey.audit.engine.result import PartResult
from solekey.audit.engine.spill import Part
from solekey.audit.report import Tally
from solekey.audit.sources.log import Record
from solekey.audit.tables.rows import AccountRows
from solekey.audit.tables.writing import RowFiles
from solekey_protocol.errors import ProtocolError, SchemaError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.ids import AccountId, Timestamp
from solekey_protocol.schemas import verify_schema

_SUBJECT: Final = b'"subject":"'
_ACCOUNT_CHARS: Final = len("acc_") + 26


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
        for subject in sorted(subjects.keys() | part.kept.digests.keys()):
            new = subjects.pop(subject, [])
            records = [*part.kept.records(subject), *new]
            found = verify_records(records, context, rows, system)
            if context.keeps:
                found.subjects.append(keep_subject(subject, new, found))
            result.merge(found)
    return result


def keep_subject(
    subject: bytes, new: Sequence[tuple[int, Record]], found: PartResult, *, again: bool = False
) -> SubjectResult:
    """What an archive keeps of an account.

    Args:
        subject: the account.
        new: its records that are new.
        found: what came of it.
        again: whether it is gone through at every audit.
    """
    clean = {each.account: each.heads for each in found.accounts if not each.findings}
    return SubjectResult(
        subject,
        encode_chunk(new) if new else None,
        clean,
        found.last,
        None if again else encode_result(found),
    )


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
    times: list[Timestamp] = []
    for number, record in records:
        result.records += 1
        event = _parse(number, record, result.tally)
        if event is None:
            continue
        log = logs.get(event.account)
        if log is None:
            log = logs[event.account] = AccountLog(event.account)
        log.add(event, record.place)
        times.append(event.time)
    result.first, result.last = min(times, default=None), max(times, default=None)
    result.tally.look("REC-01", result.records)
    result.tally.look("REC-02", result.records)
    for log in logs.values():
        tally = Tally()
        verified = AccountAudit(log, context, tally).run(system)
        tally.findings = [verified.locate(each) for each in tally.findings]
        found = tally.found.total()
        tally.notices = [verified.locate(each) for each in tally.notices]
        tally.holders = {value: verified.locate_holder(each) for value, each in tally.holders.items()}
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
