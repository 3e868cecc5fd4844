"""What an auditor checks beyond the streams' folds: facts that the operator alone states. Spec: audit.md §3.

``evidence`` what a check looks at · ``sessions`` ``endings`` ``factors`` ``signing_keys`` what auth states ·
``speakers`` who was let in to speak · ``revocations`` what a revoked device may still do · ``keys``
``rekeys`` keys and their rotations · ``commits`` how much was written · ``dues`` ``policies`` what was due ·
``times`` clocks · ``heads`` ``tails`` what clients and users have seen · ``capacity`` what could be hidden.
Inside: ``spans`` ``open_sessions`` ``key_ages``.
"""

from collections.abc import Callable
from typing import Final

from solekey.audit.checks import (
    capacity,
    commits,
    dues,
    endings,
    factors,
    keys,
    policies,
    rekeys,
    revocations,
    sessions,
    signing_keys,
    speakers,
    tails,
    times,
)
from solekey.audit.checks.evidence import Evidence
from solekey.audit.report import Tally

Check = Callable[[Evidence, Tally], None]

ACCOUNT_CHECKS: Final[tuple[Check, ...]] = (
    sessions.check_credentials,
    sessions.check_lifetimes,
    sessions.check_reuse,
    sessions.check_logins,
    sessions.check_closed,
    endings.check_expiries,
    endings.check_endings,
    speakers.check_speakers,
    speakers.check_strangers,
    factors.check_factors,
    factors.check_recovery_codes,
    factors.check_kept,
    signing_keys.check_owner,
    revocations.check_unconfirmed,
    revocations.check_late_statements,
    revocations.check_sessions,
    keys.check_wraps,
    keys.check_keys,
    commits.check_commits,
    rekeys.check_rekeys,
    dues.check_stated,
    dues.check_missing,
    policies.check_enforced,
    policies.check_left,
    times.check_times,
    times.check_seen_times,
    tails.check_tails,
    capacity.check_capacity,
)
"""The checks of a user's account."""
SYSTEM_CHECKS: Final[tuple[Check, ...]] = (
    times.check_times,
    signing_keys.check_announcements,
    capacity.check_capacity,
)
"""The checks of the platform's own account."""
