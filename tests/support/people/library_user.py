"""A user of the client library at the real platform."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from solekey import Server, UserKey
from solekey.account.enrolment import log_in
from solekey.account.session import Session
from solekey.account.sign_up import SignUp
from solekey.connection.second_factor import Proof, RecoveryCode
from tests.support.people.codes import Codes
from tests.support.platform_process import PlatformProcess

PASSWORD = "correct horse battery staple"
_names = count(1)


@dataclass
class LibraryUser:
    """An account, its authenticator and its words. Each device is a profile folder."""

    platform: PlatformProcess
    folder: Path
    username: str = field(default_factory=lambda: f"user{next(_names)}")
    phrase: str = ""
    codes: Codes = field(default_factory=Codes)

    @property
    def server(self) -> Server:
        return Server(self.platform.url, self.platform.ca)

    @property
    def totp(self) -> str:
        """The authenticator's secret."""
        return self.codes.secret

    def code(self) -> str:
        """A code that was not used."""
        return self.codes.next()

    def sign_up(self) -> Session:
        with SignUp(
            self.folder / "laptop", self.server, username=self.username, device_name="laptop"
        ) as sign_up:
            self.codes.secret = sign_up.register(PASSWORD).secret
            session = sign_up.prove_second_factor(PASSWORD, self.code())
            user_key = sign_up.make_user_key()
            self.phrase = user_key.to_phrase()
            sign_up.found(session, user_key)
        return session

    def make_recovery_codes(self, session: Session) -> None:
        """Have recovery codes made: what logins use from now on."""
        self.codes.recovery += session.factors.make_recovery_codes().codes

    def log_in(self, device: str, password: str = PASSWORD, code: str | None = None) -> Session:
        return log_in(
            self.folder / device,
            self.server,
            username=self.username,
            password=password,
            code=code or self._prove(),
            device_name=device,
        )

    def _prove(self) -> Proof:
        return RecoveryCode(self.codes.recovery.pop()) if self.codes.recovery else self.code()

    def open(self, device: str) -> Session:
        return Session.open(self.folder / device)

    def key(self) -> UserKey:
        return UserKey.from_phrase(self.phrase)

    def new_key(self) -> UserKey:
        user_key = UserKey.make()
        self.phrase = user_key.to_phrase()
        return user_key
