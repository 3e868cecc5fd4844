"""Another login key, the end of an account, and what an operator asks of passwords, as a service reads it."""

from typing import Any, Final, cast

from hypothesis import strategies as st

from solekey_auth.accounts.account_changes import CHANGE_CONTEXT, CLOSE_CONTEXT
from solekey_auth.accounts.api import parse_closing, parse_new_login_key
from solekey_auth.credentials.kdf import parse_kdf_wanted
from solekey_auth.refusals import KdfExcessive, KdfTooWeak
from solekey_protocol.encoding import encode_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import PublicKey
from solekey_service.http import Headers, Request
from solekey_service.refusals import BadRequest, UnsupportedMediaType
from tests.support.actors import Actor
from tests.system.fuzz.mutations import mutate_document, mutate_text
from tests.system.fuzz.protocol_targets import as_document
from tests.system.fuzz.strategies import hex_ids
from tests.system.fuzz.target import Target

_ACCOUNT: Final = Actor("ana", "laptop").account
_ORIGIN: Final = "https://solekey.test"


def _request(raw: bytes) -> Request:
    return Request("POST", "/", headers=Headers([("Content-Type", "application/json")]), body=raw)


def _check_login_key(raw: bytes) -> None:
    """What is signed is what was sent, and the origin that was not."""
    asked = parse_new_login_key(_request(raw), _ORIGIN)
    sent = cast("dict[str, Any]", as_document(raw))
    assert (asked.signature, asked.proof) == (sent.pop("signature"), sent.pop("proof"))
    assert asked.signed_bytes() == CHANGE_CONTEXT + encode_json({**sent, "origin": _ORIGIN})


def _check_closing(raw: bytes) -> None:
    asked = parse_closing(_request(raw), _ACCOUNT, _ORIGIN)
    sent = cast("dict[str, Any]", as_document(raw))
    assert asked.signature == sent.pop("signature")
    assert asked.signed_bytes() == CLOSE_CONTEXT + encode_json(
        {**sent, "account": _ACCOUNT, "origin": _ORIGIN}
    )


def _check_wanted(text: str) -> None:
    wanted = parse_kdf_wanted(text)
    if wanted is None:
        assert not text.strip()
        return
    numbers = wanted.to_json()
    assert text.isascii()
    assert set(numbers) == {"iterations", "lanes", "memory_kib"}
    for member in text.split(","):
        name, number = member.strip().split("=")
        assert numbers[name] == int(number)


_hex_32 = st.binary(min_size=32, max_size=32).map(bytes.hex)
_hex_64 = st.binary(min_size=64, max_size=64).map(bytes.hex)
_kdf = st.builds(
    lambda salt, iterations: {
        "algorithm": "argon2id",
        "iterations": iterations,
        "lanes": 4,
        "memory_kib": 65536,
        "salt": salt.hex(),
    },
    st.binary(min_size=16, max_size=64),
    st.integers(3, 16),
)
_login_keys = st.fixed_dictionaries(
    {
        "challenge": _hex_32,
        "kdf": _kdf,
        "login_key": hex_ids(PublicKey, 32),
        "reason": st.sampled_from(["password_changed", "kdf_upgraded"]),
        "signature": _hex_64,
        "proof": _hex_64,
    }
)
_closings = st.fixed_dictionaries({"challenge": _hex_32, "signature": _hex_64})

TARGETS: Final = (
    Target(
        "another login key",
        _login_keys.map(encode_json),
        _check_login_key,
        (BadRequest, MalformedError, UnsupportedMediaType, KdfTooWeak, KdfExcessive),
        mutate=mutate_document,
        covers=("solekey_auth.accounts.api.parse_new_login_key",),
    ),
    Target(
        "end of an account",
        _closings.map(encode_json),
        _check_closing,
        (BadRequest, MalformedError, UnsupportedMediaType),
        mutate=mutate_document,
        covers=("solekey_auth.accounts.api.parse_closing",),
    ),
    Target(
        "work that an operator asks for",
        st.sampled_from(["memory_kib=131072,iterations=4,lanes=8", "iterations=16", " lanes=4 ", ""]),
        _check_wanted,
        (ValueError,),
        mutate=mutate_text,
        covers=("solekey_auth.credentials.kdf.parse_kdf_wanted",),
    ),
)
