"""Accounts as they are registered, one transaction each. Spec: authentication.md §2."""

from dataclasses import dataclass, field, replace
from functools import partial

from solekey_auth.commands import RegisterAccount
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import Credential, derive_username_digest
from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.factors.totp import TotpSecret, derive_secret, encode_uri
from solekey_auth.limits import TOTP_SALT_BYTES, AuthLimits
from solekey_auth.operator_key import OperatorKey
from solekey_auth.rate_limits.limiter import RateLimiter
from solekey_auth.rate_limits.source import Source
from solekey_auth.transactions import Transactions
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.ids import AccountId
from solekey_service.kernel import Kernel


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registration is answered with: the authenticator app's secret, for the user's eyes."""

    account: AccountId
    totp_secret: TotpSecret = field(repr=False)
    totp_uri: str = field(repr=False)
    auth_seq: int


class Registrations:
    """Reserves names for accounts.

    Args:
        kernel, limits, operator_key, limiter: the service's.
        totp_issuer: what authenticator apps show beside the username.
    """

    def __init__(
        self,
        kernel: Kernel[AuthConfig],
        limits: AuthLimits,
        operator_key: OperatorKey,
        limiter: RateLimiter,
        *,
        totp_issuer: str,
    ) -> None:
        self._kernel = kernel
        self._operator_key = operator_key
        self._limiter = limiter
        self._totp_issuer = totp_issuer
        self._transactions = Transactions(kernel, limits)

    def register(self, command: RegisterAccount, source: Source) -> Registration:
        """Reserve a name; the same registration again is answered the same while it is unproven.

        Raises:
            TooManyAttempts: from this source.
            UsernameTaken, AccountTaken: see domain.decide.
        """
        with self._kernel.store.begin() as uow:
            self._limiter.count_registration(uow, source)  # stays counted if it is refused
        return self._transactions.run(partial(self._register, command))

    def _register(self, command: RegisterAccount, uow: UnitOfWork) -> Registration:
        rows = CredentialRepository(uow.connection)
        own, holder = rows.find(command.account), rows.find_by_username(command.username)
        # After the holder: of an account that is closed meanwhile, one of the two rows is seen.
        is_closed = rows.is_closed_name(derive_username_digest(self._operator_key, command.username))
        state = replace(
            self._transactions.read(uow, command.account),
            credential=own,
            name_holder=holder,
            name_is_closed=is_closed,
        )
        events = self._transactions.append(uow, command.account, state, command)
        if own is not None and not events:
            return self._answer(own, state.auth.head.seq)
        for expired in filter(None, (own, holder)):
            rows.delete_registration(expired)
        new = Credential(
            account=command.account,
            username=command.username,
            login_key=command.login_key,
            kdf=command.kdf,
            totp_salt=self._kernel.random(TOTP_SALT_BYTES),
            registered_at=uow.now,
        )
        rows.put(new)
        return self._answer(new, events[-1].seq)

    def _answer(self, credential: Credential, auth_seq: int) -> Registration:
        secret = derive_secret(self._operator_key, credential)
        uri = encode_uri(secret, credential, self._totp_issuer)
        return Registration(credential.account, secret, uri, auth_seq)
