"""This machine's clock beside the server's: a wrong one is told as that, and not as a foreign authority.

What a server says of the time proves nothing: the clock is named, never set or believed.
Spec: conventions.md §7.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from solekey.errors import ClockWrongError, ProofRefusedError

NOT_YET_VALID: Final = 9  # X509_V_ERR_CERT_NOT_YET_VALID
EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED
CLOCK_VERIFY_CODES: Final = frozenset({NOT_YET_VALID, EXPIRED})
MAX_SKEW: Final = timedelta(seconds=30)
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def verify_clock(date: str, now: datetime, refusal: ProofRefusedError) -> None:
    """Verify that a refused proof was not made by a clock that is wrong. Raises ClockWrongError.

    Args:
        date: the answer's Date header.
        now: this machine's clock.
        refusal: the server's refusal.
    """
    try:
        theirs = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    skew = now - theirs
    if abs(skew) > MAX_SKEW:
        way = "ahead of" if skew > timedelta() else "behind"
        raise ClockWrongError(
            f"this machine's clock says {_describe(now)}: it is {_describe_span(skew)} {way} the server's"
        ) from refusal


def explain_moment(verify_code: int, now: datetime) -> ClockWrongError:
    """Explain a certificate that is not valid at this moment, by this machine's clock."""
    if verify_code == NOT_YET_VALID:
        return ClockWrongError(
            f"the server's certificate is not yet valid, for this machine's clock says {_describe(now)}: "
            "is the clock behind?"
        )
    return ClockWrongError(
        f"the server's certificate has expired, for this machine's clock says {_describe(now)}: "
        "is the clock ahead, or has the operator not renewed it?"
    )


def _describe(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _describe_span(span: timedelta) -> str:
    seconds = int(abs(span).total_seconds())
    for unit_s, unit in ((_DAY_S, "days"), (_HOUR_S, "hours"), (_MINUTE_S, "minutes")):
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s} {unit}"
    return f"{seconds} seconds"
