"""The verdict over a log: allow-list, chains, signatures, lineage, and what the facts say of each other.

The rules are the protocol's own folds (events.md §5) and its lineage (lineage.md). The auditor adds what only
somebody who holds the whole log can see: two histories of one place, events that somebody saw and the log
does not hold, and facts of the operator's that do not agree (``checks``). How a log of any size is gone
through is in ``engine``. Spec: audit.md §2, §3.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from solekey.audit.archive.archive import Archive
from solekey.audit.archive.going_on import SYSTEM, GoingOn
from solekey.audit.bounds import Bounds
from solekey.audit.bundle.stored_index import StoredIndex
from solekey.audit.checks.bundle import check_bundles
from solekey.audit.checks.bus import BusChecks, BusMemory
from solekey.audit.checks.objects import check_strangers
from solekey.audit.engine.collecting import Progress, Stage, collect_records
from solekey.audit.engine.context import Context
from solekey.audit.engine.parts import keep_subject, open_rows, verify_records
from solekey.audit.engine.processes import count_cores, verify_parts
from solekey.audit.engine.provenance import Provenance, Range, Reading
from solekey.audit.engine.result import PartResult
from solekey.audit.engine.spill import Spill
from solekey.audit.pins import Pin
from solekey.audit.report import Finding, Report, cover, sort_findings
from solekey.audit.seen import Seen
from solekey.audit.sources.log import BusState, Log, Record
from solekey.audit.tables.writing import write_tables
from solekey.files.any_path import AnyPath
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Timestamp


def verify_log(
    log: Log | Iterable[bytes],
    pins: Mapping[AccountId, Pin] | None = None,
    bounds: Bounds | None = None,
    *,
    seen: Seen | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
    tables: AnyPath | None = None,
    archive: Archive | None = None,
) -> Report:
    """Verify a whole log, or what is new of it.

    A log of any length is verified: an account's events are in memory at a time, the others wait in files of
    the system's folder for such.

    Args:
        log: what ``open_log`` gives; or exact bytes, in any order (``read_log`` yields them).
        pins: what users know of their accounts, learnt from them and not from the operator. Without a pin an
            operator could show an account of its own making, or a log that ends too early.
        bounds: what an honest operator keeps.
        seen: what this auditor has verified before: no signature is verified again up to there, but the log
            must hold it.
        processes: how many verify at the same time; None: one a core, where the log is a large one.
        progress: told how far the audit has come.
        tables: the file that ``Tables`` reads afterwards; None: no tables are made (``solekey[audit]``).
        archive: what this auditor has verified before, with its records: the log needs only what is new, and
            the verdict is about all of it. It is signed anew, unless a bundle is not as it was made.
    """
    progress = progress or _ignore
    bounds = bounds or Bounds()
    bounds = replace(bounds, now=bounds.now or datetime.now(UTC))
    begun = Timestamp.from_datetime(datetime.now(UTC))
    result = PartResult()
    before = GoingOn(archive, bounds) if archive is not None else None
    with Spill(lists_subjects=before is not None) as spill:
        memory = before.memory if before is not None else BusMemory()
        bus = BusChecks(_bus(log), bounds, memory)
        source, count = (before.follow(log), before.records) if before is not None else (log, 0)
        reading, system = collect_records(source, bus, spill, progress, count)
        if before is not None:
            before.remember_bus()
        bus.finish()
        result.tally.merge(memory.tally)
        bundles = getattr(log, "bundles", ())
        check_bundles(bundles if before is None else before.join_bundles(bundles), bounds, result.tally)
        stored = _index_stored(log, spill.folder)
        context = Context(
            pins or {},
            bounds,
            seen.heads if seen else {},
            stored=stored,
            rows=None if tables is None else spill.folder,
            keeps=before is not None,
        )
        _verify_accounts(context, spill, system, before, result, processes or count_cores(), progress)
        shared = result.tally.find_shared()
        provenance = Provenance(
            source=str(getattr(log, "name", "records")),
            digest=reading.digest(),
            first=result.first,
            last=result.last,
            bundles=tuple(bundle.name for bundle in bundles),
            ranges=_ranges(before, reading),
            pins=getattr(pins, "files", {}),
            seen=before.digest if before is not None else seen.digest if seen else None,
            made_at=begun,
            folded=before.folded if before is not None and before.point is not None else None,
        )
        report = _conclude(result, count + reading.records, provenance, shared)
        if tables is not None:
            progress(Stage.TABLES, 0, None)
            write_tables(Path(tables), spill.folder, report)
        if before is not None:
            before.conclude(report, reading, log)
    return report


def _verify_accounts(
    context: Context,
    spill: Spill,
    system: list[tuple[int, Record]],
    before: GoingOn | None,
    result: PartResult,
    processes: int,
    progress: Progress,
) -> None:
    """Verify the platform's own account first, and then all others with it."""
    total = (before.records if before is not None else 0) + spill.records + len(system)
    parts, new = spill.parts(), system
    if before is not None:
        old = _find_auth(before.find_system(()))
        system = before.find_system(new)
        keys = [parse_event(raw) for raw in old], [parse_event(raw) for raw in _find_auth(system)]
        parts, context = before.plan(context, parts, spill.subjects, keys)
    with open_rows(context, "system") as rows:
        found = verify_records(system, context, rows)
    if before is not None:
        own = [keep_subject(SYSTEM, new, found, again=True)] if system else []
        before.keep(own, context)
        before.take_over(result)
    result.merge(found)
    context = replace(context, system=_find_auth(system))
    for part in verify_parts(parts, context, processes):
        if before is not None:
            before.keep(part.subjects, context)
            part.subjects.clear()
        result.merge(part)
        progress(Stage.VERIFY, result.records, total)
    _check_missing(context, result)
    if context.stored is not None:
        check_strangers(context.stored, {each.account for each in result.accounts}, result.tally)


def _conclude(result: PartResult, records: int, provenance: Provenance, shared: list[Finding]) -> Report:
    more = Counter(each.account for each in shared)
    accounts = [replace(each, findings=each.findings + more[each.account]) for each in result.accounts]
    return Report(
        records=records,
        repeated=result.repeated,
        accounts={each.account: each for each in sorted(accounts, key=lambda each: each.account)},
        coverage=cover(result.tally),
        findings=sort_findings(result.tally.findings),
        notices=sort_findings(result.tally.notices),
        covert=result.tally.covert,
        provenance=provenance,
        across=tuple(shared),
    )


def _ranges(before: GoingOn | None, reading: Reading) -> tuple[Range, ...]:
    if before is None:
        return reading.ranges()
    return tuple(
        Range(each.topic, each.partition, each.first, each.last, each.records)
        for each in before.join_ranges(reading)
    )


def _bus(log: Log | Iterable[bytes]) -> BusState | None:
    return None if isinstance(log, Iterable) else log.bus


def _index_stored(log: Log | Iterable[bytes], folder: Path) -> StoredIndex | None:
    stored = None if isinstance(log, Iterable) else log.objects
    return None if stored is None else StoredIndex.make(stored, folder / "stored.db")


def _find_auth(system: Sequence[tuple[int, Record]]) -> tuple[bytes, ...]:
    """The auth events of the platform's own account: its signing keys."""
    found: dict[int, bytes] = {}
    for _, record in system:
        try:
            event = parse_event(record.raw or b"")
        except ProtocolError:
            continue  # REC-01 says so
        if event.stream is Stream.AUTH:
            found.setdefault(event.seq, event.raw)
    return tuple(found[seq] for seq in sorted(found))


def _check_missing(context: Context, result: PartResult) -> None:
    """PIN-01, HED-01: an account that somebody vouches for, or that was there before, is in the log."""
    known = {each.account for each in result.accounts}
    for account in sorted(context.pins.keys() - known):
        detail = "the account is pinned and the log does not hold it"
        result.tally.find("PIN-01", "account_missing", account, "devices", None, detail)
    for account in sorted(context.seen.keys() - known):
        for stream, head in context.seen[account].items():
            result.tally.look("HED-01")
            detail = f"the last audit has seen this event ({head.digest}); the account is missing"
            result.tally.find("HED-01", "rolled_back", account, stream, head.seq, detail)


def _ignore(stage: Stage, done: int, total: int | None) -> None:
    del stage, done, total
