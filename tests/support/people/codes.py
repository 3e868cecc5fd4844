"""The authenticator app of somebody who logs in at a real server, whose clock is the real one."""

import time

import pyotp

_PERIOD_S = 30
_MARGIN_S = 12
"""How long a code stays good at least, so that a slow machine does not let it expire on the way."""


class Codes:
    """Gives codes that were not used. A server takes the step before, this one and the next, each once."""

    def __init__(self, secret: str = "", *, used_now: bool = False) -> None:
        self.secret = secret
        self._last_step = int(time.time()) // _PERIOD_S if used_now else 0

    def next(self) -> str:
        """Give the first code that was not used and stays good for a while; wait until it is not too new."""
        oldest = int(time.time() + _MARGIN_S) // _PERIOD_S - 1
        self._last_step = max(oldest, self._last_step + 1)
        time.sleep(max(0.0, (self._last_step - 1) * _PERIOD_S - time.time()))
        return pyotp.TOTP(self.secret).at(self._last_step * _PERIOD_S)
