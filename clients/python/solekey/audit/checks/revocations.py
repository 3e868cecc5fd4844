"""What a revoked device may still do, and for how long. Spec: lineage.md §4, devices.md."""

from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, auth
from solekey_protocol.ids import DeviceId, SessionId
from solekey_protocol.lineage import find_unconfirmed
from solekey_protocol.statements import EMPTY_HEAD


def check_unconfirmed(evidence: Evidence, tally: Tally) -> None:
    """REV-01: what a revoked device signed behind its revocation has been confirmed by another one."""
    tally.look("REV-01", len(evidence.revoked))
    for state in (evidence.signed.vault, evidence.signed.rotation):
        seen = state.chain.seen.get(Stream.DEVICES, EMPTY_HEAD).seq
        for event in find_unconfirmed(evidence.signed.devices, seen, evidence.of(state.chain.stream)):
            detail = "a revoked device signed this behind its revocation, and no other has confirmed it"
            tally.find_at("REV-01", "revoked_author", event, detail)


def check_late_statements(evidence: Evidence, tally: Tally) -> None:
    """REV-04: no service takes anything from a revoked device once it has heard of it."""
    revoked = evidence.revoked
    for event in evidence.all():
        since = revoked.get(event.signed.statement.device) if event.signed is not None else None
        if since is None:
            continue
        tally.look("REV-04")
        if event.time.datetime - since.time.datetime > evidence.bounds.revocation_elsewhere:
            tally.find_at(
                "REV-04", "statement_after_revocation", event, f"its device was revoked at {since.time}"
            )


def check_sessions(evidence: Evidence, tally: Tally) -> None:
    """REV-02, REV-03, REV-05: no session of a revoked device is opened, or stays, after the bound."""
    revoked = evidence.revoked
    bound = evidence.bounds.revocation_elsewhere
    open_since: dict[SessionId, DeviceId] = {}
    for event in evidence.of(Stream.AUTH):
        match event.body:
            case auth.SessionOpened(session, device):
                tally.look("REV-02")
                open_since[session] = device
                since = revoked.get(device)
                if since is not None and event.time.datetime - since.time.datetime > bound:
                    detail = f"a session of a device that was revoked at {since.time}"
                    tally.find_at("REV-02", "session_after_revocation", event, detail)
            case auth.SessionEnded(session, reason):
                ended = open_since.pop(session, None)
                if ended is not None and ended in revoked:
                    tally.look("REV-03")
                    _check_end(event, revoked[ended], evidence, tally)
                if reason is auth.SessionEnd.DEVICE_REVOKED and Stream.DEVICES in evidence.whole:
                    tally.look("REV-05")
                    if ended is None or ended not in revoked:
                        tally.find_at(
                            "REV-05", "device_not_revoked", event, "no revocation of its device stands"
                        )
    for session, device in open_since.items() if Stream.AUTH in evidence.whole else ():
        if device in revoked:
            tally.look("REV-03")
            _check_open(session, revoked[device], evidence, tally)


def _check_end(event: Event, revocation: Event, evidence: Evidence, tally: Tally) -> None:
    if event.time.datetime - revocation.time.datetime > evidence.bounds.revocation_elsewhere:
        detail = f"its device was revoked at {revocation.time}"
        tally.find_at("REV-03", "session_ended_late", event, detail)


def _check_open(session: SessionId, revocation: Event, evidence: Evidence, tally: Tally) -> None:
    """A log that ends before the bound has passed shows nothing yet."""
    until = evidence.until
    if until is not None and until - revocation.time.datetime > evidence.bounds.revocation_elsewhere:
        detail = f"{session} of the revoked device never ended"
        tally.find_at("REV-03", "session_not_ended", revocation, detail)
