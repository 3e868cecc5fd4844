"""What a hostile server answers, and what people type as its address."""

from datetime import timedelta
from typing import Final
from unittest import mock

import httpx
from hypothesis import strategies as st

from solekey.connection.connection import parse_position
from solekey.connection.login import LoginClient
from solekey.connection.transport import Answer, Transport, _build_refusal
from solekey.errors import BadAnswerError, InsecureServerError, KdfParametersError
from solekey.profile.profile import Tokens
from solekey.runtime import Runtime
from solekey.server import Server
from solekey.transfer.objects import _parse_objects, parse_byte_list
from solekey_protocol.encoding import encode_cbor, encode_json
from solekey_protocol.events import Stream
from solekey_protocol.limits import MAX_SEQ
from tests.system.fuzz.mutations import mutate_json, mutate_text
from tests.system.fuzz.profile_folder import ACCOUNT, DEVICE, NOW, ORIGIN, SESSION
from tests.system.fuzz.target import Target

_PASSWORD: Final = "correct horse battery staple"
_KDF: Final = {"algorithm": "argon2id", "memory_kib": 65536, "iterations": 3, "lanes": 4, "salt": "80" * 16}


def _check_byte_list(raw: bytes) -> None:
    assert _parse_objects(raw) == parse_byte_list(raw, "objects")


def _check_answer(raw: bytes) -> None:
    assert encode_json(Answer(200, {}, raw).json())


def _check_refusal(raw: bytes) -> None:
    """A problem document never stands in the way of the refusal; here as the body and as a header."""
    header = raw.translate(None, b"\n\r\x00")
    for status in (400, 503):
        refusal = _build_refusal(httpx.Response(status, headers=[(b"Retry-After", header)]), raw)
        assert refusal.status == status
        assert str(refusal) is not None
        assert refusal.diagnostics()
        assert len(refusal.code) <= 80
        assert (getattr(refusal, "retry_after_s", None) or 0) >= 0


def _answer_with(raw: bytes) -> LoginClient:
    respond = httpx.MockTransport(lambda _request: httpx.Response(200, content=raw))
    runtime = Runtime(now=lambda: NOW, random=bytes, http=respond)
    return LoginClient(Transport(Server(ORIGIN), runtime), DEVICE, runtime)


def _check_challenge(raw: bytes) -> None:
    """The answer to a login's first request; the second is answered with the same."""
    login = mock.Mock(sign=DEVICE.sign, __enter__=lambda self: self, __exit__=lambda *_: None)
    with mock.patch("solekey.connection.login.derive_login_key", return_value=login):
        try:
            _answer_with(raw).log_in("ada", _PASSWORD, "123456")
        except BadAnswerError as error:
            if "session's answer" not in str(error):
                raise


def _check_session_answer(raw: bytes) -> None:
    used = Tokens(SESSION, {}, "skr_" + "5a" * 32, NOW, 1)
    tokens = _answer_with(raw).refresh(used).tokens
    assert tokens.expires_at >= NOW - timedelta(seconds=15)
    assert tokens.auth_position >= 0
    assert set(tokens.access) == set(Stream)


_session_answer: Final = encode_json(
    {
        "account": ACCOUNT,
        "session": SESSION,
        "device": DEVICE.device_id,
        "tokens": {stream.value: "a.b.c" for stream in Stream},
        "refresh_token": "skr_" + "5a" * 32,
        "expires_in_s": 300,
        "position": {"auth": 3},
    }
)


def _check_origin(text: str) -> None:
    server = Server(text)
    assert Server(server.origin) == server
    assert httpx.URL(server.origin).scheme == "https"


def _check_position(text: str) -> None:
    position = parse_position(text)
    if position is None:
        raise BadAnswerError("no position")
    assert text.startswith(f"{position[0].value}=")
    assert 0 <= position[1] <= MAX_SEQ


TARGETS = (
    Target(
        "objects of an answer",
        st.lists(st.none() | st.binary(max_size=9), max_size=3).map(
            lambda found: encode_cbor({"objects": found})
        ),
        _check_byte_list,
        (BadAnswerError,),
        covers=("transfer.objects.parse_byte_list",),
    ),
    Target(
        "JSON answer",
        st.just(_session_answer),
        _check_answer,
        (BadAnswerError,),
        mutate=mutate_json,
    ),
    Target(
        "problem document",
        st.sampled_from([{"code": "login_refused", "detail": "x"}, {"title": "y", "retry_after_s": 3}]).map(
            encode_json
        )
        | st.just(b"7"),
        _check_refusal,
        (),
        mutate=mutate_json,
        findings=(b"9" * 5000,),
    ),
    Target(
        "login challenge",
        st.just(encode_json({"challenge": "c1" * 16, "kdf": _KDF})),
        _check_challenge,
        (BadAnswerError, KdfParametersError),
        mutate=mutate_json,
        cost=2,
        findings=(b'{"challenge": "\\ud800", "kdf": {}}',),
    ),
    Target(
        "session's answer",
        st.just(_session_answer),
        _check_session_answer,
        (BadAnswerError,),
        mutate=mutate_json,
        cost=2,
        findings=(_session_answer.replace(b"300", b"9007199254740991"),),
    ),
    Target(
        "server address",
        st.sampled_from([ORIGIN, "https://solekey.example", "https://[::1]:8443/", "https://HOST:1"]),
        _check_origin,
        (InsecureServerError,),
        mutate=mutate_text,
        findings=(
            "https://[",
            "https://a:b",
            "https://a:99999",
            "https://a:0",
            "https://a\x00b",
            "https://\u0661",
        ),
    ),
    Target(
        "Solekey-Position",
        st.sampled_from(["auth=3", "vault=2147483647", "rotation=0"]),
        _check_position,
        (BadAnswerError,),
        mutate=mutate_text,
        findings=("auth=" + "9" * 5000, "auth=\u0661x"),
        covers=("connection.connection.parse_position",),
    ),
)
