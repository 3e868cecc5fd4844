"""Sessions as auth states them: nobody signs these facts, but they must agree. Spec: tokens.md §6."""

from datetime import datetime, timedelta
from typing import Final

from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, auth
from solekey_protocol.events.devices import AccountFounded, DeviceEnrolled
from solekey_protocol.ids import SessionId
from solekey_protocol.statements import EMPTY_HEAD

_UNPROVEN: Final = timedelta(hours=1)
"""So long a registration keeps its account without a login (authentication.md §2)."""


def check_credentials(evidence: Evidence, tally: Tally) -> None:
    """SES-01: an account is registered first; again only while it is unproven; its credential counts up."""
    version, proven = 0, False
    registered: datetime | None = None
    for event in evidence.of(Stream.AUTH):
        body = event.body
        if version == 0 and not isinstance(body, auth.AccountRegistered):
            tally.find_at(
                "SES-01", "account_unregistered", event, "the account was not registered before this"
            )
            return
        if isinstance(body, auth.AccountRegistered | auth.LoginKeyChanged):
            tally.look("SES-01")
            if body.credential_version != version + 1:
                detail = f"credential version {body.credential_version} follows {version}"
                tally.find_at("SES-01", "credential_version_wrong", event, detail)
            if isinstance(body, auth.AccountRegistered):
                _check_again(event, registered, evidence, tally, proven=proven)
                registered = event.time.datetime
            version = body.credential_version
        if isinstance(body, auth.AccountClosed) and body.credential_version != version:
            detail = f"it was closed with credential version {body.credential_version}; {version} is in force"
            tally.find_at("SES-01", "credential_version_wrong", event, detail)
        proven = proven or isinstance(body, auth.SessionOpened | auth.MfaEnrolled)


def _check_again(
    event: Event, before: datetime | None, evidence: Evidence, tally: Tally, *, proven: bool
) -> None:
    """A registration is made again once the one before is forgotten, unproven."""
    if proven:
        detail = "registered again, although its user had logged in"
        tally.find_at("SES-01", "registered_twice", event, detail)
    elif before is not None and event.time.datetime - before < _UNPROVEN - evidence.bounds.clocks:
        detail = f"registered again; the registration of {before.isoformat()} was in force"
        tally.find_at("SES-01", "registered_twice", event, detail)


def check_lifetimes(evidence: Evidence, tally: Tally) -> None:
    """SES-02, SES-03: a session lasts as long as configured, and nothing happens to it outside of that."""
    expires: dict[SessionId, datetime] = {}
    for event in evidence.of(Stream.AUTH):
        match event.body:
            case auth.SessionOpened(session, _, _, expires_at):
                tally.look("SES-03")
                tally.hold("SES-02", "session_repeated", session.raw, event)
                lasts = expires_at.datetime - event.time.datetime
                if not 0 < lasts.total_seconds() <= (evidence.bounds.session.total_seconds() + 1):
                    tally.find_at("SES-03", "session_too_long", event, f"it lasts {lasts}")
                expires[session] = expires_at.datetime
            case auth.SessionEnded(session, reason):
                tally.look("SES-02")
                end = expires.pop(session, None)
                if end is None:
                    tally.find_at("SES-02", "session_not_open", event, f"{session} is not open")
                elif reason is auth.SessionEnd.LOGOUT:  # its user has asked for it, in this very session
                    _check_use(event, end, evidence, tally)
            case auth.SessionRefreshed(session) | auth.SessionSteppedUp(session):
                _check_use(event, expires.get(session), evidence, tally)


def _check_use(event: Event, end: datetime | None, evidence: Evidence, tally: Tally) -> None:
    if end is not None and event.time.datetime - end > evidence.bounds.clocks:
        tally.find_at("SES-03", "session_expired", event, f"its session's end was at {end.isoformat()}")


def check_reuse(evidence: Evidence, tally: Tally) -> None:
    """SES-04: after a reuse nothing happens to the session but its end, which is appended with it."""
    reused: dict[SessionId, Event] = {}
    before: Event | None = None  # the reuse right before this event
    for event in evidence.of(Stream.AUTH):
        if before is not None and not _ends_reused(event, before):
            tally.find_at("SES-04", "reuse_ignored", before, "its session was not ended with it")
        before = event if isinstance(event.body, auth.RefreshReuseDetected) else None
        match event.body:
            case auth.RefreshReuseDetected(session):
                tally.look("SES-04")
                reused[session] = event
            case auth.SessionEnded(session):
                reused.pop(session, None)
            case auth.SessionRefreshed(session) | auth.SessionSteppedUp(session) if session in reused:
                detail = f"{session} goes on after a used refresh token came back"
                tally.find_at("SES-04", "reuse_ignored", event, detail)
    for session, event in reused.items() if Stream.AUTH in evidence.whole else ():
        until = evidence.until
        open_still = session in evidence.auth.sessions
        if open_still and until is not None and until - event.time.datetime > evidence.bounds.clocks:
            tally.find_at("SES-04", "reuse_ignored", event, f"{session} was never ended")


def _ends_reused(event: Event, reused: Event) -> bool:
    body, before = event.body, reused.body
    return (
        isinstance(body, auth.SessionEnded)
        and isinstance(before, auth.RefreshReuseDetected)
        and (body.session, body.reason) == (before.session, auth.SessionEnd.REFRESH_REUSED)
    )


def check_logins(evidence: Evidence, tally: Tally) -> None:
    """SES-06: a device that founds the account or enrols has logged in before."""
    if Stream.AUTH not in evidence.whole:
        return
    opened: dict[str, datetime] = {}
    for event in evidence.of(Stream.AUTH):
        if isinstance(event.body, auth.SessionOpened):
            opened.setdefault(event.body.device, event.time.datetime)
    for event in evidence.of(Stream.DEVICES):
        if not isinstance(event.body, AccountFounded | DeviceEnrolled) or event.signed is None:
            continue
        tally.look("SES-06")
        device = event.signed.statement.device
        since = opened.get(device)
        if since is None or since - event.time.datetime > evidence.bounds.clocks:
            tally.find_at("SES-06", "device_not_logged_in", event, f"{device} had not logged in")


def check_closed(evidence: Evidence, tally: Tally) -> None:
    """SES-07: after an account was closed, or where its author knew that it was, nothing is taken."""
    closed = [event for event in evidence.of(Stream.AUTH) if isinstance(event.body, auth.AccountClosed)]
    for end in closed:
        tally.look("SES-07")
        for event in evidence.all():
            if event.signed is None:
                continue
            knew = event.signed.statement.heads.get(Stream.AUTH, EMPTY_HEAD).seq >= end.seq
            late = event.time.datetime - end.time.datetime > evidence.bounds.revocation_elsewhere
            if knew or late:
                tally.find_at("SES-07", "account_closed", event, f"the account was closed at {end.time}")
