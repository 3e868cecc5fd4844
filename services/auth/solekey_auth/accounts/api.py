"""The part of the HTTP API about accounts: registered, given another login key, closed.

Spec: authentication.md §2, §4, §5, openapi.
"""

from collections.abc import Mapping

from solekey_auth.accounts.account_changes import AccountChanges, Closing, NewLoginKey
from solekey_auth.accounts.registrations import NewAccount, Registrations, encode_registration
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import parse_username
from solekey_auth.credentials.kdf import parse_kdf
from solekey_auth.limits import MAX_TEXT_CHARS
from solekey_protocol.encoding import Json
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
from solekey_service.http.source import Source, find_source
from solekey_service.refusals import BadRequest


class AccountApi:
    """Answers requests; every value of a request is checked here, none is repeated in an answer."""

    def __init__(self, config: AuthConfig, registrations: Registrations, changes: AccountChanges) -> None:
        self._origin = config.origin
        self._proxies = config.find_proxies()
        self._registrations = registrations
        self._changes = changes

    def post_account(self, request: Request) -> Response:
        """Register an account and answer with the secret for its authenticator app.

        Raises:
            BadRequest, SignatureError, KdfTooWeak, KdfExcessive, TooManyAttempts.
            UsernameTaken, AccountTaken: see domain.decide_registration.
        """
        document = parse_members(request, "account", "username", "login_key", "kdf", "proof")
        login_key = expect_id(PublicKey, document, "login_key")
        proof = expect_id(SignatureHex, document, "proof")
        new = NewAccount(
            account=expect_id(AccountId, document, "account"),
            username=parse_username(expect_string(document, "username", max_chars=MAX_TEXT_CHARS)),
            login_key=login_key,
            kdf=parse_kdf(document["kdf"]),
        )
        verify_signature(login_key, _encode(document), proof)
        made = self._registrations.register(new, self._find_source(request))
        members: dict[str, Json] = {
            "account": made.account,
            "totp": {"secret": made.totp_secret, "uri": made.totp_uri},
            "position": {Stream.AUTH.value: made.auth_seq},
        }
        return json_response(201, members, encode_position(Stream.AUTH, made.auth_seq))

    def post_login_key(self, request: Request) -> Response:
        """Replace the login key.

        Raises:
            BadRequest, KdfTooWeak, KdfExcessive, LoginRefused, TooManyAttempts.
        """
        change, source = parse_new_login_key(request, self._origin), self._find_source(request)
        return event_response(self._changes.change_login_key(request.authenticated, change, source), 200)

    def post_closing(self, request: Request) -> Response:
        """Close the account for good. Raises BadRequest, LoginRefused or TooManyAttempts."""
        closing = parse_closing(request, request.authenticated.account, self._origin)
        source = self._find_source(request)
        return event_response(self._changes.close(request.authenticated, closing, source), 200)

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
