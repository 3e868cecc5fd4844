"""The part of the HTTP API about sessions: logins, tokens, open sessions.

Spec: authentication.md §3, tokens.md §4, §6, openapi.
"""

from collections.abc import Mapping

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import parse_username
from solekey_auth.factors.proof import parse_proof
from solekey_auth.limits import MAX_TEXT_CHARS
from solekey_auth.sessions.logins import LoginAttempt, Logins
from solekey_auth.sessions.sessions import LiveSession, Sessions, parse_refresh_token
from solekey_auth.signing_keys.signing_keys import SigningKeys
from solekey_protocol.encoding import Json, encode_base64url
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.ids import RAW_ID_BYTES, Digest, SessionId, SignatureHex
from solekey_service.access.nonce import NONCE_HEADER, Nonces
from solekey_service.http import (
    Request,
    Response,
    event_response,
    expect_id,
    expect_string,
    json_response,
    parse_members,
)
from solekey_service.http.response import encode_position
from solekey_service.http.source import Source, find_source
from solekey_service.kernel import Kernel
from solekey_service.refusals import NotFound


class SessionApi:
    """Answers requests; every value of a request is checked here, none is repeated in an answer."""

    def __init__(
        self, kernel: Kernel[AuthConfig], logins: Logins, sessions: Sessions, signing_keys: SigningKeys
    ) -> None:
        config = kernel.config
        self._kernel = kernel
        self._limits = config.limits
        self._origin = config.origin
        self._proxies = config.find_proxies()
        self._nonces = Nonces(config.derive_nonce_key())
        self._logins = logins
        self._sessions = sessions
        self._signing_keys = signing_keys

    def post_challenge(self, request: Request) -> Response:
        """Make a challenge for a username. Raises BadRequest or TooManyAttempts."""
        document = parse_members(request, "username")
        username = parse_username(expect_string(document, "username", max_chars=MAX_TEXT_CHARS))
        device = None if request.proof is None else request.proof.device
        made = self._logins.make_challenge(username, device, self._find_source(request))
        members: dict[str, Json] = {
            "challenge": made.challenge,
            "expires_in_s": int(self._limits.challenge.total_seconds()),
            "kdf": made.kdf.to_json(),
        }
        if made.kdf_wanted is not None:
            members["kdf_wanted"] = made.kdf_wanted.to_json()
        return json_response(200, members, self._give_nonce())

    def post_passkey_question(self, request: Request) -> Response:
        """List the passkeys that may be used, for a client that has the password.

        Raises:
            BadRequest, LoginRefused, TooManyAttempts.
        """
        document = parse_members(request, "username", "challenge", "signature")
        attempt = self._parse_attempt(request, document)
        username = parse_username(attempt.claimed_username)
        found = self._logins.find_passkeys(username, attempt, self._find_source(request))
        return json_response(200, {"passkeys": [encode_base64url(credential) for credential in found]})

    def post_session(self, request: Request) -> Response:
        """Log in. Answers with tokens.

        Raises:
            BadRequest, LoginRefused, TooManyAttempts, RevokedDevice, TrustStaleError.
        """
        document = parse_members(request, "username", "challenge", "factor", "signature")
        attempt = self._parse_attempt(request, document)
        username, proof = parse_username(attempt.claimed_username), parse_proof(document["factor"])
        return self._answer(201, self._logins.log_in(username, attempt, proof, self._find_source(request)))

    def post_refresh(self, request: Request) -> Response:
        """Use a refresh token. Answers with tokens.

        Raises:
            BadRequest, RefreshRefused, SessionOver, TrustStaleError.
        """
        document = parse_members(request, "refresh_token")
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
        """End one of the account's sessions; its own: log out. Raises NotFound or StepUpRequired."""
        try:
            named = SessionId(session)
        except MalformedError:
            raise NotFound("the account has no such open session") from None
        return event_response(self._sessions.end(request.authenticated, named), status=200)

    def _parse_attempt(self, request: Request, document: Mapping[str, Json]) -> LoginAttempt:
        return LoginAttempt(
            claimed_username=expect_string(document, "username", max_chars=MAX_TEXT_CHARS),
            challenge=expect_id(Digest, document, "challenge"),
            signature=expect_id(SignatureHex, document, "signature"),
            device=request.proven.device,
            thumbprint=request.proven.thumbprint,
            origin=self._origin,
        )

    def _find_source(self, request: Request) -> Source:
        return find_source(request.peer, request.headers.getlist("X-Forwarded-For"), self._proxies)

    def _give_nonce(self) -> Mapping[str, str]:
        """Give the nonce for the next proof, so that it need not be requested."""
        return {NONCE_HEADER: self._nonces.derive(self._kernel.clock.now())}

    def _answer(self, status: int, live: LiveSession) -> Response:
        now = self._kernel.clock.now()
        tokens = live.mint_tokens(
            self._signing_keys.find_signer(now),
            issuer=self._origin,
            now=now,
            limits=self._limits,
            token_id=self._kernel.random(RAW_ID_BYTES).hex(),
        )
        members: dict[str, Json] = {
            "account": live.account,
            "device": live.device,
            "session": live.session,
            "tokens": {audience.value: token for audience, token in tokens.items()},
            "refresh_token": live.refresh_token.reveal(),
            "expires_in_s": live.derive_lifetime_s(now, self._limits),
            "position": {Stream.AUTH.value: live.auth_seq},
        }
        headers = {**encode_position(Stream.AUTH, live.auth_seq), **self._give_nonce()}
        return json_response(status, members, headers)  # the server adds Cache-Control: no-store
