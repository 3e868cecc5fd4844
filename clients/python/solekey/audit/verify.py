"""The verdict over a log: allow-list, chains, signatures, lineage, and what the streams say of each other.

The rules are the protocol's own folds (events.md §5); the auditor adds what only somebody who holds the whole
log can see: two histories of one place, and events that somebody saw and the log does not hold. Spec:
audit.md §2.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from solekey.audit.report import AccountReport, Finding, Report
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events.body import Stream
from solekey_protocol.events.devices import AccountFounded
from solekey_protocol.ids import AccountId, PublicKey
from solekey_protocol.schemas import verify_schema
from solekey_protocol.streams import AuthStream, DevicesStream, RotationStream, VaultStream

S = TypeVar("S", AuthStream, DevicesStream, VaultStream, RotationStream)


@dataclass(slots=True)
class _Collected:
    """The parsed log, by place."""

    places: dict[AccountId, dict[Stream, dict[int, Event]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    findings: list[Finding] = field(default_factory=list)
    records: int = 0
    repeated: int = 0


def verify_log(records: Iterable[bytes], pins: Mapping[AccountId, PublicKey] | None = None) -> Report:
    """Verify a whole log.

    Args:
        records: exact bytes, in any order (``read_log`` yields them).
        pins: the first account key of accounts, learnt from their users and not from the operator. Without
        a pin an
            operator could show an account of its own making.
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


def _verify_account(account: AccountId, collected: _Collected, pin: PublicKey | None) -> AccountReport:
    places, findings = collected.places[account], collected.findings

    def fold(state: S, apply: Callable[[S, Event], S]) -> S:
        return _fold(state, _in_order(places[state.chain.stream]), apply, findings)

    devices = fold(DevicesStream.start(account), lambda state, event: state.apply(event))
    report = AccountReport(
        account,
        tuple(event for stream in Stream for event in _in_order(places[stream])),
        fold(AuthStream.start(account), lambda state, event: state.apply(event)),
        devices,
        fold(VaultStream.start(account), lambda state, event: state.apply(event, devices)),
        fold(RotationStream.start(account), lambda state, event: state.apply(event, devices)),
        pinned=pin is not None,
    )
    _check_pin(account, places[Stream.DEVICES], pin, findings)
    _check_seen(account, places, findings)
    return report


def _in_order(places: Mapping[int, Event]) -> list[Event]:
    return [places[seq] for seq in sorted(places)]


def _fold(state: S, events: Iterable[Event], apply: Callable[[S, Event], S], findings: list[Finding]) -> S:
    """Follow a stream as far as it verifies; what comes after a break cannot be judged."""
    for event in events:
        try:
            state = apply(state, event)
        except ProtocolError as error:
            findings.append(Finding(error.code, event.account, event.stream, event.seq, str(error)))
            break
    return state


def _check_pin(
    account: AccountId, places: Mapping[int, Event], pin: PublicKey | None, findings: list[Finding]
) -> None:
    body = places[1].body if 1 in places else None
    founded = body.account_key if isinstance(body, AccountFounded) else None
    if pin is not None and founded != pin:
        detail = "the account was founded with another key than the pinned one"
        findings.append(Finding("pin_mismatch", account, Stream.DEVICES, 1, detail))


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
