"""The part of the HTTP API that changes an account for good. Spec: authentication.md §4, §5, openapi."""

from solekey_auth.accounts.account_changes import AccountChanges
from solekey_auth.bodies import MAX_TEXT_CHARS, parse_as, parse_body
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import parse_kdf
from solekey_auth.credentials.login_key import Closing, NewLoginKey
from solekey_auth.rate_limits.source import Source
from solekey_protocol.events.auth import LoginKeyChange
from solekey_protocol.ids import AccountId, Digest, PublicKey, SignatureHex
from solekey_service.http import Request, Response, event_response, expect_string
from solekey_service.refusals import BadRequest


class AccountApi:
    """Answers requests; nothing of a request is repeated in an answer."""

    def __init__(self, config: AuthConfig, changes: AccountChanges) -> None:
        self._origin = config.origin
        self._changes = changes

    def post_login_key(self, request: Request, source: Source) -> Response:
        """Put another login key in the place of the present one.

        Raises:
            BadRequest, KdfTooWeak, KdfExcessive, LoginRefused, TooManyAttempts.
        """
        asked = parse_new_login_key(request, self._origin)
        return event_response(self._changes.change_login_key(request.authenticated, asked, source), 200)

    def post_closing(self, request: Request, source: Source) -> Response:
        """Close the account for ever. Raises BadRequest, LoginRefused or TooManyAttempts."""
        asked = parse_closing(request, request.authenticated.account, self._origin)
        return event_response(self._changes.close(request.authenticated, asked, source), 200)


def parse_new_login_key(request: Request, origin: str) -> NewLoginKey:
    """Parse the request for another login key. Raises BadRequest, KdfTooWeak or KdfExcessive."""
    document = parse_body(request, "challenge", "kdf", "login_key", "reason", "signature", "proof")
    reason = expect_string(document, "reason", max_chars=MAX_TEXT_CHARS)
    if reason not in set(LoginKeyChange):
        raise BadRequest(f"body.reason: expected {' or '.join(LoginKeyChange)}")
    return NewLoginKey(
        challenge=parse_as(Digest, document, "challenge"),
        kdf=parse_kdf(document["kdf"]),
        login_key=parse_as(PublicKey, document, "login_key"),
        reason=LoginKeyChange(reason),
        signature=parse_as(SignatureHex, document, "signature"),
        proof=parse_as(SignatureHex, document, "proof"),
        origin=origin,
    )


def parse_closing(request: Request, account: AccountId, origin: str) -> Closing:
    """Parse the request to close an account. Raises BadRequest."""
    document = parse_body(request, "challenge", "signature")
    return Closing(
        account=account,
        challenge=parse_as(Digest, document, "challenge"),
        signature=parse_as(SignatureHex, document, "signature"),
        origin=origin,
    )
