"""Valid inputs, drawn from the types themselves: ids, event bodies, signed statements, metadata."""

import hashlib
from dataclasses import is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, get_args, get_origin

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from solekey.crypto import Conflict, ItemMetadata
from solekey_protocol.change_list import Change, Part
from solekey_protocol.event import Event, encode_event
from solekey_protocol.events import BODIES, Body, Stream
from solekey_protocol.events.fields import Bounds, find_hints, find_optional, split_hint
from solekey_protocol.ids import DeviceId, Digest, ItemId, PublicKey, SignatureHex, Timestamp, _RawId
from solekey_protocol.limits import MAX_PART_BYTES, MAX_SEQ
from solekey_protocol.statements import Head, SignedStatement, Statement
from tests.support.keys import Key
from tests.support.protocol.keyring import ACCOUNT

SIGNERS = {name: Key(name) for name in ("device", "account", "next_account", "commit")}
_HEX_IDS = {Digest: 32, PublicKey: 32, SignatureHex: 64}
_FEW = 2  # members of a drawn tuple


def raw_ids(kind: type[_RawId]) -> SearchStrategy[Any]:
    """Draw prefixed ids."""
    return st.binary(min_size=16, max_size=16).map(kind.from_raw)


def hex_ids(kind: type[Any], size: int) -> SearchStrategy[Any]:
    """Draw lower-case hex ids; a public key is made of a drawn seed, since not every string is one."""
    if kind is PublicKey:
        return st.binary(min_size=size, max_size=size).map(_derive_public_key)
    return st.binary(min_size=size, max_size=size).map(lambda raw: kind(raw.hex()))


def _derive_public_key(seed: bytes) -> PublicKey:
    return PublicKey(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex())


digests = hex_ids(Digest, 32)
timestamps = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30)).map(  # noqa: DTZ001 - hypothesis wants them so
    lambda moment: Timestamp.from_datetime(moment.replace(tzinfo=UTC))
)
heads = st.builds(Head, st.integers(0, MAX_SEQ), digests)


@cache
def fields_of(cls: type[Any]) -> SearchStrategy[Any]:
    """Draw a body dataclass, or one inside it, from its type hints."""
    return st.builds(cls, **{name: _field(hint) for name, hint in find_hints(cls)})


def _field(hint: Any) -> SearchStrategy[Any]:
    if (inner := find_optional(hint)) is not None:
        return st.none() | _field(inner)
    kind, bounds = split_hint(hint)
    if get_origin(kind) is tuple and isinstance(bounds, Bounds):
        size = {"min_size": bounds.minimum, "max_size": max(bounds.minimum, min(bounds.maximum, _FEW))}
        return st.lists(_field(get_args(kind)[0]), **size).map(tuple)
    if is_dataclass(kind):
        return fields_of(kind)  # type: ignore[arg-type]  # a class, not an instance
    if kind is int and isinstance(bounds, Bounds):
        return st.integers(bounds.minimum, bounds.maximum)
    if issubclass(kind, StrEnum):
        return st.sampled_from(list(kind))
    if issubclass(kind, _RawId):
        return raw_ids(kind)
    if kind is Timestamp:
        return timestamps
    return hex_ids(kind, _HEX_IDS.get(kind, 16))


bodies = st.sampled_from(sorted(BODIES)).flatmap(lambda name: fields_of(BODIES[name]))


@st.composite
def statements(draw: DrawFn) -> SignedStatement:
    """Draw a signed statement of any type; its signatures verify under SIGNERS."""
    body: Body = draw(bodies.filter(lambda body: bool(body.SIGNERS)))
    others = [stream for stream in Stream if stream is not body.STREAM]
    statement = Statement(
        account=ACCOUNT,
        seq=draw(st.integers(1, MAX_SEQ)),
        prev=draw(digests),
        heads=draw(st.dictionaries(st.sampled_from(others), heads, max_size=_FEW)),
        device=SIGNERS["device"].device,
        body=body,
    )
    message = statement.signing_bytes()
    return SignedStatement(
        statement, {signer: SIGNERS[signer.value].sign(message) for signer in sorted(body.SIGNERS)}
    )


@st.composite
def events(draw: DrawFn) -> Event:
    """Draw an event of any type."""
    said: Any = draw(statements() | bodies.filter(lambda body: not body.SIGNERS))
    after = draw(st.builds(Head, st.integers(0, MAX_SEQ - 1), digests))
    if isinstance(said, SignedStatement):
        after = Head(said.statement.seq - 1, said.statement.prev)
    return encode_event(said, account=ACCOUNT, after=after, time=draw(timestamps))


_sizes = st.lists(st.integers(1, MAX_PART_BYTES), max_size=3)
changes = st.builds(
    lambda item, version, epoch, sizes: Change(
        item,
        version,
        epoch if sizes else 0,
        tuple(Part(Digest(hashlib.sha256(b"%d" % size).hexdigest()), size) for size in sizes),
        Digest(hashlib.sha256(b"header").hexdigest()) if sizes else None,
    ),
    raw_ids(ItemId),
    st.integers(1, MAX_SEQ),
    st.integers(1, 1000),
    _sizes,
)

_shown = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
metadata = st.builds(
    ItemMetadata,
    name=_shown,
    type=st.from_regex(r"[a-z0-9][a-z0-9.+_/-]{0,20}", fullmatch=True),
    created_ms=st.integers(0, 2**53 - 1),
    modified_ms=st.integers(0, 2**53 - 1),
    tags=st.lists(_shown, max_size=3, unique=True).map(tuple),
    attributes=st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        max_size=3,
    ),
    revision=st.integers(1, 2**31 - 1),
    conflict=st.none() | st.builds(Conflict, raw_ids(DeviceId), raw_ids(ItemId)),
)
