"""Second factors: what a server says of them, as the client takes it, and what a service is told."""

import base64
from typing import Any, Final, cast

from hypothesis import strategies as st

from solekey.connection.login import TotpSecret
from solekey.connection.passkeys import parse_assertion_options, parse_creation_options
from solekey.crypto import KdfStrength, KnownKdf
from solekey.errors import BadAnswerError, KdfParametersError, PasskeyMissingError
from solekey_auth.factors.passkeys import Assertion
from solekey_auth.factors.proof import RecoveryProof, TotpProof, parse_proof
from solekey_protocol.encoding import encode_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Digest
from solekey_service.http import Headers, Request, expect_id, parse_members
from solekey_service.refusals import BadRequest, UnsupportedMediaType
from tests.system.fuzz.mutations import mutate_document
from tests.system.fuzz.protocol_targets import as_document
from tests.system.fuzz.target import Target

_ORIGIN: Final = "https://solekey.test"


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _check_totp(raw: bytes) -> None:
    document = as_document(raw)
    totp = TotpSecret.parse(document)
    assert isinstance(document, dict)
    assert (totp.secret, totp.uri) == (document["secret"], document["uri"])
    assert (totp.secret + totp.uri).isprintable()


def _check_strength(raw: bytes) -> None:
    document = as_document(raw)
    encoded = KdfStrength.parse(document).encode()
    assert isinstance(document, dict)
    assert encoded == {name: document[name] for name in ("iterations", "lanes", "memory_kib")}


def _check_known_kdf(raw: bytes) -> None:
    document = as_document(raw)
    assert KnownKdf.parse(document).encode().items() <= cast("dict[str, object]", document).items()


def _check_creation(raw: bytes) -> None:
    document = as_document(raw)
    request = parse_creation_options(cast("Any", document) if isinstance(document, dict) else {}, _ORIGIN)
    assert (request.origin, request.rp_id) == (_ORIGIN, "solekey.test")
    assert len(request.challenge) == 32
    assert 0 < len(request.user_id) <= 64


def _check_assertion(raw: bytes) -> None:
    document = as_document(raw)
    members = document if isinstance(document, dict) else {}
    challenge, passkeys = members.get("challenge"), members.get("passkeys")
    request = parse_assertion_options(_ORIGIN, cast("str", challenge), passkeys)
    assert request.challenge.hex() == challenge
    assert isinstance(passkeys, list)
    assert len(request.credentials) == len(passkeys) > 0


def _check_body(raw: bytes) -> None:
    """A step-up, as the service takes its body apart."""
    request = Request("POST", "/", headers=Headers([("Content-Type", "application/json")]), body=raw)
    document = parse_members(request, "challenge", "factor")
    assert expect_id(Digest, document, "challenge") == document["challenge"]
    factor = cast("Any", document["factor"])
    match parse_proof(factor):
        case TotpProof(code):
            assert code == factor["code"]
        case RecoveryProof(code):
            assert code == factor["code"].replace("-", "").lower()
            assert len(code) == 10
            assert not set(code) - set("abcdefghijklmnopqrstuvwxyz234567")
        case Assertion() as assertion:
            assert _encode(assertion.credential) == factor["credential"].rstrip("=")


_codes = st.builds(
    lambda kind_and_code: dict(zip(("kind", "code"), kind_and_code, strict=True)),
    st.tuples(st.just("totp"), st.from_regex(r"[0-9]{6}", fullmatch=True))
    | st.tuples(st.just("recovery_code"), st.from_regex(r"[A-Za-z2-7]{5}-?[A-Za-z2-7]{5}", fullmatch=True)),
)
_factors = _codes | st.builds(
    lambda parts: {
        "kind": "passkey",
        **dict(zip(("credential", "client_data", "authenticator_data", "signature"), parts, strict=True)),
    },
    st.lists(st.binary(min_size=1, max_size=40).map(_encode), min_size=4, max_size=4),
)
_step_ups = st.builds(
    lambda challenge, factor: encode_json({"challenge": challenge.hex(), "factor": factor}),
    st.binary(min_size=32, max_size=32),
    _factors,
)
_creation_options = st.builds(
    lambda challenge, user, known: encode_json(
        {
            "options": {
                "rp": {"id": "solekey.test", "name": "solekey.test"},
                "user": {"id": _encode(user), "name": "ada", "displayName": "ada"},
                "challenge": _encode(challenge),
                "pubKeyCredParams": [{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -8}],
                "excludeCredentials": [{"type": "public-key", "id": _encode(known)}],
            }
        }
    ),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=1, max_size=64),
    st.binary(min_size=1, max_size=99),
)
_assertion_options = st.builds(
    lambda challenge, known: encode_json(
        {"challenge": challenge.hex(), "passkeys": [_encode(each) for each in known]}
    ),
    st.binary(min_size=32, max_size=32),
    st.lists(st.binary(min_size=1, max_size=99), min_size=1, max_size=3),
)

TARGETS: Final = (
    Target(
        "step-up",
        _step_ups,
        _check_body,
        (BadRequest, UnsupportedMediaType, MalformedError),
        mutate=mutate_document,
        covers=(
            "http.request.parse_members",
            "solekey_auth.factors.proof.parse_proof",
            "solekey_auth.factors.recovery_codes.parse_recovery_code",
            "solekey_auth.factors.passkeys.parse_binary_member",
        ),
    ),
    Target(
        "authenticator's secret",
        st.just(
            encode_json({"secret": "JBSWY3DPEHPK3PXP", "uri": "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP"})
        ),
        _check_totp,
        (BadAnswerError,),
        mutate=mutate_document,
        covers=("connection.login.TotpSecret.parse",),
    ),
    Target(
        "password's work",
        st.just(encode_json({"iterations": 3, "lanes": 4, "memory_kib": 65536})),
        _check_strength,
        (KdfParametersError,),
        mutate=mutate_document,
        covers=("crypto.login_key.KdfStrength.parse",),
    ),
    Target(
        "what a profile knows of the login key",
        st.just(KnownKdf(KdfStrength(65536, 3, 4), bytes(16), _ORIGIN, 7).encode()).map(encode_json),
        _check_known_kdf,
        (KdfParametersError,),
        mutate=mutate_document,
        covers=("crypto.login_key.KnownKdf.parse",),
    ),
    Target(
        "options of a new passkey",
        _creation_options,
        _check_creation,
        (BadAnswerError,),
        mutate=mutate_document,
        covers=("solekey.connection.passkeys.parse_creation_options",),
    ),
    Target(
        "options of a passkey's use",
        _assertion_options,
        _check_assertion,
        (BadAnswerError, PasskeyMissingError),
        mutate=mutate_document,
        covers=("solekey.connection.passkeys.parse_assertion_options",),
    ),
)
