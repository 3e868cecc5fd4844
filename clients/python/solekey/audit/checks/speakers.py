"""Who speaks: a device in a session of its own, with a fresh second factor where that is asked for.

Spec: devices.md §3, factors.md §5.
"""

from datetime import datetime
from typing import Final

from solekey.audit.checks.evidence import Evidence
from solekey.audit.checks.open_sessions import OpenSessions
from solekey.audit.checks.spans import FOREVER, Spans, shift
from solekey.audit.report import Tally
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, auth, devices, rotation, vault
from solekey_protocol.events.fields import RotationKind

_NOBODY: Final = Spans((), ())


def check_speakers(evidence: Evidence, tally: Tally) -> None:
    """DEV-01, SES-08: what a device signs is taken in a session of it; what takes a proof, soon after one.

    A device that never logged in is found by SES-06, one that was revoked by REV-04, and what follows the
    end of an account by SES-07.
    """
    if Stream.AUTH not in evidence.whole:
        return
    sessions = OpenSessions.collect(evidence)
    closed = _find_closing(evidence)
    exempt = _find_exempt(evidence)
    looked_at = 0
    for event in evidence.all():
        if event.signed is None or (closed is not None and event.time.datetime > closed):
            continue
        device = event.signed.statement.device
        revoked = evidence.revoked.get(device)
        if device not in sessions.open or (revoked is not None and event.time > revoked.time):
            continue
        looked_at += 1
        if not sessions.open[device].cover(event.time.datetime):
            detail = f"{device} had no session open at {event.time}"
            tally.find_at("DEV-01", "device_without_session", event, detail)
        elif _takes_proof(event) and (event.stream, event.seq) not in exempt:
            _check_proof(event, sessions.proven.get(device, _NOBODY), tally)
    tally.look("DEV-01", looked_at)
    _check_own_facts(evidence, sessions, tally)


def check_strangers(evidence: Evidence, tally: Tally) -> None:
    """DEV-02: a device that logs in enrols, or shows in no other stream: a notice."""
    until = evidence.until
    if Stream.DEVICES not in evidence.whole or until is None:
        return
    known = evidence.signed.devices.devices
    for event in evidence.of(Stream.AUTH):
        if not isinstance(event.body, auth.SessionOpened):
            continue
        tally.look("DEV-02")
        if event.body.device not in known and until - event.time.datetime > evidence.bounds.session:
            detail = f"{event.body.device} logged in, and never enrolled"
            tally.note_at("DEV-02", "device_unknown", event, detail)


def _find_closing(evidence: Evidence) -> datetime | None:
    closed = [each for each in evidence.of(Stream.AUTH) if isinstance(each.body, auth.AccountClosed)]
    return closed[0].time.datetime if closed else None


def _takes_proof(event: Event) -> bool:
    """Whether a service takes a statement only soon after a second factor was proven."""
    return isinstance(
        event.body,
        devices.DeviceRevoked | rotation.PolicySet | rotation.RotationStarted | vault.ObjectsPurged,
    )


def _find_exempt(evidence: Evidence) -> set[tuple[Stream, int]]:
    """What takes no proof: a rotation that was due, and a purge while one was open, whose start took one."""
    exempt = set()
    due: set[RotationKind] = set()
    kind: RotationKind | None = None
    started: datetime | None = None
    spans: list[tuple[datetime, datetime]] = []
    for event in evidence.of(Stream.ROTATION):
        match event.body:
            case rotation.RotationDue(stated):
                due.add(stated)
            case rotation.RotationStarted(_, kind):
                started = event.time.datetime
                if kind in due:
                    exempt.add((event.stream, event.seq))
            case rotation.RotationCompleted() | rotation.RotationAborted() if started is not None:
                spans.append((started, event.time.datetime))
                started = None
                if kind is not None and isinstance(event.body, rotation.RotationCompleted):
                    due.discard(kind)
    spans += [(started, FOREVER)] if started is not None else []
    clocks = evidence.bounds.clocks
    rotating = Spans.join((shift(start, -clocks), shift(end, clocks)) for start, end in spans)
    for event in evidence.of(Stream.VAULT):
        if isinstance(event.body, vault.ObjectsPurged) and rotating.cover(event.time.datetime):
            exempt.add((event.stream, event.seq))
    return exempt


def _check_proof(event: Event, proven: Spans, tally: Tally) -> None:
    tally.look("SES-08")
    if not proven.cover(event.time.datetime):
        detail = f"no second factor was proven shortly before {event.time}"
        tally.find_at("SES-08", "proof_missing", event, detail)


def _check_own_facts(evidence: Evidence, sessions: OpenSessions, tally: Tally) -> None:
    """What changes how one logs in; the first factor is enrolled by the login that it is proven in."""
    enrolled = False
    for event in evidence.of(Stream.AUTH):
        match event.body:
            case auth.MfaEnrolled() if not enrolled:
                enrolled = True
            case auth.MfaEnrolled() | auth.MfaRemoved() | auth.LoginKeyChanged() | auth.AccountClosed():
                _check_proof(event, sessions.anybody, tally)
            case auth.SessionEnded(_, auth.SessionEnd.ENDED_BY_USER):
                _check_proof(event, sessions.anybody, tally)
