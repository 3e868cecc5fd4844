"""The auth service's HTTP API without a framework, in three parts. Spec: openapi/auth.yaml."""

from solekey_auth.accounts.account_changes import AccountChanges
from solekey_auth.accounts.api import AccountApi
from solekey_auth.accounts.command import AccountDesk
from solekey_auth.accounts.recoveries import Recoveries
from solekey_auth.accounts.registrations import Registrations
from solekey_auth.accounts.restoration import Restoration
from solekey_auth.config import AuthConfig
from solekey_auth.factors.api import FactorApi
from solekey_auth.factors.enrolment import Enrolment
from solekey_auth.factors.factors import Factors
from solekey_auth.factors.passkeys import find_relying_party
from solekey_auth.factors.proof import Verifier
from solekey_auth.key_change.keyring import open_operator_keys
from solekey_auth.key_change.moving import KeyDesk
from solekey_auth.rate_limits.limiter import RateLimiter
from solekey_auth.sessions.api import SessionApi
from solekey_auth.sessions.logins import Logins
from solekey_auth.sessions.sessions import Sessions
from solekey_auth.signing_keys.signing_keys import SigningKeys
from solekey_auth.timers import Timers
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events.devices import DeviceRevoked
from solekey_protocol.ids import SYSTEM_ACCOUNT
from solekey_service.http import Request, Response
from solekey_service.kernel import Kernel
from solekey_service.stream_api import StreamApi


class AuthApi(StreamApi[AuthConfig]):
    """Builds the rooms of the service. ``accounts``, ``sessions`` and ``factors`` answer the requests."""

    def __init__(self, kernel: Kernel[AuthConfig]) -> None:
        super().__init__(kernel)
        config = kernel.config
        limits, keys, issuer = config.limits, open_operator_keys(kernel), config.totp_issuer
        limiter = RateLimiter(keys.present, config.rate_limits)
        party = find_relying_party(config.origin, issuer)
        verifier = Verifier(keys, party)
        self._sessions = Sessions(kernel, limits, keys)
        self.signing_keys = SigningKeys(kernel, config.open_signing_secret(), limits)
        self.key_desk = KeyDesk(kernel, keys)
        self.account_desk = AccountDesk(kernel, self._sessions)
        self.restoration = Restoration(kernel, self._sessions)
        self.recoveries = Recoveries(kernel, keys)
        self.timers = Timers(kernel, limits, self._sessions)
        self.accounts = AccountApi(
            config,
            Registrations(kernel, limits, keys, limiter, totp_issuer=issuer),
            AccountChanges(kernel, keys, limiter),
        )
        self.sessions = SessionApi(
            kernel,
            Logins(kernel, keys, limiter, self._sessions, verifier, kdf_wanted=config.find_kdf_wanted()),
            self._sessions,
            self.signing_keys,
        )
        self.factors = FactorApi(
            limits,
            Factors(kernel, limits, keys.present, limiter, verifier),
            Enrolment(kernel, limits, keys, limiter, totp_issuer=issuer, party=party),
        )

    def end_sessions_of_device(self, uow: UnitOfWork, event: Event) -> None:
        """End the sessions of a device that was revoked (a reaction)."""
        if isinstance(event.body, DeviceRevoked):
            self._sessions.end_of_device(uow, event.account, event.body.device)

    def get_system_events(self, request: Request) -> Response:
        """Read the platform's own auth stream: the signing keys, for everybody."""
        return self.read_events(request, SYSTEM_ACCOUNT)
