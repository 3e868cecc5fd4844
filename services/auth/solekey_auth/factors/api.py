"""The part of the HTTP API that is about second factors.

Spec: factors.md §5, §3, §4, §2.2, openapi.
"""

from solekey_auth.factors.enrolment import Enrolment
from solekey_auth.factors.factors import EnrolledFactor, Factors
from solekey_auth.factors.passkeys import parse_binary_member
from solekey_auth.factors.proof import parse_proof
from solekey_auth.factors.totp import parse_code
from solekey_auth.limits import MAX_PASSKEY_NAME_CHARS, MAX_TEXT_CHARS, AuthLimits
from solekey_protocol.encoding import Json, encode_base64url
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.ids import Digest
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
from solekey_service.refusals import NotFound


class FactorApi:
    """Answers requests about second factors; nothing of a request is repeated in an answer."""

    def __init__(self, limits: AuthLimits, factors: Factors, enrolment: Enrolment) -> None:
        self._challenge_s = int(limits.challenge.total_seconds())
        self._factors = factors
        self._enrolment = enrolment

    def get_factors(self, request: Request) -> Response:
        """List the account's second factors."""
        factors = self._factors.find_all(request.authenticated.account)
        return json_response(200, {"factors": [_describe(factor) for factor in factors]})

    def delete_factor(self, request: Request, factor: str) -> Response:
        """Remove a second factor. Raises NotFound or FactorRequired."""
        try:
            factor_id = Digest(factor)
        except MalformedError:
            raise NotFound("the account has no such factor") from None
        return event_response(self._factors.remove(request.authenticated.account, factor_id), status=200)

    def post_recovery_codes(self, request: Request) -> Response:
        """Make a set of recovery codes in the place of the one before. Raises BadRequest or NotFound."""
        parse_members(request)
        made = self._enrolment.make_codes(request.authenticated.account)
        members: dict[str, Json] = {"codes": list(made.codes), "factor_id": made.factor_id}
        return json_response(201, members, encode_position(Stream.AUTH, made.auth_seq))

    def post_totp(self, request: Request) -> Response:
        """Make the secret of another authenticator, to be confirmed. Raises BadRequest or NotFound."""
        parse_members(request)
        made = self._enrolment.make_totp(request.authenticated.account)
        members: dict[str, Json] = {"secret": made.secret, "uri": made.uri, "factor_id": made.factor_id}
        return json_response(201, members)

    def post_totp_confirmation(self, request: Request) -> Response:
        """Put an authenticator in force, in the place of the one before.

        Raises:
            BadRequest, NotFound, LoginRefused, TooManyAttempts.
        """
        code = parse_code(expect_string(parse_members(request, "code"), "code", max_chars=MAX_TEXT_CHARS))
        return event_response(self._enrolment.confirm_totp(request.authenticated, code), status=201)

    def post_passkey_options(self, request: Request) -> Response:
        """Make the options of a new passkey. Raises BadRequest or PasskeysUnavailable."""
        parse_members(request)
        options = self._enrolment.make_passkey_options(request.authenticated)
        return json_response(200, {"options": options, "expires_in_s": self._challenge_s})

    def post_passkey(self, request: Request) -> Response:
        """Add a passkey.

        Raises:
            BadRequest, PasskeysUnavailable, PasskeyRefused, PasskeyTaken, TooManyPasskeys.
        """
        document = parse_members(request, "name", "client_data", "attestation")
        event = self._enrolment.add_passkey(
            request.authenticated,
            expect_string(document, "name", max_chars=MAX_PASSKEY_NAME_CHARS),
            parse_binary_member(document, "client_data"),
            parse_binary_member(document, "attestation"),
        )
        return event_response(event, status=201)

    def post_step_up_challenge(self, request: Request) -> Response:
        """Make a challenge for a step-up. Raises BadRequest."""
        parse_members(request)
        made = self._factors.make_challenge(request.authenticated)
        members: dict[str, Json] = {
            "challenge": made.challenge,
            "expires_in_s": self._challenge_s,
            "passkeys": [encode_base64url(each) for each in made.credentials],
        }
        return json_response(200, members)

    def post_step_up(self, request: Request) -> Response:
        """Prove a second factor again. Raises BadRequest, LoginRefused or TooManyAttempts."""
        document = parse_members(request, "challenge", "factor")
        challenge, proof = expect_id(Digest, document, "challenge"), parse_proof(document["factor"])
        return event_response(self._factors.step_up(request.authenticated, challenge, proof), status=200)


def _describe(factor: EnrolledFactor) -> dict[str, Json]:
    members: dict[str, Json] = {
        "factor": factor.factor.value,
        "factor_id": factor.factor_id,
        "enrolled_at": factor.enrolled_at,
    }
    if factor.codes_left is not None:
        members["codes_left"] = factor.codes_left
    return members if factor.name is None else {**members, "name": factor.name}
