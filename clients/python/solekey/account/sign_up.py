"""Signing up; each step may be repeated after a crash at any point.

::

    register            account id, login key; the answer holds the second factor's secret
    prove_second_factor the first login
    make_user_key       then, while nothing is in force: `solekey.recovery.make_kit`, `write_kit`, and
                        `confirm_words` with what the user enters from the kit
    found               the user key certifies this device; data key epoch 1 is wrapped, stored, read back,
                        opened and compared

What was done is known from the draft, the profile and the verified streams; nothing else is remembered. Spec:
authentication.md §2, devices.md §3, keys.md §5.
"""

from dataclasses import replace
from types import TracebackType
from typing import Self, cast

from solekey.account.device_names import default_name
from solekey.account.enrolment import adopt
from solekey.account.known_kdf import remember
from solekey.account.session import Session
from solekey.connection.connection import Connection
from solekey.connection.login import TotpSecret
from solekey.connection.second_factor import Proof
from solekey.crypto import KdfParameters, UntrustedKdfParameters, UserKey, accept_kdf_parameters
from solekey.crypto.new_password import verify_new_password
from solekey.errors import ForeignAccountError
from solekey.files.any_path import AnyPath
from solekey.profile.draft import SignUpDraft
from solekey.profile.profile import Profile
from solekey.runtime import Runtime
from solekey.server import Server
from solekey.streams.streams import Streams
from solekey.vault.keyring import UnlockedUserKey
from solekey.vault.wrapping import wrap_first_data_key
from solekey_protocol.encoding import Json
from solekey_protocol.ids import RAW_ID_BYTES, AccountId


class SignUp:
    """A sign-up on its way. Make it again with the same folder, server and user name to resume.

    With another server or user name it begins anew, unless the second factor was proven: then the folder is
    the profile of that account, and refused.

    Attributes:
        profile: what this device keeps; on disk once the second factor was proven.
        totp: the authenticator's secret, once it was received, also in an earlier attempt.
    """

    def __init__(
        self,
        folder: AnyPath,
        server: Server,
        *,
        username: str,
        device_name: str | None = None,
        device_key: str | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self._runtime = runtime or Runtime()
        name = device_name or default_name()
        self.profile = Profile.create(
            folder,
            server,
            username=username,
            device_name=name,
            random=self._runtime.random,
            device_key=device_key,
            ask=self._runtime.ask,
        )
        self._connection = Connection(self.profile, self._runtime)
        draft = SignUpDraft.load(self.profile.folder)
        details = self.profile.details
        fits = draft is not None and (draft.origin, draft.username) == (details.origin, details.username)
        self._draft = draft if fits else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    @property
    def logged_in(self) -> bool:
        """Whether the second factor was proven on this device before."""
        return self.profile.kept and self.profile.folder.read("session.json") is not None

    @property
    def founded(self) -> bool:
        """Whether this device knows the account as founded, and nothing of a sign-up is left to do."""
        known = self.profile.kept and self._draft is None
        return known and Streams(self._connection).devices.account_key is not None

    @property
    def resumes(self) -> bool:
        """Whether an earlier attempt has begun this very sign-up."""
        return self._draft is not None

    @property
    def totp(self) -> TotpSecret | None:
        """The authenticator's secret, if it was received; kept until the account is founded."""
        received = self._draft.totp if self._draft is not None else None
        return TotpSecret.parse(received) if received is not None else None

    def register(self, password: str) -> TotpSecret:
        """Register the account, or fetch the second factor's secret again while it is not proven.

        Raises:
            TakenError: somebody has this user name, or the second factor is proven already: log in.
            WeakPasswordError: see `verify_new_password`.
        """
        details, folder = self.profile.details, self.profile.folder
        verify_new_password(password, details.username)
        draft = self._draft
        if draft is None:
            account = AccountId.from_raw(self._runtime.random(RAW_ID_BYTES))
            kdf = KdfParameters.make(self._runtime.random).encode()
            draft = SignUpDraft(details.origin, details.username, account, kdf)
            draft.save(folder)
        parameters = accept_kdf_parameters(UntrustedKdfParameters.parse(cast("Json", draft.kdf)))
        self._draft = draft
        totp = self._connection.logins.register(draft.account, details.username, password, parameters)
        self._draft = replace(draft, totp={"secret": totp.secret, "uri": totp.uri})
        self._draft.save(folder)
        return totp

    def prove_second_factor(self, password: str, code: Proof) -> Session:
        """Log in for the first time, with a code of the authenticator. Raises LoginRefusedError."""
        username, known = self.profile.details.username, self.profile.kdf_known
        logged_in = self._connection.logins.log_in(username, password, code, known)
        if self._draft is not None and self._draft.account != logged_in.account:
            raise ForeignAccountError("the server opened a session of another account than this sign-up's")
        adopt(self._connection, logged_in)
        session = self.open_session()
        remember(session.connection, session.streams, logged_in)
        return session

    def open_session(self) -> Session:
        """Open the session of an earlier attempt. Raises NotLoggedInError."""
        session = Session.open(self.profile, self._runtime)
        session.sync()
        return session

    def make_user_key(self) -> UserKey:
        """Make the user key. Show ``to_phrase()`` once, have it written down, then call `found`."""
        return UserKey(self._runtime.random(UserKey.SIZE))

    def found(self, session: Session, user_key: UserKey) -> None:
        """Found the account under the user key and make its first data key; takes the user key over.

        Raises:
            WrongUserKeyError: the account was founded under another one, in an earlier attempt.
        """
        with user_key:
            unlocked = UnlockedUserKey(user_key, session.account)
            try:
                session.devices.found_account(unlocked)
                wrap_first_data_key(session.connection, session.streams, session.author, unlocked)
            finally:
                unlocked.wipe()
        SignUpDraft.delete(self.profile.folder)
        self._draft = None
