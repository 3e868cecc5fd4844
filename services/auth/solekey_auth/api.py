"""The auth service's HTTP API without a framework. Spec: authentication.md, openapi/auth.yaml."""

from collections.abc import Mapping

from solekey_auth.accounts.account_changes import AccountChanges
from solekey_auth.accounts.api import AccountApi
from solekey_auth.accounts.logins import Logins
from solekey_auth.accounts.registrations import Registrations
from solekey_auth.config import OPERATOR_KEY_PROBLEM, AuthConfig
from solekey_auth.factors.api import FactorApi
from solekey_auth.factors.enrolment import Enrolment
from solekey_auth.factors.factors import Factors
from solekey_auth.factors.passkeys import find_relying_party
from solekey_auth.limits import MAX_TEXT_CHARS
from solekey_auth.rate_limits.limiter import RateLimiter
from solekey_auth.sessions.refresh_token import parse_refresh_token
from solekey_auth.sessions.sessions import LiveSession, Sessions
from solekey_auth.signing_keys.issuer import Issuer, SigningKeys
from solekey_auth.timers import Timers
from solekey_eventlog.foundations import require_foundation
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.encoding import Json
from solekey_protocol.errors import MalformedError
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.events.devices import DeviceRevoked
from solekey_protocol.ids import SYSTEM_ACCOUNT, SessionId
from solekey_service.access.nonce import NONCE_HEADER, Nonces
from solekey_service.http import (
    Request,
    Response,
    event_response,
    expect_string,
    json_response,
    parse_members,
)
from solekey_service.http.response import encode_position
from solekey_service.kernel import Kernel
from solekey_service.refusals import NotFound
from solekey_service.stream_api import StreamApi


class AuthApi(StreamApi[AuthConfig]):
    """Answers requests; every value of a request is checked here, none is repeated in an answer."""

    def __init__(self, kernel: Kernel[AuthConfig]) -> None:
        super().__init__(kernel)
        config = kernel.config
        limits, operator_key = config.limits, config.open_operator_key()
        limiter = RateLimiter(operator_key, config.rate_limits)
        party, issuer = find_relying_party(config.origin, config.totp_issuer), config.totp_issuer
        self._nonces = Nonces(config.derive_nonce_key())
        self.sessions = Sessions(kernel, limits, operator_key)
        factors = Factors(kernel, limits, operator_key, limiter, party)
        enrolment = Enrolment(kernel, limits, operator_key, limiter, totp_issuer=issuer, party=party)
        self.factors = FactorApi(limits, factors, enrolment)
        self.account = AccountApi(
            config,
            Registrations(kernel, limits, operator_key, limiter, totp_issuer=issuer),
            Logins(
                *(kernel, limits, operator_key, limiter),
                *(self.sessions, factors),
                kdf_wanted=config.find_kdf_wanted(),
            ),
            AccountChanges(kernel, limits, operator_key, limiter),
        )
        self.signing_keys = SigningKeys(kernel.store, kernel.streams, config.open_signing_secret(), limits)
        self._issuer = Issuer(kernel, limits, self.signing_keys, origin=config.origin)
        self.timers = Timers(kernel, limits, self.sessions)
        require_foundation(kernel.store, "operator-key", config.derive_key_check(), OPERATOR_KEY_PROBLEM)

    def end_sessions_of_device(self, uow: UnitOfWork, event: Event) -> None:
        """End the sessions of a device that was revoked (a reaction)."""
        if isinstance(event.body, DeviceRevoked):
            self.sessions.end_of_device(uow, event.account, event.body.device)

    def post_account(self, request: Request) -> Response:
        """See AccountApi."""
        return self.account.post_account(request)

    def post_challenge(self, request: Request) -> Response:
        """See AccountApi."""
        return self.account.post_challenge(request, self._give_nonce())

    def post_session(self, request: Request) -> Response:
        """Log in: see AccountApi.log_in. Answers with tokens."""
        return self._answer(201, self.account.log_in(request))

    def post_passkey_question(self, request: Request) -> Response:
        """See AccountApi."""
        return self.account.post_passkey_options(request)

    def post_refresh(self, request: Request) -> Response:
        """Use a refresh token.

        Raises:
            BadRequest, RefreshRefused, SessionOver, TrustStaleError.
        """
        document = parse_members(request, "refresh_token")
        presented = parse_refresh_token(expect_string(document, "refresh_token", max_chars=MAX_TEXT_CHARS))
        return self._answer(200, self.sessions.refresh(presented, request.proven.thumbprint))

    def get_sessions(self, request: Request) -> Response:
        """List the account's open sessions."""
        caller = request.authenticated
        sessions: list[Json] = [
            {
                "session": session.session,
                "device": session.device,
                "opened_at": session.opened_at,
                "expires_at": session.expires_at,
                "current": session.session == caller.session,
            }
            for session in self.sessions.find_open(caller.account)
        ]
        return json_response(200, {"sessions": sessions})

    def delete_session(self, request: Request, session: str) -> Response:
        """End one of the account's sessions; its own: log out. Raises NotFound."""
        try:
            named = SessionId(session)
        except MalformedError:
            raise NotFound("the account has no such open session") from None
        return event_response(self.sessions.end(request.authenticated, named), status=200)

    def get_system_events(self, request: Request) -> Response:
        """Read the platform's own auth stream: the signing keys, for everybody."""
        return self.read_events(request, SYSTEM_ACCOUNT)

    def _give_nonce(self) -> Mapping[str, str]:
        """Give the nonce for the next proof, so that it need not be asked for."""
        return {NONCE_HEADER: self._nonces.derive(self.kernel.clock.now())}

    def _answer(self, status: int, live: LiveSession) -> Response:
        issued = self._issuer.issue(live)
        members: dict[str, Json] = {
            "account": live.account,
            "device": live.device,
            "session": live.session,
            "tokens": {audience.value: token for audience, token in issued.tokens.items()},
            "refresh_token": live.refresh_token.reveal(),
            "expires_in_s": issued.expires_in_s,
            "position": {Stream.AUTH.value: live.auth_seq},
        }
        headers = {**encode_position(Stream.AUTH, live.auth_seq), **self._give_nonce()}
        return json_response(status, members, headers)  # the server adds Cache-Control: no-store
