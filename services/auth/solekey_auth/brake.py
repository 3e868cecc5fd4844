"""The brake on guessing: how long a name must wait after too many failed logins.

Spec: authentication.md §9.2. It counts names, whether anybody has them or not: both are braked alike.
"""

import math
from collections.abc import Sequence
from datetime import datetime

from solekey_auth.limits import AuthLimits
from solekey_auth.refusals import TooManyAttempts


def verify_attempts_left(failures: Sequence[datetime], now: datetime, limits: AuthLimits) -> None:
    """Verify that another login may be tried; ``failures`` are the newest first, of one name.

    Raises:
        TooManyAttempts: with the time until the oldest failure that counts is forgotten.
    """
    window = limits.login_failure_window
    counting = [at for at in failures if at > now - window]
    if len(counting) < limits.login_failures:
        return
    frees = sorted(counting, reverse=True)[limits.login_failures - 1] + window
    # A clock that was set back must not make anybody wait longer than one window.
    wait_s = min((frees - now).total_seconds(), window.total_seconds())
    raise TooManyAttempts(max(1, math.ceil(wait_s)))
