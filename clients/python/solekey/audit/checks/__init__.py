"""What an auditor checks beyond the streams' folds: facts that the operator alone states. Spec: audit.md §3.

``evidence`` what a check looks at · ``sessions`` ``factors`` ``signing_keys`` what auth states ·
``revocations`` what a revoked device may still do · ``times`` clocks · ``heads`` what clients and users have
seen.
"""

from collections.abc import Callable
from typing import Final

from solekey.audit.checks import factors, revocations, sessions, times
from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally

Check = Callable[[Evidence, Tally], None]

ACCOUNT_CHECKS: Final[tuple[Check, ...]] = (
    sessions.check_credentials,
    sessions.check_lifetimes,
    sessions.check_reuse,
    sessions.check_logins,
    sessions.check_closed,
    factors.check_factors,
    factors.check_recovery_codes,
    revocations.check_unconfirmed,
    revocations.check_late_statements,
    revocations.check_sessions,
    times.check_times,
    times.check_seen_times,
)
"""The checks of a user's account."""
SYSTEM_CHECKS: Final[tuple[Check, ...]] = (times.check_times,)
"""The checks of the platform's own account."""
