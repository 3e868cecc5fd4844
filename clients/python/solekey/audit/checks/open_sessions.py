"""When a device had a session open, and a second factor was proven in it. Spec: tokens.md §6."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from solekey.audit.bounds import Bounds
from solekey.audit.checks.evidence import Evidence
from solekey.audit.checks.spans import Spans, shift
from solekey_protocol.events import Stream, auth
from solekey_protocol.ids import DeviceId, SessionId


@dataclass(slots=True)
class _Session:
    device: DeviceId
    opened: datetime
    ended: datetime
    proven: list[datetime]


@dataclass(frozen=True, slots=True)
class OpenSessions:
    """When each device of an account could speak.

    Attributes:
        open: by device: when a session of it was open, within the bounds of what services may not know yet.
        proven: by device: when a second factor had been proven a short time ago, in a session that was open.
        anybody: the same of all devices together.
    """

    open: Mapping[DeviceId, Spans]
    proven: Mapping[DeviceId, Spans]
    anybody: Spans

    @classmethod
    def collect(cls, evidence: Evidence) -> Self:
        """Collect them from an account's auth stream."""
        sessions = _follow(evidence)
        opened: dict[DeviceId, list[tuple[datetime, datetime]]] = defaultdict(list)
        proven: dict[DeviceId, list[tuple[datetime, datetime]]] = defaultdict(list)
        clocks, late = evidence.bounds.clocks, _latest_use(evidence.bounds)
        for session in sessions:
            opened[session.device].append((shift(session.opened, -clocks), shift(session.ended, late)))
            for moment in session.proven:
                end = min(shift(moment, evidence.bounds.proof), session.ended)
                proven[session.device].append((shift(moment, -clocks), shift(end, late)))
        return cls(
            {device: Spans.join(spans) for device, spans in opened.items()},
            {device: Spans.join(spans) for device, spans in proven.items()},
            Spans.join(span for spans in proven.values() for span in spans),
        )


def _latest_use(bounds: Bounds) -> timedelta:
    """How long after its end a session may still be used: until a service hears of it, by its own clock."""
    return bounds.revocation_elsewhere


def _follow(evidence: Evidence) -> Iterable[_Session]:
    sessions: dict[SessionId, _Session] = {}
    for event in evidence.of(Stream.AUTH):
        at = event.time.datetime
        match event.body:
            case auth.SessionOpened(session, device, _, expires_at):
                sessions[session] = _Session(device, at, expires_at.datetime, [at])
            case auth.SessionSteppedUp(session) if session in sessions:
                sessions[session].proven.append(at)
            case auth.SessionEnded(session) if session in sessions:
                sessions[session].ended = min(at, sessions[session].ended)
    return sessions.values()
