"""The verdict over a log: allow-list, chains, signatures, lineage, and what the streams say of each other.

The rules are the protocol's own folds (events.md §5) and its lineage (lineage.md); the auditor adds what only
somebody who holds the whole log can see: two histories of one place, and events that somebody saw and the log
does not hold. Spec: audit.md §2.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeVar

from solekey.audit.report import AccountReport, Finding, Report
from solekey_protocol.errors import GapError, ProtocolError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import SessionOpened
from solekey_protocol.events.devices import AccountFounded, DeviceRevoked
from solekey_protocol.ids import AccountId, PublicKey
from solekey_protocol.lineage import Account, find_unconfirmed, is_tied, verify_lineage
from solekey_protocol.schemas import verify_schema
from solekey_protocol.services import V1_STREAMS
from solekey_protocol.statements import EMPTY_HEAD, Head
from solekey_protocol.streams import FOLDS, AuthStream, DevicesStream, Fold, RotationStream, VaultStream

REVOCATION_BOUND: Final = timedelta(seconds=10)
"""By when every service has heard of a revocation or refuses: freshness, clock skew, and a request's time."""

S = TypeVar("S", bound=Fold)


@dataclass(frozen=True, slots=True)
class Pin:
    """What an account's user knows, and the operator cannot change. Spec: audit.md §2.

    Attributes:
        first_key: the account key that the account was founded with; None if the user did not say.
        heads: the ends of streams that the user's devices have verified.
    """

    first_key: PublicKey | None = None
    heads: Mapping[Stream, Head] = field(default_factory=dict)


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
    findings: list[Finding] = field(default_factory=list)
    records: int = 0
    repeated: int = 0


def verify_log(records: Iterable[bytes], pins: Mapping[AccountId, Pin] | None = None) -> Report:
    """Verify a whole log.

    Args:
        records: exact bytes, in any order (``read_log`` yields them).
        pins: what users know of their accounts, learnt from them and not from the operator. Without a pin an
            operator could show an account of its own making, or a log that ends too early.
    """
    pins = pins or {}
    collected = _collect(records)
    accounts = {}
    for account in sorted(collected.places):
        accounts[account] = _verify_account(account, collected, pins.get(account))
    for account in sorted(pins.keys() - accounts.keys()):
        detail = "the account is pinned and the log does not hold it"
        collected.findings.append(Finding("account_missing", account, "devices", None, detail))
    return Report(collected.records, collected.repeated, accounts, tuple(collected.findings))


def _collect(records: Iterable[bytes]) -> _Collected:
    collected = _Collected()
    for raw in records:
        collected.records += 1
        try:
            event = parse_event(verify_schema(raw))
        except ProtocolError as error:
            detail = f"record {collected.records}: {error}"
            collected.findings.append(Finding(error.code, None, "?", None, detail))
            continue
        place = collected.places[event.account][event.stream]
        before = place.setdefault(event.seq, event)
        if before is event:
            continue
        if before.raw == event.raw:
            collected.repeated += 1
        else:
            detail = f"two events claim this place: {before.digest} and {event.digest}"
            collected.findings.append(Finding("chain_fork", event.account, event.stream, event.seq, detail))
    return collected


def _verify_account(account: AccountId, collected: _Collected, pin: Pin | None) -> AccountReport:
    places, findings = collected.places[account], collected.findings

    tied: list[_Tied] = []

    def fold(state: S, apply: Callable[[S, Event], S]) -> S:
        return _fold(state, _in_order(places[state.chain.stream]), apply, findings, tied)

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
    _check_lineage(report, tied, findings)
    _check_revocations(report, places, findings)
    _check_pin(account, places, pin, findings)
    _check_seen(account, places, findings)
    return report


def _in_order(places: Mapping[int, Event]) -> list[Event]:
    return [places[seq] for seq in sorted(places)]


def _fold(
    state: S,
    events: Iterable[Event],
    apply: Callable[[S, Event], S],
    findings: list[Finding],
    tied: list[_Tied],
) -> S:
    """Follow a stream as far as it verifies; what comes after a break cannot be judged."""
    for event in events:
        before = state
        try:
            state = apply(state, event)
            if is_tied(event.body) and isinstance(before, DevicesStream | VaultStream | RotationStream):
                tied.append(_Tied(event, before))
        except ProtocolError as error:
            findings.append(Finding(error.code, event.account, event.stream, event.seq, str(error)))
            break
    return state


def _check_lineage(report: AccountReport, tied: Iterable[_Tied], findings: list[Finding]) -> None:
    """What a statement needs of the other streams, at the heads that it claims (lineage.md)."""
    account = Account(report.devices, report.vault, report.rotation)
    for statement in tied:
        event = statement.event
        if event.signed is None:
            continue
        try:
            verify_lineage(event.signed, account.before(statement.before))
        except GapError:
            continue  # event_withheld says so
        except ProtocolError as error:
            findings.append(Finding(error.code, event.account, event.stream, event.seq, str(error)))


def _check_revocations(
    report: AccountReport, places: Mapping[Stream, Mapping[int, Event]], findings: list[Finding]
) -> None:
    """A revoked device says nothing that counts behind its revocation, and opens no session after it."""
    for state in (report.vault, report.rotation):
        stream = state.chain.stream
        seen = state.chain.seen.get(Stream.DEVICES, EMPTY_HEAD).seq
        events = _in_order(places.get(stream, {}))[: state.head.seq]
        for event in find_unconfirmed(report.devices, seen, events):
            detail = "a revoked device signed this behind its revocation, and no other has confirmed it"
            findings.append(Finding("revoked_author", report.account, stream, event.seq, detail))
    devices = _in_order(places.get(Stream.DEVICES, {}))
    revoked = {event.body.device: event.time for event in devices if isinstance(event.body, DeviceRevoked)}
    for event in _in_order(places.get(Stream.AUTH, {})):
        body = event.body
        since = revoked.get(body.device) if isinstance(body, SessionOpened) else None
        if since is not None and event.time.datetime > since.datetime + REVOCATION_BOUND:
            detail = f"a session of a device that was revoked at {since}"
            found = Finding("session_after_revocation", report.account, Stream.AUTH, event.seq, detail)
            findings.append(found)


def _check_pin(
    account: AccountId,
    places: Mapping[Stream, Mapping[int, Event]],
    pin: Pin | None,
    findings: list[Finding],
) -> None:
    if pin is None:
        return
    first = places.get(Stream.DEVICES, {}).get(1)
    founded = first.body.account_key if first and isinstance(first.body, AccountFounded) else None
    if pin.first_key is not None and founded != pin.first_key:
        detail = "the account was founded with another key than the pinned one"
        findings.append(Finding("pin_mismatch", account, Stream.DEVICES, 1, detail))
    for stream, head in pin.heads.items():
        event = places.get(stream, {}).get(head.seq)
        if head.seq and event is None:
            detail = f"the account's user has seen this event ({head.digest}); the log does not hold it"
            findings.append(Finding("rolled_back", account, stream, head.seq, detail))
        elif event is not None and event.digest != head.digest:
            detail = f"the account's user has seen other bytes here: {head.digest}"
            findings.append(Finding("chain_fork", account, stream, head.seq, detail))


def _check_seen(
    account: AccountId, places: Mapping[Stream, Mapping[int, Event]], findings: list[Finding]
) -> None:
    """What a client saw of another stream must stand in the log, with the same bytes."""
    missing: dict[Stream, tuple[int, Event]] = {}
    for stream in Stream:
        for event in _in_order(places.get(stream, {})):
            for other, head in event.signed.statement.heads.items() if event.signed else ():
                known = places.get(other, {}).get(head.seq)
                if known is not None and known.digest != head.digest:
                    detail = f"{stream} {event.seq} saw other bytes here: {head.digest}"
                    findings.append(Finding("chain_fork", account, other, head.seq, detail))
                elif known is None and head.seq > missing.get(other, (0, event))[0]:
                    missing[other] = (head.seq, event)
    for other, (seq, event) in missing.items():
        detail = f"{event.stream} {event.seq} saw this event; the log does not hold it"
        findings.append(Finding("event_withheld", account, other, seq, detail))
