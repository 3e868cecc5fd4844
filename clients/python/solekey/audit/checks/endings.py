"""Sessions that must end, and ends that something must have brought about. Spec: tokens.md §6.3."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, auth
from solekey_protocol.ids import SessionId

_TIMER: Final = timedelta(hours=1)
"""A timer ends what has expired, every 10 s; an outage may delay it, and nobody is admitted meanwhile."""
_PASSWORD, _CLOSED = auth.SessionEnd.PASSWORD_CHANGED, auth.SessionEnd.ACCOUNT_CLOSED


def check_expiries(evidence: Evidence, tally: Tally) -> None:
    """SES-03: a session that has expired is ended, by a timer."""
    until = evidence.until
    if Stream.AUTH not in evidence.whole or until is None:
        return
    for event in evidence.of(Stream.AUTH):
        body = event.body
        if not isinstance(body, auth.SessionOpened) or body.session not in evidence.auth.sessions:
            continue
        if until - body.expires_at.datetime > _TIMER:
            detail = f"{body.session} expired at {body.expires_at} and never ended"
            tally.find_at("SES-03", "session_not_ended", event, detail)


def check_endings(evidence: Evidence, tally: Tally) -> None:
    """SES-09: a new password and a closing end the sessions; an end that names a cause has it.

    A change of the password and the ends that it brings are appended together: the change first, the ends
    right behind it. When an account is closed the ends come first.
    """
    follower = _Follower(tally, evidence.bounds.clocks, evidence.bounds.revocation_elsewhere)
    for event in evidence.of(Stream.AUTH):
        follower.follow(event)
    if Stream.AUTH in evidence.whole:
        follower.conclude(None)


@dataclass(slots=True)
class _Follower:
    """Follows an auth stream.

    Attributes:
        opened: the sessions that are open, and when each expires.
        ended: when the others ended.
        reused: the session of which a used refresh token came back right before this event.
        changed: the change of the password that only ends have followed since.
        closing: the ends right before this event that name the closing of the account.
        operated: the end right before this event that the operator has brought about.
    """

    tally: Tally
    clocks: timedelta
    heard: timedelta
    opened: dict[SessionId, datetime] = field(default_factory=dict)
    ended: dict[SessionId, datetime] = field(default_factory=dict)
    reused: SessionId | None = None
    changed: Event | None = None
    operated: Event | None = None
    closing: list[Event] = field(default_factory=list)

    def follow(self, event: Event) -> None:
        """Follow the next event."""
        self.conclude(event)
        match event.body:
            case auth.SessionOpened(session, _, _, expires_at):
                self.opened[session] = expires_at.datetime
            case auth.LoginKeyChanged(_, auth.LoginKeyChange.PASSWORD_CHANGED):
                self.changed = event
            case auth.AccountClosed():
                _check_closing(event, self.opened, self.tally)
            case auth.SessionEnded() as body:
                self.tally.look("SES-09")
                self.opened.pop(body.session, None)
                self._check_cause(event, body)
                self.ended[body.session] = event.time.datetime
        self.reused = event.body.session if isinstance(event.body, auth.RefreshReuseDetected) else None

    def conclude(self, event: Event | None) -> None:
        """Conclude on what stands before an event that is not of it, or at the end of the stream."""
        body = event.body if event is not None else None
        reason = body.reason if isinstance(body, auth.SessionEnded) else None
        if self.operated is not None and reason is not auth.SessionEnd.ENDED_BY_OPERATOR:
            _check_operated(self.operated, self.opened, self.tally)
            self.operated = None
        if self.changed is not None and not (reason is _PASSWORD and self._is_soon(self.changed, event)):
            _check_password(self.changed, self.opened, self.tally)
            self.changed = None
        if self.closing and reason is not _CLOSED:
            if not (isinstance(body, auth.AccountClosed) and self._is_soon(self.closing[0], event)):
                _refuse_ends(self.closing, "the account was not closed", self.tally)
            self.closing = []

    def _is_soon(self, before: Event, event: Event | None) -> bool:
        """Whether two events can be of one transaction."""
        return event is not None and event.time.datetime - before.time.datetime <= self.clocks

    def _check_cause(self, event: Event, body: auth.SessionEnded) -> None:
        if body.reason is _CLOSED:
            self.closing.append(event)
        elif body.reason is _PASSWORD and self.changed is None:
            _refuse_ends([event], "the password was not changed right before", self.tally)
        elif body.reason is auth.SessionEnd.REFRESH_REUSED and body.session != self.reused:
            _refuse_ends([event], "no used refresh token of it came back right before", self.tally)
        elif body.reason is auth.SessionEnd.ENDED_BY_USER and not self._has_another(event):
            _refuse_ends([event], "no other session was open in which its user could end it", self.tally)
        elif body.reason is auth.SessionEnd.ENDED_BY_OPERATOR:
            self.operated = event

    def _has_another(self, event: Event) -> bool:
        """Whether another session could be used, or ended at the same time: two may end each other."""
        at = event.time.datetime
        usable = any(at - expires <= self.clocks for expires in self.opened.values())
        return usable or any(at - ended <= self.heard for ended in self.ended.values())


def _check_password(changed: Event, left: Collection[SessionId], tally: Tally) -> None:
    tally.look("SES-09")
    if len(left) > 1:  # the session in which the password was changed goes on
        detail = f"{len(left)} sessions go on, such as {min(left)}: all but one must end"
        tally.find_at("SES-09", "session_survived", changed, detail)


def _check_operated(ended: Event, left: Collection[SessionId], tally: Tally) -> None:
    if left:
        detail = f"the operator ends all sessions of an account; {len(left)} go on, such as {min(left)}"
        tally.find_at("SES-09", "session_survived", ended, detail)


def _check_closing(closed: Event, left: Collection[SessionId], tally: Tally) -> None:
    tally.look("SES-09")
    if left:
        detail = f"{len(left)} sessions were open, such as {min(left)}"
        tally.find_at("SES-09", "session_survived", closed, detail)


def _refuse_ends(ends: Iterable[Event], why: str, tally: Tally) -> None:
    for event in ends:
        tally.find_at("SES-09", "end_unfounded", event, why)
