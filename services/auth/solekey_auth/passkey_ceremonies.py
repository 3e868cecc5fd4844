"""Passkeys as they are added, one transaction each. Spec: factors.md §3.2."""

from functools import partial
from typing import Final

from solekey_auth import commands as asked
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.repository import CredentialRows, LoginRows
from solekey_auth.domain import decide
from solekey_auth.factors.passkeys import (
    Passkey,
    RelyingParty,
    make_creation_options,
    read_challenge,
    verify_registration,
)
from solekey_auth.factors.repository import PasskeyRows
from solekey_auth.limits import CHALLENGE_BYTES
from solekey_auth.operator_key import Purpose
from solekey_auth.refusals import PasskeyRefused, PasskeysUnavailable, PasskeyTaken
from solekey_auth.retry import run_transaction
from solekey_auth.sessions.sessions import read_state
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.encoding import Json
from solekey_protocol.event import Event
from solekey_protocol.ids import AccountId
from solekey_service.http import Caller
from solekey_service.kernel import Kernel
from solekey_service.refusals import NotFound

_CREATION: Final = b"passkey-creation"


class Passkeys:
    """The passkeys of all accounts."""

    def __init__(self, kernel: Kernel, config: AuthConfig, party: RelyingParty | None) -> None:
        self._kernel = kernel
        self._limits = config.limits
        self._operator_key = config.open_operator_key()
        self._party = party

    def make_options(self, caller: Caller) -> dict[str, Json]:
        """Make the options of a new passkey, with a challenge for this session alone.

        Raises:
            PasskeysUnavailable: the server is reached by an address.
        """
        party = self._require_party()
        challenge = self._kernel.random(CHALLENGE_BYTES)
        with self._kernel.store.begin() as uow:
            credential = CredentialRows(uow.connection).find_by_account(caller.account)
            if credential is None:
                raise NotFound("the account has no login any more")
            known = PasskeyRows(uow.connection).find_all(caller.account)
            LoginRows(uow.connection).put_challenge(
                challenge.hex(), self._derive_name(caller), uow.now + self._limits.challenge
            )
        return make_creation_options(party, caller.account, credential.username, challenge, known)

    def add(self, caller: Caller, name: str, client_data: bytes, attestation: bytes) -> Event:
        """Add a passkey. Its challenge is used up, whatever follows.

        Raises:
            PasskeysUnavailable, PasskeyRefused, PasskeyTaken, TooManyPasskeys: see refusals.
        """
        party = self._require_party()
        challenge = read_challenge(client_data)
        if not self._take_challenge(caller, challenge):
            raise PasskeyRefused("the challenge is unknown, used, or too old; ask for new options")
        new = verify_registration(party, challenge, client_data, attestation)
        work = partial(self._add, caller.account, name, new.credential, new.public_key, new.sign_count)
        return run_transaction(self._kernel.store, work)

    def find_credentials(self, account: AccountId) -> list[bytes]:
        """Find the credential ids that an authenticator is asked for."""
        with self._kernel.store.read() as uow:
            return [passkey.credential for passkey in PasskeyRows(uow.connection).find_all(account)]

    def _add(
        self,
        account: AccountId,
        name: str,
        credential: bytes,
        public_key: bytes,
        sign_count: int,
        uow: UnitOfWork,
    ) -> Event:
        rows = PasskeyRows(uow.connection)
        passkey = Passkey(account, credential, public_key, sign_count, name, uow.now)
        self._kernel.streams.require_free(uow, account)
        state = read_state(self._kernel, uow, account)
        if rows.find(passkey.factor_id) is not None:
            raise PasskeyTaken("remove it where it is, or use another security key")
        bodies = decide(state, asked.AddPasskey(passkey.factor_id), uow.now, self._limits)
        (event,) = uow.append(account, state.auth.head, *bodies)
        rows.put(passkey)
        return event

    def _take_challenge(self, caller: Caller, challenge: bytes) -> bool:
        with self._kernel.store.begin() as uow:
            rows = LoginRows(uow.connection)
            return rows.take_challenge(challenge.hex(), self._derive_name(caller), uow.now)

    def _derive_name(self, caller: Caller) -> str:
        """Derive the name that a challenge is kept under: good for no login, step-up or other session."""
        return self._operator_key.derive(Purpose.CEREMONY, _CREATION, caller.session.encode()).hex()

    def _require_party(self) -> RelyingParty:
        if self._party is None:
            raise PasskeysUnavailable("passkeys need a server with a host name; it is reached by an address")
        return self._party
