"""Second factors as auth states them. Spec: factors.md."""

from typing import Final

from solekey.audit.checks.evidence import Evidence
from solekey.audit.checks.spans import shift
from solekey.audit.report import Tally
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, auth
from solekey_protocol.ids import Digest

MAX_RECOVERY_CODES: Final = 10
"""A set has so many (factors.md §4.1)."""
MAX_PASSKEYS: Final = 10
"""An account has at most so many (factors.md §3.2)."""
_LASTING: Final = frozenset({auth.Factor.TOTP, auth.Factor.PASSKEY})


def check_factors(evidence: Evidence, tally: Tally) -> None:
    """SES-05, FAC-01: what is used or removed was enrolled before."""
    enrolled: dict[Digest, auth.Factor] = {}
    salted: set[Digest] = set()  # ids that are made of a new salt: none comes again
    _check_first(evidence, tally)
    for event in evidence.of(Stream.AUTH):
        match event.body:
            case auth.MfaEnrolled(factor, factor_id):
                tally.look("FAC-01")
                tally.hold("FAC-01", "factor_repeated", bytes.fromhex(factor_id), event)
                if factor_id in enrolled or (
                    factor is not auth.Factor.PASSKEY and factor in enrolled.values()
                ):
                    tally.find_at("FAC-01", "factor_twice", event, f"a {factor} is in force already")
                elif factor_id in salted:
                    tally.find_at("FAC-01", "factor_twice", event, f"{factor_id} was in force before")
                salted |= {factor_id} if factor is not auth.Factor.PASSKEY else set()
                enrolled[factor_id] = factor
            case auth.MfaRemoved(factor, factor_id):
                tally.look("FAC-01")
                if enrolled.pop(factor_id, None) is not factor:
                    tally.find_at("FAC-01", "factor_unknown", event, f"no {factor} {factor_id} is enrolled")
            case auth.SessionOpened(_, _, factor) | auth.SessionSteppedUp(_, factor):
                tally.look("SES-05")
                if factor not in enrolled.values():
                    tally.find_at("SES-05", "factor_unknown", event, f"no {factor} is enrolled")


def _check_first(evidence: Evidence, tally: Tally) -> None:
    """The first factor is an authenticator, which the login right behind it has proven."""
    events = evidence.of(Stream.AUTH)
    first = next((at for at, event in enumerate(events) if isinstance(event.body, auth.MfaEnrolled)), None)
    if first is None:
        return
    enrolled, behind = events[first].body, events[first + 1].body if first + 1 < len(events) else None
    is_totp = isinstance(enrolled, auth.MfaEnrolled) and enrolled.factor is auth.Factor.TOTP
    is_proven = isinstance(behind, auth.SessionOpened) and behind.factor is auth.Factor.TOTP
    is_last = behind is None and Stream.AUTH not in evidence.whole
    if not (is_totp and (is_proven or is_last)):
        detail = "the first factor is an authenticator, enrolled by the login that proves it"
        tally.find_at("FAC-01", "first_factor_wrong", events[first], detail)


def check_kept(evidence: Evidence, tally: Tally) -> None:
    """FAC-03: an account keeps an authenticator or a passkey, and has a bounded number of passkeys.

    What takes the place of the last one is enrolled in the same transaction: right behind its removal.
    """
    lasting: set[Digest] = set()
    passkeys: set[Digest] = set()
    removed: Event | None = None  # what left nothing lasting, right before this event
    for event in evidence.of(Stream.AUTH):
        if removed is not None and not isinstance(event.body, auth.MfaEnrolled):
            tally.find_at("FAC-03", "factor_required", removed, "neither authenticator nor passkey is left")
        removed = None
        match event.body:
            case auth.MfaEnrolled(factor, factor_id) if factor in _LASTING:
                tally.look("FAC-03")
                lasting.add(factor_id)
                passkeys |= {factor_id} if factor is auth.Factor.PASSKEY else set()
                if len(passkeys) > MAX_PASSKEYS:
                    detail = f"{len(passkeys)} passkeys; an account has at most {MAX_PASSKEYS}"
                    tally.find_at("FAC-03", "too_many_passkeys", event, detail)
            case auth.MfaRemoved(_, factor_id) if factor_id in lasting:
                tally.look("FAC-03")
                lasting.discard(factor_id)
                passkeys.discard(factor_id)
                removed = None if lasting else event
    if removed is not None and Stream.AUTH in evidence.whole:
        tally.find_at("FAC-03", "factor_required", removed, "neither authenticator nor passkey is left")


def check_recovery_codes(evidence: Evidence, tally: Tally) -> None:
    """FAC-02: the codes of a set that is in force are used up one by one, each right before what it opens."""
    left: dict[Digest, int] = {}
    used: Event | None = None  # the code that was used right before
    for event in evidence.of(Stream.AUTH):
        opens = _opens_by_code(event)
        if used is not None and not opens:
            _check_refused(used, evidence, tally)
        if opens and used is None:
            tally.look("FAC-02")
            tally.find_at("FAC-02", "recovery_code_missing", event, "no code was used up for it")
        match event.body:
            case auth.MfaEnrolled(auth.Factor.RECOVERY_CODES, factor_id):
                left[factor_id] = MAX_RECOVERY_CODES
            case auth.MfaRemoved(auth.Factor.RECOVERY_CODES, factor_id):
                left.pop(factor_id, None)
            case auth.RecoveryCodeUsed():
                tally.look("FAC-02")
                _use_code(event, event.body, left, tally)
        used = event if isinstance(event.body, auth.RecoveryCodeUsed) else None
    if used is not None and Stream.AUTH in evidence.whole:
        _check_refused(used, evidence, tally)


def _opens_by_code(event: Event) -> bool:
    body = event.body
    return (
        isinstance(body, auth.SessionOpened | auth.SessionSteppedUp)
        and body.factor is auth.Factor.RECOVERY_CODES
    )


def _check_refused(used: Event, evidence: Evidence, tally: Tally) -> None:
    """A code is used up for nothing only where a login was refused for its device: one that is revoked."""
    until = shift(used.time.datetime, evidence.bounds.clocks)
    if all(revoked.time.datetime > until for revoked in evidence.revoked.values()):
        detail = "it opened nothing, and no device was revoked whose login could have been refused"
        tally.find_at("FAC-02", "recovery_code_wasted", used, detail)


def _use_code(event: Event, body: auth.RecoveryCodeUsed, left: dict[Digest, int], tally: Tally) -> None:
    if body.factor_id not in left:
        tally.find_at("FAC-02", "factor_unknown", event, f"no codes {body.factor_id} are in force")
        return
    before = left[body.factor_id]
    if body.left != before - 1:
        tally.find_at("FAC-02", "recovery_codes_differ", event, f"{body.left} are left after {before}")
    left[body.factor_id] = body.left
