"""What a server says about second factors, as the client takes it."""

import base64
from typing import Any, Final, cast

from fuzz.mutations import mutate_document
from fuzz.protocol_targets import as_document
from fuzz.target import Target
from hypothesis import strategies as st

from solekey.connection.login import TotpSecret
from solekey.connection.passkeys import parse_assertion_options, parse_creation_options
from solekey.crypto import KdfStrength
from solekey.errors import BadAnswerError, KdfRefusedError, PasskeyMissingError
from solekey_protocol.encoding import encode_json

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
        (KdfRefusedError,),
        mutate=mutate_document,
        covers=("crypto.login_key.KdfStrength.parse",),
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
