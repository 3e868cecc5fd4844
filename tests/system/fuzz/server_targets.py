"""What a service reads from strangers: header fields, bodies, tokens, proofs, and records of the bus."""

import ipaddress
import json
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import strategies as st

from solekey_auth.credentials.credential import parse_username
from solekey_auth.credentials.kdf import parse_kdf
from solekey_auth.factors.totp import parse_code
from solekey_auth.refusals import KdfExcessive, KdfTooWeak
from solekey_auth.sessions.sessions import parse_refresh_token
from solekey_devices.device_name import DeviceName
from solekey_devices.refusals import NameRefused
from solekey_eventlog.errors import NotYetAppliedError
from solekey_protocol.encoding import encode_base64url, encode_cbor, encode_json, parse_base64url
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat, parse_heartbeat
from solekey_protocol.ids import DeviceId, Timestamp
from solekey_protocol.services import Service
from solekey_service.access.compact import CompactError, parse_compact
from solekey_service.access.dpop import verify_dpop_proof
from solekey_service.access.tokens import verify_access_token
from solekey_service.http import Headers, Request
from solekey_service.http.request import (
    parse_cbor_body,
    parse_json_body,
    parse_query_integer,
    parse_solekey_after,
)
from solekey_service.http.source import find_source, parse_networks
from solekey_service.refusals import BadRequest, DpopInvalid, TokenExpired, TokenInvalid, UnsupportedMediaType
from solekey_vault.ranges import parse_range
from solekey_vault.refusals import RangeNotSatisfiable
from tests.support.actors import Actor
from tests.support.keys import Key
from tests.support.tickets import (
    ORIGIN,
    SIGNER,
    SIGNER_ID,
    encode,
    jwk_of,
    publish_signer,
    sign,
    token_claims,
)
from tests.system.fuzz.mutations import mutate_document, mutate_json, mutate_text
from tests.system.fuzz.protocol_targets import as_document
from tests.system.fuzz.target import Target

_NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
_NOW_S: Final = int(_NOW.timestamp())
_ACTOR: Final = Actor("ana", "laptop")
_DEVICE: Final = Key("device of the proofs")
_URL: Final = f"{ORIGIN}/v1/vault/objects"
_OBJECT_BYTES: Final = 1000
_proof_header: Final = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk_of(_DEVICE)}
_proof_claims: Final = {"jti": "proof-0001-of-fuzz", "htm": "GET", "htu": _URL, "iat": _NOW_S}
_token_header: Final = {"typ": "at+jwt", "alg": "EdDSA", "kid": SIGNER_ID}
_token_claims: Final = token_claims(_ACTOR, Stream.VAULT, _NOW)
_TOKEN: Final = sign(SIGNER, _token_header, _token_claims)
_PROOF: Final = sign(_DEVICE, _proof_header, _proof_claims)


def _sign_parts(key: Key, raw: bytes) -> str:
    """Sign a mutated header and claims: what a holder of the key could send."""
    parts = json.loads(raw)
    header, claims = parts if isinstance(parts, list) and len(parts) == 2 else (parts, parts)
    spelled = [json.dumps(part).encode(errors="replace") for part in (header, claims)]
    signed = ".".join(encode(part) for part in spelled)
    return f"{signed}.{encode(bytes.fromhex(key.sign(signed.encode())))}"


def _verify_proof(text: str) -> None:
    proof = verify_dpop_proof([text], method="GET", url=_URL, now=_NOW)
    assert (proof.device_key, proof.token_hash) == (_DEVICE.public, None)
    assert abs((proof.issued_at - _NOW).total_seconds()) <= 60


def _check_proof_text(text: str) -> None:
    _verify_proof(text)
    assert text == _PROOF


def _check_signed_proof(raw: bytes) -> None:
    _verify_proof(_sign_parts(_DEVICE, raw))


def _verify_token(text: str) -> None:
    claims = verify_access_token(
        text,
        signing_keys={SIGNER_ID: publish_signer(_NOW)},
        issuer=ORIGIN,
        audience=Service.VAULT,
        now=_NOW,
    )
    assert (claims.issuer, claims.audience) == (ORIGIN, Service.VAULT)
    assert 0 < claims.expires_at_s - claims.issued_at_s <= 300


def _check_token_text(text: str) -> None:
    _verify_token(text)
    assert text == _TOKEN


def _check_signed_token(raw: bytes) -> None:
    _verify_token(_sign_parts(SIGNER, raw))


def _check_compact(text: str) -> None:
    compact = parse_compact(text)
    assert f"{compact.signed.decode()}.{encode_base64url(compact.signature)}" == text
    assert compact.verify(SIGNER.public) == _token_claims
    assert text == _TOKEN


def _check_base64url(text: str) -> None:
    assert encode(parse_base64url(text)) == text


def _check_heartbeat(raw: bytes) -> None:
    heartbeat = parse_heartbeat(raw)
    assert all(offset >= 0 for offset in heartbeat.positions.values())
    if len(heartbeat.positions) == len(json.loads(raw)["positions"]):
        spelled = {str(int(key)): value for key, value in json.loads(raw)["positions"].items()}
        assert json.loads(encode_heartbeat(heartbeat)) == json.loads(raw) | {"positions": spelled}


def _check_range(text: str) -> None:
    found = parse_range(text, _OBJECT_BYTES)
    assert 0 <= found.start < found.end <= _OBJECT_BYTES == found.size


def _make_field(name: str, text: str) -> Headers:
    """A header field; no line end gets this far (http_server.connection.verify_head)."""
    if "\r" in text or "\n" in text:
        raise BadRequest("a header line is malformed")
    return Headers([(name, text)])


def _check_after(text: str) -> None:
    positions = parse_solekey_after(Request("GET", "/", headers=_make_field("Solekey-After", text)))
    assert all(0 <= seq < 2**31 for seq in positions.values())
    named = [part.split("=")[0].strip() for part in text.split(",") if part.strip()]
    assert [stream.value for stream in positions] == named


def _check_query(text: str) -> None:
    request = Request("GET", "/", query={"limit": text})
    assert 1 <= parse_query_integer(request, "limit", default=5, minimum=1, maximum=100) <= 100


def _check_content_type(text: str) -> None:
    request = Request("POST", "/", headers=_make_field("Content-Type", text), body=b"{}")
    assert parse_json_body(request) == {}
    assert text.split(";")[0].strip().lower() == "application/json"


def _check_json_body(raw: bytes) -> None:
    headers = Headers([("Content-Type", "application/json; charset=utf-8")])
    assert encode_json(parse_json_body(Request("POST", "/", headers=headers, body=raw)))


def _check_cbor_body(raw: bytes) -> None:
    headers = Headers([("Content-Type", "application/cbor")])
    assert encode_cbor(parse_cbor_body(Request("POST", "/", headers=headers, body=raw))) == raw


def _check_refresh_token(text: str) -> None:
    assert parse_refresh_token(text).reveal() == text


def _check_code(text: str) -> None:
    assert parse_code(text) == text
    assert 0 <= int(text) < 10**6


def _check_username(text: str) -> None:
    username = parse_username(text)
    assert parse_username(username) == username
    assert username.isascii()
    assert username.isprintable()


def _check_kdf(raw: bytes) -> None:
    document = as_document(raw)
    assert parse_kdf(document).to_json() == document


def _check_device_name(raw: bytes) -> None:
    document = as_document(raw)
    name = DeviceName.parse(document)
    assert {"name": name.name, "salt": name.salt} == document
    assert len(name.derive_commitment(DeviceId.from_raw(bytes(16)))) == 64


def _check_forwarded(text: str) -> None:
    """Whatever stands in the header, there is one source, and it is a prefix of the right length."""
    source = ipaddress.ip_network(find_source("10.0.0.1", [text], parse_networks("10.0.0.0/8")))
    assert source.prefixlen == {4: 32, 6: 64}[source.version]


_heartbeats = st.builds(
    lambda service, positions: encode_heartbeat(
        Heartbeat(service, Timestamp("2026-11-23T12:00:00.000Z"), positions)
    ),
    st.sampled_from(list(Service)),
    st.dictionaries(st.integers(0, 999), st.integers(0, 2**40), max_size=3),
)


_kdf = {"algorithm": "argon2id", "memory_kib": 65536, "iterations": 3, "lanes": 4, "salt": "80" * 16}


def _header(name: str, valid: list[str], check: Any, refusals: Any, *covers: str) -> Target:
    return Target(name, st.sampled_from(valid), check, refusals, mutate=mutate_text, covers=covers)


TARGETS = (
    _header(
        "DPoP proof",
        [_PROOF],
        _check_proof_text,
        (DpopInvalid,),
        "access.dpop.verify_dpop_proof",
    ),
    Target(
        "DPoP proof by a key holder",
        st.just(encode_json([_proof_header, _proof_claims])),
        _check_signed_proof,
        (DpopInvalid,),
        mutate=mutate_document,
    ),
    _header(
        "access token",
        [_TOKEN],
        _check_token_text,
        (TokenInvalid, NotYetAppliedError),
        "access.tokens.verify_access_token",
    ),
    Target(
        "access token by its signer",
        st.just(encode_json([_token_header, _token_claims])),
        _check_signed_token,
        (TokenInvalid, TokenExpired, NotYetAppliedError),
        mutate=mutate_document,
    ),
    _header("compact JWS", [_TOKEN], _check_compact, (CompactError,), "access.compact.parse_compact"),
    Target(
        "base64url",
        st.binary(max_size=20).map(encode),
        _check_base64url,
        (MalformedError,),
        mutate=mutate_text,
        covers=("encoding.parse_base64url",),
    ),
    Target(
        "heartbeat",
        _heartbeats,
        _check_heartbeat,
        (MalformedError,),
        mutate=mutate_json,
        covers=("heartbeat.parse_heartbeat",),
    ),
    _header(
        "Range",
        ["bytes=0-99", "bytes=100-", "bytes=-100", "bytes=999-999"],
        _check_range,
        (RangeNotSatisfiable,),
        "ranges.parse_range",
    ),
    _header(
        "Solekey-After",
        ["auth=3", "auth=3, devices=4", "vault=2147483647,rotation=0", ""],
        _check_after,
        (BadRequest,),
        "http.request.parse_solekey_after",
    ),
    _header(
        "number in a query",
        ["5", "100", "007"],
        _check_query,
        (BadRequest,),
        "http.request.parse_query_integer",
    ),
    _header(
        "Content-Type",
        ["application/json", "Application/JSON; charset=utf-8"],
        _check_content_type,
        (UnsupportedMediaType, BadRequest),
    ),
    Target(
        "JSON body",
        st.just(encode_json({"statement": {"a": [1, None]}, "signatures": {}})),
        _check_json_body,
        (BadRequest, MalformedError),
        mutate=mutate_json,
        covers=("http.request.parse_json_body",),
    ),
    Target(
        "CBOR body",
        st.just(encode_cbor({"objects": [b"x" * 30, b"y"]})),
        _check_cbor_body,
        (BadRequest, MalformedError),
        covers=("http.request.parse_cbor_body",),
    ),
    _header(
        "refresh token",
        ["skr_" + "5a" * 32],
        _check_refresh_token,
        (BadRequest,),
        "sessions.parse_refresh_token",
    ),
    _header("one-time code", ["123456", "000000"], _check_code, (BadRequest,), "totp.parse_code"),
    _header(
        "user name",
        ["ada@example.org", "Ada.L+1@Example.org", "ab1"],
        _check_username,
        (BadRequest,),
        "credential.parse_username",
    ),
    Target(
        "KDF parameters at the server",
        st.just(encode_json(_kdf)),
        _check_kdf,
        (BadRequest, KdfTooWeak, KdfExcessive),
        mutate=mutate_document,
        covers=("kdf.parse_kdf",),
    ),
    Target(
        "device name at the server",
        st.just(encode_json({"name": "laptop", "salt": "5a" * 16})),
        _check_device_name,
        (NameRefused,),
        mutate=mutate_document,
        covers=("device_name.DeviceName.parse",),
    ),
    _header(
        "X-Forwarded-For",
        ["203.0.113.7", "203.0.113.7, 10.0.0.2", "2001:db8::7, ::ffff:10.0.0.2", "fe80::1%eth0", "unknown"],
        _check_forwarded,
        (),
        "source.find_source",
    ),
)
