"""What somebody logs in with beside the password at a real server, whose clock is the real one.

An authenticator app gives three codes at once, then one each 30 s. A test in which somebody logs in oftener,
and whose subject is another, has recovery codes made, and waits for nothing.
"""

import time

import pyotp

CODE_PERIOD_S = 30
CODE_MARGIN_S = 12
"""How long a code stays good at least, so that a slow machine does not let it expire on the way."""


class Codes:
    """Gives codes that were not used. A server takes the step before, this one and the next, each once.

    Attributes:
        secret: the authenticator's.
        recovery: the recovery codes that are left, if some were made.
    """

    def __init__(self, secret: str = "") -> None:
        self.secret = secret
        self.recovery: list[str] = []
        self._last_step = 0

    def next(self) -> str:
        """Give the first code that was not used and stays good for a while; wait until it is not too new."""
        oldest = int(time.time() + CODE_MARGIN_S) // CODE_PERIOD_S - 1
        self._last_step = max(oldest, self._last_step + 1)
        time.sleep(max(0.0, (self._last_step - 1) * CODE_PERIOD_S - time.time()))
        return pyotp.TOTP(self.secret).at(self._last_step * CODE_PERIOD_S)
