"""Signed statements: what a client says, word for word, and who signed it. Spec: conventions.md §4.

*Wire format.* ``{"statement": {...}, "signatures": {"device": hex, ...}}``. What is signed is
``"solekey/statement/v1" ‖ 0x00 ‖ RFC 8785 bytes of the statement`` with Ed25519 (RFC 8032). The server
can withhold a statement; it cannot write one.

Canonical bytes are made once and kept: a parsed statement is signed, hashed and written by the bytes that it
was parsed with.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import UNSET

from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.errors import MalformedError, SchemaError, SignatureError
from solekey_protocol.events.body import BODIES, Body, Signer
from solekey_protocol.events.fields import Position, Seq, decode_body, encode_body
from solekey_protocol.ids import (
    ZERO_DIGEST,
    AccountId,
    DeviceId,
    Digest,
    PublicKey,
    SignatureHex,
    compute_digest,
)
from solekey_protocol.limits import MAX_STATEMENT_BYTES
from solekey_protocol.services import V1_STREAMS, Stream
from solekey_protocol.typed_records import UnfitError, make_body

SIGNING_CONTEXT = b"solekey/statement/v1\x00"
_STATEMENT_MEMBER = b',"statement":'
_KEPT_KEYS: Final = 4096
"""Public keys whose points are kept: an account has a few, and signs much with each."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a stream: the last event's seq and the SHA-256 of its bytes; seq 0 before the first."""

    seq: Position
    digest: Digest


EMPTY_HEAD = Head(0, ZERO_DIGEST)


@dataclass(frozen=True, slots=True)
class _Place:
    account: AccountId
    seq: Seq
    prev: Digest
    device: DeviceId


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of a client: this body, at this place of this stream, having seen these other heads."""

    account: AccountId
    seq: int
    prev: Digest
    heads: Mapping[Stream, Head]
    device: DeviceId
    body: Body
    _canonical: bytes | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def canonical(self) -> bytes:
        """The canonical bytes, made when first needed."""
        canonical = self._canonical
        if canonical is None:
            canonical = encode_json(self.to_json())
            object.__setattr__(self, "_canonical", canonical)
        return canonical

    @property
    def stream(self) -> Stream:
        """The stream that the statement extends."""
        return self.body.STREAM

    def to_json(self) -> dict[str, Json]:
        """The statement as JSON members."""
        return {
            "type": self.body.TYPE,
            "stream": self.stream.value,
            "account": self.account,
            "seq": self.seq,
            "prev": self.prev,
            "heads": {stream.value: encode_body(head) for stream, head in self.heads.items()},
            "device": self.device,
            "body": encode_body(self.body),
        }

    def signing_bytes(self) -> bytes:
        """The bytes that every signer signs. Raises MalformedError when they exceed the limit."""
        if len(self.canonical) > MAX_STATEMENT_BYTES:
            raise MalformedError(f"statement is {len(self.canonical)} bytes, limit {MAX_STATEMENT_BYTES}")
        return SIGNING_CONTEXT + self.canonical


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement with exactly the signatures that its type requires, not verified yet."""

    statement: Statement
    signatures: Mapping[Signer, SignatureHex]
    _canonical: bytes | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def canonical(self) -> bytes:
        """The canonical bytes, made when first needed."""
        canonical = self._canonical
        if canonical is None:
            canonical = encode_json(self.to_json())
            object.__setattr__(self, "_canonical", canonical)
        return canonical

    def to_json(self) -> dict[str, Json]:
        """The signed statement as JSON members."""
        return {
            "statement": self.statement.to_json(),
            "signatures": {signer.value: signature for signer, signature in self.signatures.items()},
        }

    @property
    def digest(self) -> Digest:
        """SHA-256 of the canonical signed statement: its idempotency key."""
        return compute_digest(self.canonical)

    def verify(self, signer: Signer, public_key: PublicKey) -> Statement:
        """Verify one signature and return the statement.

        Raises:
            SignatureError: absent, or not made by this key over these bytes.
        """
        if signer not in self.signatures:
            raise SignatureError(f"{self.statement.body.TYPE}: signature of {signer} is missing")
        verify_signature(public_key, self.statement.signing_bytes(), self.signatures[signer])
        return self.statement


def verify_signature(public_key: PublicKey, message: bytes, signature: SignatureHex) -> bytes:
    """Verify an Ed25519 signature (RFC 8032) and return the message.

    Raises:
        SignatureError: the signature, or the key itself, is not valid.
    """
    try:
        _load_key(public_key).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError) as error:
        raise SignatureError("Ed25519 signature does not verify") from error
    return message


@lru_cache(maxsize=_KEPT_KEYS)
def _load_key(public_key: PublicKey) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))


def make_typed_statement(
    body_class: type[Body], typed: Any, canonical: bytes, place: tuple[AccountId, int, Digest]
) -> SignedStatement:
    """Make a signed statement of what the types of the catalogue have decoded (typed_records).

    Args:
        body_class: the class of its body.
        typed: the decoded ``data`` member of a record.
        canonical: the bytes it was decoded from.
        place: account, seq and prev of the record, which the statement must name.

    Raises:
        MalformedError: an id outside its pattern, or too long. UnfitError: the same in the body, or another
            place.
    """
    stated, given = typed.statement, typed.signatures
    if (stated.account, stated.seq, stated.prev) != place:
        raise UnfitError
    signers, streams = _find_members(cast("Hashable", body_class))
    heads = {}
    for stream in streams:
        head = getattr(stated.heads, stream)
        if head is not UNSET:
            heads[stream] = _make_head(head.seq, head.digest)
    account, seq, prev = place
    body = make_body(body_class, stated.body)
    statement = Statement(account, seq, prev, heads, _make_device(stated.device), body)
    signed = SignedStatement(statement, {signer: SignatureHex(getattr(given, signer)) for signer in signers})
    _keep(signed, canonical)
    if len(statement.canonical) > MAX_STATEMENT_BYTES:
        raise UnfitError
    return signed


_make_device: Final = lru_cache(maxsize=_KEPT_KEYS)(DeviceId)
"""The ids and heads of one account come again and again; all of them are immutable."""


@lru_cache(maxsize=_KEPT_KEYS)
def _make_head(seq: int, digest: str) -> Head:
    return Head(seq, Digest(digest))


@cache
def _find_members(body_class: Any) -> tuple[tuple[Signer, ...], tuple[Stream, ...]]:
    """The signers of a statement, and the streams whose heads it may claim: as canonical JSON has them."""
    streams = (stream for stream in sorted(V1_STREAMS) if stream is not body_class.STREAM)
    return tuple(sorted(body_class.SIGNERS)), tuple(streams)


def parse_signed_statement(document: Json, canonical: bytes | None = None) -> SignedStatement:
    """Parse a signed statement from JSON members; closed at every level.

    Args:
        document: the members, from JSON in any spelling.
        canonical: their canonical bytes, where these are known; else they are made here, once.

    Raises:
        SchemaError: unknown type, unknown or missing members, wrong signers, an id outside its pattern.
        MalformedError: too long.
    """
    members = _members(document, {"statement", "signatures"}, "signed statement")
    stated = _members(
        members["statement"],
        {"type", "stream", "account", "seq", "prev", "heads", "device", "body"},
        "statement",
    )
    body_class = BODIES.get(str(stated["type"]))
    if body_class is None or not body_class.SIGNERS:
        raise SchemaError(f"statement.type: {str(stated['type'])[:80]!r} is not a statement's type")
    if stated["stream"] != body_class.STREAM:
        raise SchemaError(f"statement.stream: {body_class.TYPE} belongs to {body_class.STREAM}")
    place = decode_body(
        _Place, {k: stated[k] for k in ("account", "seq", "prev", "device")}, where="statement"
    )
    statement = Statement(
        account=place.account,
        seq=place.seq,
        prev=place.prev,
        heads=_parse_heads(stated["heads"], body_class.STREAM),
        device=place.device,
        body=decode_body(body_class, stated["body"], where="statement.body"),
    )
    signed = SignedStatement(statement, _parse_signatures(members["signatures"], body_class))
    _keep(signed, encode_json(document) if canonical is None else canonical)
    statement.signing_bytes()
    return signed


def _keep(signed: SignedStatement, canonical: bytes) -> None:
    """Keep the bytes of a signed statement and, from within them, its statement's.

    ``signatures`` comes first, and holds nothing but hex: the first ``"statement"`` is the member's name.
    """
    object.__setattr__(signed, "_canonical", canonical)
    start = canonical.index(_STATEMENT_MEMBER) + len(_STATEMENT_MEMBER)
    object.__setattr__(signed.statement, "_canonical", canonical[start:-1])


def _parse_signatures(document: Json, body_class: type[Body]) -> dict[Signer, SignatureHex]:
    signatures = _members(document, {signer.value for signer in body_class.SIGNERS}, "signatures")
    try:
        return {Signer(name): SignatureHex(str(value)) for name, value in signatures.items()}
    except MalformedError as error:
        raise SchemaError(f"signatures: {error}") from error


def _parse_heads(document: Json, own: Stream) -> dict[Stream, Head]:
    if not isinstance(document, Mapping):
        raise SchemaError("statement.heads: expected an object")
    others = {stream.value for stream in V1_STREAMS if stream is not own}
    if unknown := document.keys() - others:
        raise SchemaError(f"statement.heads: unknown stream {min(unknown)!r}")
    return {
        Stream(name): decode_body(Head, head, where=f"statement.heads.{name}")
        for name, head in document.items()
    }


def _members(document: Json, expected: set[str], where: str) -> Mapping[str, Json]:
    if not isinstance(document, Mapping):
        raise SchemaError(f"{where}: expected an object")
    if document.keys() != expected:
        differing = min(document.keys() ^ expected)
        raise SchemaError(f"{where}: member {differing!r} is missing or unknown")
    return document
