"""The verdict over a log: allow-list, chains, signatures, lineage, and what the facts say of each other.

The rules are the protocol's own folds (events.md §5) and its lineage (lineage.md). The auditor adds what only
somebody who holds the whole log can see: two histories of one place, events that somebody saw and the log
does not hold, and facts of the operator's that do not agree (``checks``). Spec: audit.md §2, §3.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from solekey.audit.bounds import Bounds
from solekey.audit.checks import ACCOUNT_CHECKS, SYSTEM_CHECKS, heads, signing_keys
from solekey.audit.checks.bus import BusChecks
from solekey.audit.checks.evidence import Evidence
from solekey.audit.pins import Pin
from solekey.audit.report import AccountReport, Finding, Report, Tally, cover, sort_findings
from solekey.audit.sources.log import BusPlace, Log, Record
from solekey_protocol.errors import GapError, ProtocolError, SchemaError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import SYSTEM_ACCOUNT, AccountId
from solekey_protocol.lineage import Account, is_tied, verify_lineage
from solekey_protocol.schemas import verify_schema
from solekey_protocol.services import V1_STREAMS
from solekey_protocol.streams import FOLDS, AuthStream, DevicesStream, Fold, RotationStream, VaultStream

S = TypeVar("S", bound=Fold)

_CHECKS_BY_CODE: Final = {
    "sequence_gap": "CHN-01",
    "chain_broken": "CHN-01",
    "chain_fork": "CHN-02",
    "signature_invalid": "SIG-01",
    "untrusted_device": "SIG-01",
}
"""Which check a fold's refusal belongs to; all others are steps that a stream does not allow."""


@dataclass(frozen=True, slots=True)
class _Tied:
    """An event that other streams must bear out, and what its own stream was before it."""

    event: Event
    before: DevicesStream | VaultStream | RotationStream


@dataclass(slots=True)
class _Collected:
    """The parsed log, by place."""

    places: dict[AccountId, dict[Stream, dict[int, Event]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    located: dict[tuple[AccountId, str, int], BusPlace] = field(default_factory=dict)
    records: int = 0
    repeated: int = 0

    def locate(self, finding: Finding) -> Finding:
        """Say where on the bus the event of a finding lies."""
        if finding.place is not None or finding.account is None or finding.seq is None:
            return finding
        return replace(finding, place=self.located.get((finding.account, finding.stream, finding.seq)))


def verify_log(
    log: Log | Iterable[bytes],
    pins: Mapping[AccountId, Pin] | None = None,
    bounds: Bounds | None = None,
) -> Report:
    """Verify a whole log.

    Args:
        log: what ``open_log`` gives; or exact bytes, in any order (``read_log`` yields them).
        pins: what users know of their accounts, learnt from them and not from the operator. Without a pin an
            operator could show an account of its own making, or a log that ends too early.
        bounds: what an honest operator keeps.
    """
    pins, bounds, tally = pins or {}, bounds or Bounds(), Tally()
    collected = _collect(log, BusChecks(getattr(log, "bus", None), bounds, tally), tally)
    accounts = {}
    for account in sorted(collected.places):
        accounts[account] = _verify_account(account, collected, pins.get(account), bounds, tally)
    for account in sorted(pins.keys() - accounts.keys()):
        detail = "the account is pinned and the log does not hold it"
        tally.find("PIN-01", "account_missing", account, "devices", None, detail)
    findings, notices = (
        sort_findings(map(collected.locate, each)) for each in (tally.findings, tally.notices)
    )
    return Report(collected.records, collected.repeated, accounts, cover(tally), findings, notices)


def _collect(log: Log | Iterable[bytes], bus: BusChecks, tally: Tally) -> _Collected:
    collected = _Collected()
    for record in _read_records(log):
        claims = bus.see(record)
        if claims is None:
            continue
        collected.records += 1
        tally.look("REC-01")
        tally.look("REC-02")
        try:
            event = _parse(record.raw or b"")
        except ProtocolError as error:
            check = "REC-02" if isinstance(error, SchemaError) else "REC-01"
            where = (claims.account, claims.stream or "?", claims.seq)
            tally.find(check, error.code, *where, f"record {collected.records}: {error}", record.place)
            continue
        tally.look("CHN-02")
        before = collected.places[event.account][event.stream].setdefault(event.seq, event)
        if before is event:
            if record.place is not None:
                collected.located[event.account, event.stream, event.seq] = record.place
        elif before.raw == event.raw:
            collected.repeated += 1
        else:
            detail = f"two events claim this place: {before.digest} and {event.digest}"
            tally.find_at("CHN-02", "chain_fork", event, detail, record.place)
    bus.finish()
    return collected


def _parse(raw: bytes) -> Event:
    """Parse a record; what ``parse_event`` takes is inside its JSON Schema (tests compare the two).

    Raises:
        SchemaError, MalformedError: as ``verify_schema``, which names the place, and as ``parse_event``.
    """
    try:
        return parse_event(raw)
    except ProtocolError:
        verify_schema(raw)
        raise


def _read_records(log: Log | Iterable[bytes]) -> Iterator[Record]:
    if isinstance(log, Iterable):
        return (Record(raw) for raw in log)
    return log.records()


def _verify_account(
    account: AccountId, collected: _Collected, pin: Pin | None, bounds: Bounds, tally: Tally
) -> AccountReport:
    places = collected.places[account]
    tied: list[_Tied] = []

    def fold(state: S, apply: Callable[[S, Event], S]) -> S:
        return _fold(state, _in_order(places[state.chain.stream]), apply, tally, tied)

    devices = fold(DevicesStream.start(account), lambda state, event: state.apply(event, state))
    report = AccountReport(
        account,
        tuple(event for stream in Stream for event in _in_order(places[stream])),
        fold(AuthStream.start(account), lambda state, event: state.apply(event, devices)),
        devices,
        fold(VaultStream.start(account), lambda state, event: state.apply(event, devices)),
        fold(RotationStream.start(account), lambda state, event: state.apply(event, devices)),
        pinned=pin is not None,
    )
    for stream in FOLDS.keys() - set(V1_STREAMS):
        fold(FOLDS[stream].start(account), lambda state, event: state.apply(event, devices))
    together = Account(report.devices, report.vault, report.rotation)
    _check_lineage(together, tied, tally)
    heads.check_seen(account, places, tally)
    heads.check_pin(account, places, pin, tally)
    heads.check_signatures(devices, pin, tally)
    evidence = Evidence.collect(places, report.auth, together, bounds)
    if account == SYSTEM_ACCOUNT:
        for check in SYSTEM_CHECKS:
            check(evidence, tally)
        return report
    for check in ACCOUNT_CHECKS:
        check(evidence, tally)
    system = collected.places.get(SYSTEM_ACCOUNT, {}).get(Stream.AUTH, {})
    signing_keys.check_signing_keys(evidence, _in_order(system), tally)
    return report


def _in_order(places: Mapping[int, Event]) -> list[Event]:
    return [places[seq] for seq in sorted(places)]


def _fold(
    state: S, events: Iterable[Event], apply: Callable[[S, Event], S], tally: Tally, tied: list[_Tied]
) -> S:
    """Follow a stream as far as it verifies; what comes after a break cannot be judged."""
    for event in events:
        before = state
        for check in ("CHN-01", "SIG-02", *(("SIG-01",) if event.signed is not None else ())):
            tally.look(check)
        try:
            state = apply(state, event)
            if is_tied(event.body) and isinstance(before, DevicesStream | VaultStream | RotationStream):
                tied.append(_Tied(event, before))
        except ProtocolError as error:
            tally.find_at(_CHECKS_BY_CODE.get(error.code, "SIG-02"), error.code, event, str(error))
            break
    return state


def _check_lineage(account: Account, tied: Iterable[_Tied], tally: Tally) -> None:
    """LIN-01: what a statement needs of the other streams, at the heads that it claims (lineage.md)."""
    for statement in tied:
        event = statement.event
        if event.signed is None:
            continue
        tally.look("LIN-01")
        try:
            verify_lineage(event.signed, account.before(statement.before))
        except GapError:
            continue  # CHN-03 says so
        except ProtocolError as error:
            tally.find_at("LIN-01", error.code, event, str(error))
