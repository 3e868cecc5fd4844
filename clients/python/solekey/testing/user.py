"""A user of the platform: what a person would know and hold."""

import time
from dataclasses import dataclass, field
from typing import Final, Self

import pyotp

from solekey.api.account import Account
from solekey.api.opening import log_in
from solekey.api.sign_up import SignUp
from solekey.crypto import Confidential, UserKey
from solekey.files.any_path import AnyPath
from solekey.server import Server

PASSWORD: Final = "a good password for tests"  # noqa: S105  # of accounts that live as long as a test
_PERIOD_S: Final = 30


@dataclass(slots=True, repr=False)
class User(Confidential):
    """Somebody with an account.

    Attributes:
        server, username, password: where and as whom they log in.
        totp_secret: what their authenticator app holds.
        phrase: the 24 words of the user key.
    """

    server: Server
    username: str
    password: str
    totp_secret: str = ""
    phrase: str = ""
    _last_step: int = field(default=0)

    @classmethod
    def sign_up(cls, server: Server, profile: AnyPath, username: str, password: str) -> Self:
        """Sign up. Raises TakenError: somebody has this user name."""
        user = cls(server, username, password)
        with SignUp(profile, server, username=username) as sign_up:
            user.totp_secret = sign_up.register(password).secret
            sign_up.prove_second_factor(password, user.make_code())
            with sign_up.make_user_key() as key:
                user.phrase = key.to_phrase()
                sign_up.found(key).close()
        return user

    def make_key(self) -> UserKey:
        """Make the user key of the words; wipe it when it was used."""
        return UserKey.from_phrase(self.phrase)

    def make_code(self) -> str:
        """Make the next code of the authenticator. Each is good once: the third within a minute waits."""
        now = int(time.time()) // _PERIOD_S
        step = max(now, self._last_step + 1)
        if step > now + 1:  # the server takes the next one early, and no later one
            time.sleep((step - 1) * _PERIOD_S - time.time())
        self._last_step = step
        return pyotp.TOTP(self.totp_secret).at(step * _PERIOD_S)

    def log_in(self, profile: AnyPath, *, device_name: str | None = None) -> Account:
        """Log in with a profile, of a new device or a known one. A new one is pending."""
        return log_in(
            profile,
            server=self.server,
            username=self.username,
            password=self.password,
            code=self.make_code(),
            device_name=device_name,
            on_step_up=self.make_code,
        )
