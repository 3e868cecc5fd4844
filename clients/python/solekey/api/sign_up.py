"""Signing up as an app does it. Each step may be repeated after a crash at any point."""

from types import TracebackType
from typing import Self

from solekey.account.session import Session
from solekey.account.sign_up import SignUp as Steps
from solekey.api.account import Account
from solekey.api.core import AskFactor
from solekey.connection.login import TotpSecret
from solekey.connection.second_factor import Proof
from solekey.crypto import UserKey
from solekey.files.any_path import AnyPath
from solekey.recovery.kit import RecoveryKit, make_kit
from solekey.runtime import Runtime
from solekey.server import Server


class SignUp:
    """A sign-up on its way. Make it again with the same profile, server and user name to resume.

    ::

        register             the account and its password; gives the authenticator's secret
        prove_second_factor  the first login
        make_user_key        shown to its owner, once: nobody else ever has it
        make_kit             its recovery kit; `solekey.recovery.write_kit` puts it on paper
        found                the user key certifies this device, and the data key is made: an `Account`

    Args:
        profile: the folder that this device keeps; written once the second factor was proven.
        server: where; an address alone is certified by the system's authorities.
        username: who.
        device_name: what this device calls itself, and the server sees; None: what kind of machine it is.
        device_key: where the device's key is kept: ``file:``, ``keyring:[NAME]`` or ``pkcs11:…``.
        on_step_up: see `solekey.open`.
        runtime: see `solekey.open`.

    Raises:
        ProfileExistsError: the folder is the profile of another user, or of another server.
    """

    def __init__(
        self,
        profile: AnyPath,
        server: Server | str,
        *,
        username: str,
        device_name: str | None = None,
        device_key: str | None = None,
        on_step_up: AskFactor | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self._steps = Steps(
            profile,
            Server(server) if isinstance(server, str) else server,
            username=username,
            device_name=device_name,
            device_key=device_key,
            runtime=runtime,
        )
        self._on_step_up = on_step_up
        self._session: Session | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; what `found` gave stays open."""
        self._steps.close()
        if self._session is not None:
            self._session.close()
            self._session = None

    @property
    def resumes(self) -> bool:
        """Whether an earlier attempt has begun this very sign-up."""
        return self._steps.resumes

    @property
    def logged_in(self) -> bool:
        """Whether the second factor was proven before: then `found` is what is left to do."""
        return self._steps.logged_in

    @property
    def founded(self) -> bool:
        """Whether nothing of the sign-up is left to do: `solekey.open` the profile."""
        return self._steps.founded

    def register(self, password: str) -> TotpSecret:
        """Register the account, or fetch the second factor's secret again while it is not proven.

        Raises:
            TakenError: somebody has this user name, or the second factor is proven already: log in.
            WeakPasswordError: it is short, common, or like the user name.
        """
        return self._steps.register(password)

    def prove_second_factor(self, password: str, code: Proof) -> None:
        """Log in for the first time, with a code of the authenticator. Raises LoginRefusedError."""
        self._take(self._steps.prove_second_factor(password, code))

    def make_user_key(self) -> UserKey:
        """Make the user key. Show its ``to_phrase()`` once and have it written down before `found`."""
        return self._steps.make_user_key()

    def make_kit(self, user_key: UserKey) -> RecoveryKit:
        """Make the recovery kit of the user key. Raises NotLoggedInError: prove the second factor first."""
        return make_kit(self._open(), user_key)

    def found(self, user_key: UserKey) -> Account:
        """Found the account under the user key, and make its first data key. The key is copied.

        Raises:
            NotLoggedInError: prove the second factor first.
            WrongUserKeyError: the account was founded under another one, in an earlier attempt.
        """
        session = self._open()
        self._steps.found(session, user_key.copy())
        self._session = None
        return Account(session, self._on_step_up)

    def _open(self) -> Session:
        return self._session or self._take(self._steps.open_session())

    def _take(self, session: Session) -> Session:
        if self._session is not None:
            self._session.close()
        self._session = session
        return session
