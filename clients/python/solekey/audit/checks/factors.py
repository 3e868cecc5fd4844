"""Second factors as auth states them. Spec: factors.md."""

from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, auth
from solekey_protocol.ids import Digest


def check_factors(evidence: Evidence, tally: Tally) -> None:
    """SES-05, FAC-01: what is used or removed was enrolled before."""
    enrolled: dict[Digest, auth.Factor] = {}
    for event in evidence.of(Stream.AUTH):
        match event.body:
            case auth.MfaEnrolled(factor, factor_id):
                tally.look("FAC-01")
                if factor_id in enrolled or (
                    factor is not auth.Factor.PASSKEY and factor in enrolled.values()
                ):
                    tally.find_at("FAC-01", "factor_twice", event, f"a {factor} is in force already")
                enrolled[factor_id] = factor
            case auth.MfaRemoved(factor, factor_id):
                tally.look("FAC-01")
                if enrolled.pop(factor_id, None) is not factor:
                    tally.find_at("FAC-01", "factor_unknown", event, f"no {factor} {factor_id} is enrolled")
            case auth.SessionOpened(_, _, factor) | auth.SessionSteppedUp(_, factor):
                tally.look("SES-05")
                if factor not in enrolled.values():
                    tally.find_at("SES-05", "factor_unknown", event, f"no {factor} is enrolled")


def check_recovery_codes(evidence: Evidence, tally: Tally) -> None:
    """FAC-02: the codes of a set that is in force are used up one by one."""
    left: dict[Digest, int | None] = {}
    for event in evidence.of(Stream.AUTH):
        match event.body:
            case auth.MfaEnrolled(auth.Factor.RECOVERY_CODES, factor_id):
                left[factor_id] = None
            case auth.MfaRemoved(auth.Factor.RECOVERY_CODES, factor_id):
                left.pop(factor_id, None)
            case auth.RecoveryCodeUsed():
                tally.look("FAC-02")
                _use_code(event, event.body, left, tally)


def _use_code(
    event: Event, body: auth.RecoveryCodeUsed, left: dict[Digest, int | None], tally: Tally
) -> None:
    if body.factor_id not in left:
        tally.find_at("FAC-02", "factor_unknown", event, f"no codes {body.factor_id} are in force")
        return
    before = left[body.factor_id]
    if before is not None and body.left != before - 1:
        tally.find_at("FAC-02", "recovery_codes_differ", event, f"{body.left} are left after {before}")
    left[body.factor_id] = body.left
