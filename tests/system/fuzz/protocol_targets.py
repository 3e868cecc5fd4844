"""The protocol library's parsers: what a verifier reads. Each value has one spelling."""

import hashlib
from typing import Any

from hypothesis import strategies as st

from solekey_protocol.change_list import (
    encode_change,
    encode_change_list,
    parse_change,
    parse_change_list,
)
from solekey_protocol.encoding import encode_cbor, encode_json, parse_cbor, parse_json, parse_lenient_json
from solekey_protocol.envelope import (
    HEADER_BYTES,
    EnvelopeHeader,
    compute_envelope_size,
    compute_inner_size,
    encode_envelope_header,
    parse_envelope_header,
    parse_envelope_size,
)
from solekey_protocol.errors import MalformedError, SchemaError, SignatureError
from solekey_protocol.event import encode_event, parse_event
from solekey_protocol.events import BODIES
from solekey_protocol.events.fields import decode_body, encode_body
from solekey_protocol.ids import (
    AccountId,
    DeviceId,
    Digest,
    ItemId,
    KeyId,
    PublicKey,
    RotationId,
    SessionId,
    SignatureHex,
    Timestamp,
)
from solekey_protocol.limits import MAX_EVENT_BYTES
from solekey_protocol.page_list import encode_page_list, encode_pages, parse_page_list
from solekey_protocol.schemas import verify_schema
from solekey_protocol.statements import Head, parse_signed_statement
from solekey_protocol.streams import FOLDS, decode_snapshot, derive_fold_version, encode_snapshot
from solekey_protocol.wrap import (
    WRAP_BYTES,
    WRAP_HEADER_BYTES,
    SecretKind,
    WrapHeader,
    encode_wrap_header,
    parse_wrap_header,
)
from tests.support.protocol.keyring import ACCOUNT
from tests.support.protocol.story import tell
from tests.system.fuzz.mutations import mutate_document, mutate_json, mutate_text
from tests.system.fuzz.strategies import (
    SIGNERS,
    bodies,
    changes,
    events,
    heads,
    raw_ids,
    statements,
    timestamps,
)
from tests.system.fuzz.target import Target, agree

_MAX = 10**6
_json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
_cbor_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.text(max_size=8)
    | st.binary(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


def as_document(raw: bytes) -> Any:
    """The JSON value of what a mutation made; None where it is outside of the canonical values."""
    try:
        return parse_lenient_json(raw, max_bytes=_MAX)
    except MalformedError:
        return None


def _check_json(raw: bytes) -> None:
    assert encode_json(parse_json(raw, max_bytes=_MAX)) == raw


def _check_lenient_json(raw: bytes) -> None:
    value = parse_lenient_json(raw, max_bytes=_MAX)
    assert parse_json(encode_json(value), max_bytes=2 * _MAX) == value


def _check_cbor(raw: bytes) -> None:
    assert encode_cbor(parse_cbor(raw, max_bytes=_MAX)) == raw


def _check_envelope_header(raw: bytes) -> None:
    assert encode_envelope_header(parse_envelope_header(raw)) == raw


def _check_wrap_header(raw: bytes) -> None:
    assert encode_wrap_header(parse_wrap_header(raw)) == raw[:WRAP_HEADER_BYTES]


def _check_envelope_size(raw: bytes) -> None:
    size, chunk_size = int.from_bytes(raw[:-1], "big"), 1 << (12 + raw[-1] % 11) if raw else 4096
    inner_size = parse_envelope_size(size, chunk_size)
    assert compute_envelope_size(inner_size, chunk_size) == size
    assert compute_inner_size(inner_size) == inner_size


def _check_statement(raw: bytes) -> None:
    signed = parse_signed_statement(as_document(raw))
    assert parse_json(raw, max_bytes=_MAX) == signed.to_json()
    assert signed.canonical == encode_json(signed.to_json())
    assert signed.statement.canonical == encode_json(signed.statement.to_json())
    said = signed.statement.signing_bytes()
    for signer, signature in signed.signatures.items():
        signed.verify(signer, SIGNERS[signer.value].public)
        assert signature == SIGNERS[signer.value].sign(said)  # Ed25519 is deterministic


def _check_event(raw: bytes) -> None:
    event = parse_event(raw)
    after = Head(event.seq - 1, event.prev)
    said = event.signed or event.body
    assert encode_event(said, account=event.account, after=after, time=event.time).raw == raw
    assert verify_schema(raw) == raw


_BEYOND_SCHEMAS = ("event.id", "another account, seq or prev")


def _check_schema(raw: bytes) -> None:
    """Whatever the schema takes, the parser takes, but for what a schema cannot say."""
    verify_schema(raw)
    try:
        parse_event(raw)
    except SchemaError as error:
        agree(True, {any(part in str(error) for part in _BEYOND_SCHEMAS)}, error)


def _check_body(raw: bytes) -> None:
    document = as_document(raw)
    name, members = document if isinstance(document, list) and len(document) == 2 else ("", None)
    cls = BODIES.get(str(name), Head)
    assert encode_body(decode_body(cls, members, where="body")) == members


def _check_change_list(raw: bytes) -> None:
    assert encode_change_list(parse_change_list(raw)) == raw


def _check_page_list(raw: bytes) -> None:
    assert encode_page_list(parse_page_list(raw)) == raw


def _check_change(raw: bytes) -> None:
    assert encode_change(parse_change(raw)) == raw


_ID_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (AccountId, DeviceId, ItemId, RotationId, SessionId, Digest, PublicKey, SignatureHex, KeyId)
}


def _check_id(text: str) -> None:
    """An id is of at most one shape of text, and holds its bytes."""
    taken = []
    for kind in _ID_KINDS.values():
        try:
            value = kind(text)
        except MalformedError:
            continue
        taken.append(kind)
        if hasattr(value, "raw"):
            assert kind.from_raw(value.raw) == text
        else:
            assert bytes.fromhex(value).hex() == text
    if not taken:
        raise MalformedError(text)
    assert len({kind.PATTERN for kind in taken}) == 1


def _check_timestamp(text: str) -> None:
    assert Timestamp.from_datetime(Timestamp(text).datetime) == text


def _check_raw_id(raw: bytes) -> None:
    assert ItemId.from_raw(raw).raw == raw


def _check_kind(raw: bytes) -> None:
    kind = SecretKind.from_wire_code(int.from_bytes(raw, "big"))
    assert kind.wire_code == int.from_bytes(raw, "big")


def _encode(value: Any) -> bytes:
    return encode_json(value)


def _check_snapshot(rest: bytes) -> None:
    """The checksum is right: what is tried is the form."""
    data = hashlib.sha256(rest).digest() + rest
    for kind in FOLDS.values():
        if rest[2:66] == derive_fold_version(kind).encode():
            assert encode_snapshot(decode_snapshot(kind, data)) == data
            return
    raise MalformedError("a version that no fold has")


def _cut_snapshots() -> list[bytes]:
    """The snapshots of all streams of a story, at each place, without their checksums."""
    found: list[bytes] = []
    folds = {stream: kind.start(ACCOUNT) for stream, kind in FOLDS.items()}
    for event in tell():
        folds[event.stream] = folds[event.stream].evolve(event)
        found.append(encode_snapshot(folds[event.stream])[32:])
    return found


_salts = st.binary(min_size=32, max_size=32)
_epochs = st.integers(1, 2**31 - 1)

change_lists = st.lists(changes, max_size=3, unique_by=lambda change: change.item).map(encode_change_list)

TARGETS = (
    Target(
        "canonical JSON",
        _json_values.map(encode_json),
        _check_json,
        (MalformedError,),
        mutate=mutate_json,
        covers=("encoding.parse_json",),
    ),
    Target(
        "JSON in any spelling",
        _json_values.map(encode_json),
        _check_lenient_json,
        (MalformedError,),
        mutate=mutate_json,
        covers=("encoding.parse_lenient_json",),
    ),
    Target(
        "CBOR",
        _cbor_values.map(encode_cbor),
        _check_cbor,
        (MalformedError,),
        covers=("cbor.parse_cbor",),
    ),
    Target(
        "envelope header",
        st.builds(EnvelopeHeader, st.just(1), st.integers(12, 22), _epochs, _salts, _salts).map(
            encode_envelope_header
        ),
        _check_envelope_header,
        (MalformedError,),
        covers=("envelope.parse_envelope_header",),
    ),
    Target(
        "envelope size",
        st.builds(
            lambda size, log2: (
                compute_envelope_size(compute_inner_size(size), 1 << log2).to_bytes(6, "big")
                + bytes([log2 - 12])
            ),
            st.integers(0, 2**40),
            st.integers(12, 22),
        ),
        _check_envelope_size,
        (MalformedError,),
        covers=("envelope.parse_envelope_size",),
    ),
    Target(
        "wrap header",
        st.builds(
            lambda epoch, version, key_id, salt: encode_wrap_header(
                WrapHeader(1, SecretKind.DATA_KEY, epoch, version, KeyId(key_id.hex()), salt, salt)
            ).ljust(WRAP_BYTES, b"s"),
            _epochs,
            _epochs,
            st.binary(min_size=16, max_size=16),
            _salts,
        ),
        _check_wrap_header,
        (MalformedError,),
        covers=("wrap.parse_wrap_header",),
    ),
    Target(
        "secret kind",
        st.just(b"\x01"),
        _check_kind,
        (MalformedError,),
        covers=("wrap.SecretKind.from_wire_code",),
    ),
    Target(
        "statement",
        statements().map(lambda signed: encode_json(signed.to_json())),
        _check_statement,
        (MalformedError, SignatureError),
        mutate=mutate_json,
        covers=("statements.parse_signed_statement",),
    ),
    Target(
        "event record",
        events().map(lambda event: event.raw),
        _check_event,
        (MalformedError,),
        mutate=mutate_json,
        covers=("event.parse_event", "typed_records.decode_record"),
    ),
    Target(
        "fold snapshot",
        st.sampled_from(_cut_snapshots()),
        _check_snapshot,
        (MalformedError,),
        mutate=mutate_document,
        covers=("snapshot.decode_snapshot",),
    ),
    Target(
        "event schema",
        events().map(lambda event: event.raw),
        _check_schema,
        (MalformedError,),
        mutate=mutate_document,
        covers=("schemas.verify_schema",),
    ),
    Target(
        "event body",
        (
            bodies.map(lambda body: [body.TYPE, encode_body(body)])
            | heads.map(lambda head: ["", encode_body(head)])
        ).map(_encode),
        _check_body,
        (SchemaError,),
        mutate=mutate_document,
        covers=("events.fields.decode_body",),
    ),
    Target(
        "change list",
        change_lists,
        _check_change_list,
        (MalformedError,),
        covers=("change_list.parse_change_list",),
    ),
    Target(
        "change",
        changes.map(encode_change),
        _check_change,
        (MalformedError,),
        covers=("change_list.parse_change",),
    ),
    Target(
        "page list",
        st.lists(changes, max_size=5, unique_by=lambda change: change.item).map(
            lambda listed: encode_pages(listed, page_bytes=100)[0]
        ),
        _check_page_list,
        (MalformedError,),
        covers=("page_list.parse_page_list",),
    ),
    Target(
        "identifier",
        st.sampled_from([kind for kind in _ID_KINDS.values() if hasattr(kind, "PREFIX")])
        .flatmap(raw_ids)
        .map(str)
        | st.sampled_from([16, 32, 64]).flatmap(lambda n: st.binary(min_size=n, max_size=n)).map(bytes.hex),
        _check_id,
        (MalformedError,),
        mutate=mutate_text,
        covers=(),
    ),
    Target("timestamp", timestamps.map(str), _check_timestamp, (MalformedError,), mutate=mutate_text),
    Target("raw id", st.binary(min_size=16, max_size=16), _check_raw_id, (MalformedError,)),
)
assert HEADER_BYTES == 74
assert MAX_EVENT_BYTES < _MAX
