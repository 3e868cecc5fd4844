"""The part of the HTTP API about accounts: registered, logged in to, given another login key, closed.

Spec: authentication.md §2, §3, §4, §5, openapi.
"""

from collections.abc import Mapping

from solekey_auth.accounts.account_changes import AccountChanges
from solekey_auth.accounts.logins import Logins
from solekey_auth.accounts.registrations import Registrations
from solekey_auth.commands import RegisterAccount
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import parse_username
from solekey_auth.credentials.kdf import parse_kdf
from solekey_auth.credentials.login_key import Closing, LoginAttempt, NewLoginKey, encode_registration
from solekey_auth.factors.proof import parse_proof
from solekey_auth.limits import MAX_TEXT_CHARS
from solekey_auth.rate_limits.source import Source, find_source
from solekey_auth.sessions.sessions import LiveSession
from solekey_protocol.encoding import Json, encode_base64url
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import LoginKeyChange
from solekey_protocol.ids import AccountId, Digest, PublicKey, SignatureHex
from solekey_protocol.statements import verify_signature
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
from solekey_service.refusals import BadRequest


class AccountApi:
    """Answers requests; every value of a request is checked here, none is repeated in an answer."""

    def __init__(
        self, config: AuthConfig, registrations: Registrations, logins: Logins, changes: AccountChanges
    ) -> None:
        self._challenge_s = int(config.limits.challenge.total_seconds())
        self._origin = config.origin
        self._proxies = config.find_proxies()
        self._registrations = registrations
        self._logins = logins
        self._changes = changes

    def post_account(self, request: Request) -> Response:
        """Register an account and answer with the secret for its authenticator app.

        Raises:
            BadRequest, SignatureError, KdfTooWeak, KdfExcessive, TooManyAttempts.
            UsernameTaken, AccountTaken: see domain.decide.
        """
        document = parse_members(request, "account", "username", "login_key", "kdf", "proof")
        login_key = expect_id(PublicKey, document, "login_key")
        proof = expect_id(SignatureHex, document, "proof")
        command = RegisterAccount(
            account=expect_id(AccountId, document, "account"),
            username=parse_username(expect_string(document, "username", max_chars=MAX_TEXT_CHARS)),
            login_key=login_key,
            kdf=parse_kdf(document["kdf"]),
        )
        verify_signature(login_key, _encode(document), proof)
        made = self._registrations.register(command, self._find_source(request))
        members: dict[str, Json] = {
            "account": made.account,
            "totp": {"secret": made.totp_secret, "uri": made.totp_uri},
            "position": {Stream.AUTH.value: made.auth_seq},
        }
        return json_response(201, members, encode_position(Stream.AUTH, made.auth_seq))

    def post_challenge(self, request: Request, headers: Mapping[str, str]) -> Response:
        """Make a challenge for a username. Raises BadRequest or TooManyAttempts."""
        document = parse_members(request, "username")
        username = parse_username(expect_string(document, "username", max_chars=MAX_TEXT_CHARS))
        device = None if request.proof is None else request.proof.device
        made = self._logins.make_challenge(username, device, self._find_source(request))
        members: dict[str, Json] = {
            "challenge": made.challenge,
            "expires_in_s": self._challenge_s,
            "kdf": made.kdf.to_json(),
        }
        if made.kdf_wanted is not None:
            members["kdf_wanted"] = made.kdf_wanted.to_json()
        return json_response(200, members, headers)

    def log_in(self, request: Request) -> LiveSession:
        """Log in.

        Raises:
            BadRequest, LoginRefused, TooManyAttempts, RevokedDevice, TrustStaleError.
        """
        document = parse_members(request, "username", "challenge", "factor", "signature")
        attempt = self._parse_attempt(request, document)
        username, proof = parse_username(attempt.claimed_username), parse_proof(document["factor"])
        return self._logins.log_in(username, attempt, proof, self._find_source(request))

    def post_passkey_options(self, request: Request) -> Response:
        """List the passkeys that may be used, for whoever has the password.

        Raises:
            BadRequest, LoginRefused, TooManyAttempts.
        """
        document = parse_members(request, "username", "challenge", "signature")
        attempt = self._parse_attempt(request, document)
        username = parse_username(attempt.claimed_username)
        found = self._logins.find_passkeys(username, attempt, self._find_source(request))
        return json_response(200, {"passkeys": [encode_base64url(credential) for credential in found]})

    def post_login_key(self, request: Request) -> Response:
        """Replace the login key.

        Raises:
            BadRequest, KdfTooWeak, KdfExcessive, LoginRefused, TooManyAttempts.
        """
        change, source = parse_new_login_key(request, self._origin), self._find_source(request)
        return event_response(self._changes.change_login_key(request.authenticated, change, source), 200)

    def post_closing(self, request: Request) -> Response:
        """Close the account for ever. Raises BadRequest, LoginRefused or TooManyAttempts."""
        closing = parse_closing(request, request.authenticated.account, self._origin)
        source = self._find_source(request)
        return event_response(self._changes.close(request.authenticated, closing, source), 200)

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


def parse_new_login_key(request: Request, origin: str) -> NewLoginKey:
    """Parse the request for another login key.

    Raises:
        BadRequest, MalformedError, KdfTooWeak, KdfExcessive
    """
    document = parse_members(request, "challenge", "kdf", "login_key", "reason", "signature", "proof")
    reason = expect_string(document, "reason", max_chars=MAX_TEXT_CHARS)
    if reason not in set(LoginKeyChange):
        raise BadRequest(f"body.reason: expected {' or '.join(LoginKeyChange)}")
    return NewLoginKey(
        challenge=expect_id(Digest, document, "challenge"),
        kdf=parse_kdf(document["kdf"]),
        login_key=expect_id(PublicKey, document, "login_key"),
        reason=LoginKeyChange(reason),
        signature=expect_id(SignatureHex, document, "signature"),
        proof=expect_id(SignatureHex, document, "proof"),
        origin=origin,
    )


def parse_closing(request: Request, account: AccountId, origin: str) -> Closing:
    """Parse the request to close an account. Raises BadRequest or MalformedError."""
    document = parse_members(request, "challenge", "signature")
    return Closing(
        account=account,
        challenge=expect_id(Digest, document, "challenge"),
        signature=expect_id(SignatureHex, document, "signature"),
        origin=origin,
    )


def _encode(document: Mapping[str, Json]) -> bytes:
    try:
        return encode_registration(document)
    except MalformedError:
        raise BadRequest("body: cannot be written as canonical JSON") from None
