"""Accounts as they are registered, one transaction each. Spec: authentication.md §2.

*Wire format* of what the login key signs (Ed25519, RFC 8032): ``"solekey/register/v1" ‖ 0x00 ‖`` the
canonical JSON (RFC 8785) of ``{"account", "kdf", "login_key", "username"}`` as sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import Credential, Username, derive_closed_names
from solekey_auth.credentials.kdf import KdfParameters
from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.domain import decide_registration
from solekey_auth.factors.totp import TotpSecret, derive_secret, encode_uri
from solekey_auth.limits import TOTP_SALT_BYTES, AuthLimits
from solekey_auth.operator_key import OperatorKeys
from solekey_auth.rate_limits.limiter import RateLimiter
from solekey_eventlog.errors import AccountParkedError, NotYetAppliedError
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.ids import AccountId, PublicKey
from solekey_protocol.streams import AuthStream
from solekey_service.http.source import Source
from solekey_service.kernel import Kernel
from solekey_service.refusals import Refusal
from solekey_service.transaction import in_transaction

REGISTER_CONTEXT = b"solekey/register/v1\x00"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What a client asks to register."""

    account: AccountId
    username: Username
    login_key: PublicKey
    kdf: KdfParameters


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
        kernel, limits, operator_keys, limiter: the service's.
        totp_issuer: what authenticator apps show beside the username.
    """

    def __init__(
        self,
        kernel: Kernel[AuthConfig],
        limits: AuthLimits,
        operator_keys: OperatorKeys,
        limiter: RateLimiter,
        *,
        totp_issuer: str,
    ) -> None:
        self._kernel = kernel
        self._limits = limits
        self._operator_keys = operator_keys
        self._limiter = limiter
        self._totp_issuer = totp_issuer

    def register(self, request: NewAccount, source: Source) -> Registration:
        """Reserve a name; the same registration again is answered the same while it is unproven.

        Raises:
            TooManyAttempts: from this source.
            UsernameTaken, AccountTaken: see domain.decide_registration.
        """
        registered = self._count_and_register(request, source)
        if isinstance(registered, Exception):
            raise registered
        return registered

    @in_transaction
    def _count_and_register(
        self, uow: UnitOfWork, request: NewAccount, source: Source
    ) -> Registration | Exception:
        """Return a refusal instead of raising it: the attempt stays counted, and nothing else was written."""
        self._limiter.count_registration(uow, source)
        try:
            return self._register(uow, request)
        except (Refusal, AccountParkedError, NotYetAppliedError) as refusal:
            return refusal

    def _register(self, uow: UnitOfWork, request: NewAccount) -> Registration:
        rows = CredentialRepository(uow.connection)
        own, holder = rows.find(request.account), rows.find_by_username(request.username)
        # After the holder: of an account that is closed meanwhile, one of the two rows is seen.
        is_closed = rows.is_closed_name(derive_closed_names(self._operator_keys, request.username))
        auth = self._kernel.streams.fold(uow, request.account, AuthStream)
        new = Credential(
            account=request.account,
            username=request.username,
            login_key=request.login_key,
            kdf=request.kdf,
            totp_salt=self._kernel.random(TOTP_SALT_BYTES),
            registered_at=uow.now,
            key_number=self._operator_keys.number,
        )
        bodies = decide_registration(auth, new, own, holder, self._limits, name_is_closed=is_closed)
        events = uow.append(new.account, auth.head, *bodies)
        if own is not None and not events:
            return self._answer(own, auth.head.seq)
        for expired in filter(None, (own, holder)):
            rows.delete_registration(expired)
        rows.put(new)
        return self._answer(new, events[-1].seq)

    def _answer(self, credential: Credential, auth_seq: int) -> Registration:
        secret = derive_secret(self._operator_keys, credential)
        uri = encode_uri(secret, credential, self._totp_issuer)
        return Registration(credential.account, secret, uri, auth_seq)


def encode_registration(members: Mapping[str, Json]) -> bytes:
    """Encode the bytes that a registration's proof signs: the request's other members, as sent."""
    return REGISTER_CONTEXT + encode_json({name: value for name, value in members.items() if name != "proof"})
