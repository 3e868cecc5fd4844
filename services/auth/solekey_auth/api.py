"""The auth service's HTTP API without a framework. Spec: authentication.md, openapi/auth.yaml."""

from collections.abc import Mapping

from solekey_auth.accounts.account_changes import AccountChanges
from solekey_auth.accounts.api import AccountApi
from solekey_auth.accounts.logins import Accounts
from solekey_auth.bodies import MAX_TEXT_CHARS, parse_as, parse_body
from solekey_auth.commands import RegisterAccount
from solekey_auth.config import OPERATOR_KEY_PROBLEM, AuthConfig
from solekey_auth.credentials.credential import parse_kdf, parse_username
from solekey_auth.factor_book import FactorBook
from solekey_auth.factors.api import FactorApi
from solekey_auth.factors.enrolment import Replacements
from solekey_auth.factors.factors import Factors
from solekey_auth.factors.proof import parse_proof
from solekey_auth.login import LoginAttempt, encode_registration
from solekey_auth.passkey_ceremonies import Passkeys
from solekey_auth.rate_limits.source import Source, find_source
from solekey_auth.sessions.refresh_token import parse_refresh_token
from solekey_auth.sessions.sessions import LiveSession, Sessions
from solekey_auth.signing_keys.issuer import Issuer
from solekey_auth.timers import Timers
from solekey_eventlog.foundations import require_foundation
from solekey_protocol.encoding import Json
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.ids import SYSTEM_ACCOUNT, AccountId, Digest, PublicKey, SessionId, SignatureHex
from solekey_protocol.statements import verify_signature
from solekey_service.access.nonce import NONCE_HEADER, Nonces
from solekey_service.http import Request, Response, event_response, expect_string, json_response
from solekey_service.http.response import encode_position
from solekey_service.kernel import Kernel
from solekey_service.refusals import BadRequest, NotFound
from solekey_service.stream_views import read_events, read_health


class AuthApi:
    """Answers requests; every value of a request is checked here, none is repeated in an answer."""

    def __init__(self, kernel: Kernel) -> None:
        config = kernel.config
        if not isinstance(config, AuthConfig):
            raise TypeError("the auth service needs an AuthConfig")
        self.kernel = kernel
        self._challenge_s = int(config.limits.challenge.total_seconds())
        self._origin = config.origin
        self._proxies = config.find_proxies()
        self._nonces = Nonces(config.derive_nonce_key())
        self._sessions = Sessions(kernel, config)
        book = FactorBook(config)
        self._accounts = Accounts(kernel, config, self._sessions, book)
        passkeys = Passkeys(kernel, config, book.party)
        replacements = Replacements(kernel, config)
        self.factors = FactorApi(
            config, self._accounts, Factors(kernel, config, book), passkeys, replacements
        )
        self.account = AccountApi(config, AccountChanges(kernel, config))
        self._issuer = Issuer(kernel, config)
        self.signing_keys = self._issuer.keys
        self.timers = Timers(kernel, config, self._sessions)
        require_foundation(kernel.store, "operator-key", config.derive_key_check(), OPERATOR_KEY_PROBLEM)
        self.turn_signing_keys()

    def turn_signing_keys(self) -> None:
        """Announce the next key that signs tokens when its time has come; at the start, and at intervals."""
        self.signing_keys.turn()

    def post_account(self, request: Request) -> Response:
        """Register an account and answer with the secret for its authenticator app.

        Raises:
            BadRequest, SignatureError, KdfTooWeak, KdfExcessive, TooManyAttempts.
            UsernameTaken, AccountTaken: see domain.decide.
        """
        document = parse_body(request, "account", "username", "login_key", "kdf", "proof")
        login_key = parse_as(PublicKey, document, "login_key")
        proof = parse_as(SignatureHex, document, "proof")
        command = RegisterAccount(
            account=parse_as(AccountId, document, "account"),
            username=parse_username(expect_string(document, "username", max_chars=MAX_TEXT_CHARS)),
            login_key=login_key,
            kdf=parse_kdf(document["kdf"]),
        )
        verify_signature(login_key, _encode(document), proof)
        made = self._accounts.register(command, self._find_source(request))
        members: dict[str, Json] = {
            "account": made.account,
            "totp": {"secret": made.totp_secret, "uri": made.totp_uri},
            "position": {Stream.AUTH.value: made.auth_seq},
        }
        return json_response(201, members, encode_position(Stream.AUTH, made.auth_seq))

    def post_challenge(self, request: Request) -> Response:
        """Make a challenge for a username. Raises BadRequest or TooManyAttempts."""
        document = parse_body(request, "username")
        username = parse_username(expect_string(document, "username", max_chars=MAX_TEXT_CHARS))
        device = None if request.proof is None else request.proof.device
        made = self._accounts.challenge(username, device, self._find_source(request))
        members: dict[str, Json] = {
            "challenge": made.challenge,
            "expires_in_s": self._challenge_s,
            "kdf": made.kdf.to_json(),
        }
        if made.kdf_wanted is not None:
            members["kdf_wanted"] = made.kdf_wanted.to_json()
        return json_response(200, members, self._give_nonce())

    def post_session(self, request: Request) -> Response:
        """Log in.

        Raises:
            BadRequest, LoginRefused, TooManyAttempts, RevokedDevice, TrustStaleError.
        """
        document = parse_body(request, "username", "challenge", "factor", "signature")
        said_username = expect_string(document, "username", max_chars=MAX_TEXT_CHARS)
        attempt = LoginAttempt(
            said_username=said_username,
            challenge=parse_as(Digest, document, "challenge"),
            proof=parse_proof(document["factor"]),
            signature=parse_as(SignatureHex, document, "signature"),
            device=request.proven.device,
            thumbprint=request.proven.thumbprint,
            origin=self._origin,
        )
        source = self._find_source(request)
        return self._answer(201, self._accounts.log_in(parse_username(said_username), attempt, source))

    def post_passkey_question(self, request: Request) -> Response:
        """See FactorApi."""
        return self.factors.post_passkey_question(request, self._find_source(request))

    def post_login_key(self, request: Request) -> Response:
        """See AccountApi."""
        return self.account.post_login_key(request, self._find_source(request))

    def post_closing(self, request: Request) -> Response:
        """See AccountApi."""
        return self.account.post_closing(request, self._find_source(request))

    def post_refresh(self, request: Request) -> Response:
        """Use a refresh token.

        Raises:
            BadRequest, RefreshRefused, SessionOver, TrustStaleError.
        """
        document = parse_body(request, "refresh_token")
        presented = parse_refresh_token(expect_string(document, "refresh_token", max_chars=MAX_TEXT_CHARS))
        return self._answer(200, self._sessions.refresh(presented, request.proven.thumbprint))

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
            for session in self._sessions.find_open(caller.account)
        ]
        return json_response(200, {"sessions": sessions})

    def delete_session(self, request: Request, session: str) -> Response:
        """End one of the account's sessions; its own: log out. Raises NotFound."""
        try:
            named = SessionId(session)
        except MalformedError:
            raise NotFound("the account has no such open session") from None
        return event_response(self._sessions.end(request.authenticated, named), status=200)

    def get_events(self, request: Request) -> Response:
        """Read the account's auth stream."""
        return read_events(self.kernel, request, request.authenticated.account)

    def get_system_events(self, request: Request) -> Response:
        """Read the platform's own auth stream: the signing keys, for everybody."""
        return read_events(self.kernel, request, SYSTEM_ACCOUNT)

    def get_health(self) -> Response:
        """Tell whether the service can be relied on."""
        return read_health(self.kernel)

    def _give_nonce(self) -> Mapping[str, str]:
        """Give the nonce for the next proof, so that it need not be asked for."""
        return {NONCE_HEADER: self._nonces.derive(self.kernel.clock.now())}

    def _find_source(self, request: Request) -> Source:
        return find_source(request.peer, request.headers.getlist("X-Forwarded-For"), self._proxies)

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


def _encode(document: Mapping[str, Json]) -> bytes:
    try:
        return encode_registration(document)
    except MalformedError:
        raise BadRequest("body: cannot be written as canonical JSON") from None
