"""What the client seals: an altered container opens to nothing, and fails where its first wrong part stands.

The oracle is independent of the checks in the code: HKDF is computed here from `hmac`, and what opens must,
sealed again with the salt in it, be the very bytes that were opened.
"""

import hashlib
import hmac
import struct
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from solekey.crypto import (
    DataKey,
    EnvelopeReader,
    KdfParameters,
    MemorySource,
    SoftwareDeviceKey,
    UntrustedKdfParameters,
    UserKey,
    WrapContext,
    accept_kdf_parameters,
    open_bytes,
    open_wrap,
    seal_bytes,
    seal_wrap,
)
from solekey.crypto.inner_plaintext import (
    TRAILER_BYTES,
    encode_head,
    encode_tail,
    parse_head,
    parse_head_size,
    parse_trailer,
    verify_padding,
)
from solekey.crypto.metadata import encode_metadata, parse_metadata
from solekey.crypto.sealed_journal import JournalContext, JournalHeader
from solekey.errors import (
    KdfParametersError,
    MetadataError,
    OpenError,
    PhraseError,
    TamperedWrapError,
    UnsupportedFormatError,
)
from solekey_protocol.encoding import encode_json
from solekey_protocol.envelope import HEADER_BYTES, PREFIX_BYTES, TAG_BYTES
from solekey_protocol.ids import derive_device_id
from solekey_protocol.wrap import WRAP_BYTES, WRAP_HEADER_BYTES, WRAP_PREFIX_BYTES
from tests.support.crypto.fixtures import ACCOUNT, CONTEXT, DATA_KEY, METADATA, counting
from tests.support.crypto.forger import forge, seal_in_small_chunks
from tests.system.fuzz.mutations import mutate_document, mutate_json, mutate_text
from tests.system.fuzz.protocol_targets import as_document
from tests.system.fuzz.strategies import metadata
from tests.system.fuzz.target import Target, agree

_WRAPPING_KEY: Final = UserKey(counting(0, 32)).derive_wrapping_key(ACCOUNT)
_PLACE: Final = WrapContext(ACCOUNT, epoch=5, wrap_version=2, key_id=_WRAPPING_KEY.key_id)
_SALT_BYTES: Final = 32
_JOURNAL: Final = JournalContext(ACCOUNT, "seen")

_salts = st.binary(min_size=_SALT_BYTES, max_size=_SALT_BYTES)
_contents = st.binary(max_size=600)


def derive_commitment(secret: bytes, salt: bytes, label: bytes, context: bytes) -> bytes:
    """Bytes 32 to 63 of HKDF-SHA256 (RFC 5869): keys.md §2."""
    extracted = hmac.digest(salt, secret, hashlib.sha256)
    info = label + b"\x00" + context
    first = hmac.digest(extracted, info + b"\x01", hashlib.sha256)
    return hmac.digest(extracted, first + info + b"\x02", hashlib.sha256)


def _seal(content: bytes, described: Any, salt: bytes) -> bytes:
    return seal_bytes(
        content, metadata=described, data_key=DATA_KEY, context=CONTEXT, random=lambda size: salt[:size]
    )


def _expect_envelope_stage(raw: bytes) -> str:
    """The stage at which an envelope must fail, if it fails: envelope.md §6."""
    if len(raw) < HEADER_BYTES or not raw.startswith(b"SKE"):
        return "header"
    _, _, log2, epoch = struct.unpack_from(">4sBBI", raw)
    if not 12 <= log2 <= 22 or epoch != DATA_KEY.epoch:
        return "header"
    prefix, salt = raw[:PREFIX_BYTES], raw[PREFIX_BYTES : PREFIX_BYTES + _SALT_BYTES]
    expected = derive_commitment(
        bytes(DATA_KEY.expose()), salt, b"solekey/v1/item", prefix + CONTEXT.encode()
    )
    return "chunk" if expected == raw[PREFIX_BYTES + _SALT_BYTES : HEADER_BYTES] else "commitment"


def _seal_journal(records: list[bytes]) -> bytes:
    header = JournalHeader.make(DATA_KEY, _JOURNAL, random=lambda size: counting(0x60, size))
    seals = [
        header.seal(
            record,
            data_key=DATA_KEY,
            context=_JOURNAL,
            random=lambda size, number=number: counting(number, size),
        )
        for number, record in enumerate(records)
    ]
    return header.raw + b"".join(seals)


def _check_journal(raw: bytes) -> None:
    """What opens is, sealed again, the bytes that were opened; the header fails before any record."""
    header = JournalHeader.parse(raw)
    expected = derive_commitment(
        bytes(DATA_KEY.expose()), raw[8:40], b"solekey/v1/journal", ACCOUNT.raw + b"seen"
    )
    try:
        records = list(header.iter_records(raw, data_key=DATA_KEY, context=_JOURNAL))
    except OpenError as error:
        is_ours = expected == raw[40:72] and header.epoch == DATA_KEY.epoch
        agree(error.stage, {"chunk" if is_ours else "commitment"})
        raise
    assert sum(len(record) + 32 for record in records) == len(raw) - 72


def _check_envelope(raw: bytes) -> None:
    try:
        opened = open_bytes(raw, data_key=DATA_KEY, context=CONTEXT)
    except OpenError as error:
        agree(error.stage, {_expect_envelope_stage(raw)})
        raise
    salt = raw[PREFIX_BYTES : PREFIX_BYTES + _SALT_BYTES]
    if raw[5] == 12:  # the forger's chunks of 4 KiB
        assert raw in _small_chunked()
    else:
        assert _seal(opened.content, opened.metadata, salt) == raw


@cache
def _small_chunked() -> tuple[bytes, ...]:
    return tuple(seal_in_small_chunks(counting(3, size)) for size in (0, 3_900, 9_000))


def _read_all(raw: bytes, size: int | None = None) -> tuple[Any, bytes]:
    reader = EnvelopeReader(_Lying(raw, size), data_key=DATA_KEY, context=CONTEXT)
    content = b"".join(reader.iter_content())
    assert reader.open_content_size() == len(content)
    for start, length in ((0, 1), (len(content) // 2, 5_000), (max(len(content) - 3, 0), 9)):
        assert reader.open_range(start, length) == content[start : start + length]
    return reader.open_metadata(), content


class _Lying(MemorySource):
    """A source whose size may be a lie."""

    def __init__(self, data: bytes, size: int | None) -> None:
        super().__init__(data)
        object.__setattr__(self, "_said", size)

    @property
    def size(self) -> int:
        said: int | None = self._said  # type: ignore[attr-defined]  # set above; the base is frozen
        return len(self.data) if said is None else said


def _check_reader(raw: bytes) -> None:
    """A reader and `open_bytes` say the same of the same bytes: whole, piece by piece and in ranges."""
    try:
        opened = open_bytes(raw, data_key=DATA_KEY, context=CONTEXT)
    except (OpenError, UnsupportedFormatError) as refusal:
        try:
            _read_all(raw)
        except (OpenError, UnsupportedFormatError) as error:
            agree(_name(error), {_name(refusal)})
            raise
        raise AssertionError("the reader opens what open_bytes refuses") from refusal
    assert _read_all(raw) == (opened.metadata, opened.content)


def _name(error: Exception) -> tuple[object, object]:
    return type(error), getattr(error, "stage", None)


def _check_source_size(raw: bytes) -> None:
    """The last 8 bytes say how long the source claims to be."""
    said = int.from_bytes(raw[-8:], "big")
    if said > 2**40:
        raise OpenError("padding")
    opened = _read_all(raw[:-8], said)
    assert said <= len(raw) - 8  # more bytes behind it are not of this envelope
    assert opened == _read_all(raw[:said])


def _check_forged_inner(inner: bytes) -> None:
    """An authentic envelope that a key holder wrote: what opens is what a sealer would have written."""
    opened = open_bytes(forge(inner), data_key=DATA_KEY, context=CONTEXT)
    head = encode_head(opened.metadata)
    assert head + opened.content + encode_tail(len(head), len(opened.content)) == inner


def _check_inner_parts(inner: bytes) -> None:
    head_size = parse_head_size(inner)
    content_size = parse_trailer(inner[-TRAILER_BYTES:], head_size, len(inner))
    verify_padding(inner[head_size + content_size : -TRAILER_BYTES])
    described = parse_head(inner[:head_size])
    assert encode_head(described) == inner[:head_size]
    assert inner[head_size + content_size :] == encode_tail(head_size, content_size)


@st.composite
def _inner_plaintexts(draw: st.DrawFn) -> bytes:
    head, content = encode_head(draw(metadata)), draw(_contents)
    return head + content + encode_tail(len(head), len(content))


def _check_metadata(raw: bytes) -> None:
    assert encode_metadata(parse_metadata(raw)) == raw


def _seal_wrap(secret: bytes, salt: bytes) -> bytes:
    return seal_wrap(_WRAPPING_KEY, DataKey(5, secret), _PLACE, lambda size: salt[:size])


def _expect_wrap_stage(raw: bytes) -> str:
    """The stage at which a wrap must fail: keys.md §5.3."""
    if len(raw) != WRAP_BYTES or not raw.startswith(b"SKW1"):
        return "header"
    _, _, _, epoch, version = struct.unpack_from(">4sBBII", raw)
    if not (1 <= epoch < 2**31 and 1 <= version < 2**31):
        return "header"
    prefix, salt = raw[:WRAP_PREFIX_BYTES], raw[WRAP_PREFIX_BYTES : WRAP_PREFIX_BYTES + _SALT_BYTES]
    if prefix != _PLACE.encode_prefix():
        return "place"
    context = prefix + ACCOUNT.raw
    expected = derive_commitment(bytes(_WRAPPING_KEY.expose()), salt, b"solekey/v1/wrap", context)
    return "tag" if expected == raw[WRAP_PREFIX_BYTES + _SALT_BYTES : WRAP_HEADER_BYTES] else "commitment"


def _check_wrap(raw: bytes) -> None:
    try:
        secret = open_wrap(_WRAPPING_KEY, raw, _PLACE)
    except TamperedWrapError as error:
        agree(error.stage, {_expect_wrap_stage(raw)})
        raise
    salt = raw[WRAP_PREFIX_BYTES : WRAP_PREFIX_BYTES + _SALT_BYTES]
    assert _seal_wrap(bytes(secret.expose()), salt) == raw


def _check_phrase(text: str) -> None:
    user_key = UserKey.from_phrase(text)
    assert user_key.to_phrase().split() == text.lower().split()


def _check_kdf(raw: bytes) -> None:
    document = as_document(raw)
    parameters = accept_kdf_parameters(UntrustedKdfParameters.parse(document))
    assert parameters.encode() == document


def _check_device_key(raw: bytes) -> None:
    key = SoftwareDeviceKey.from_private_bytes(raw)
    assert key.to_private_bytes() == raw
    assert key.device_id == derive_device_id(key.public_key)
    jwk = key.public_jwk
    assert set(jwk) == {"crv", "kty", "x"}
    digest = hashlib.sha256(encode_json(jwk)).digest()
    assert len(key.thumbprint) == 43 != len(digest)


_kdf_parameters = st.builds(
    KdfParameters,
    st.integers(64 * 1024, 1024 * 1024),
    st.integers(3, 16),
    st.integers(4, 16),
    st.binary(min_size=16, max_size=64),
)
_envelopes = st.builds(_seal, _contents, st.just(METADATA) | metadata, _salts) | st.sampled_from(
    _small_chunked()
)
_OPEN_REFUSALS = (OpenError, UnsupportedFormatError)

TARGETS = (
    Target(
        "envelope in memory",
        _envelopes,
        _check_envelope,
        _OPEN_REFUSALS,
        covers=("crypto.envelope.open_bytes",),
    ),
    Target(
        "journal",
        st.lists(st.binary(max_size=60), max_size=3).map(_seal_journal),
        _check_journal,
        (OpenError,),
        covers=("crypto.sealed_journal.JournalHeader.parse",),
    ),
    Target(
        "envelope by reader and ranges",
        _envelopes,
        _check_reader,
        _OPEN_REFUSALS,
        covers=("crypto.envelope_reader.EnvelopeReader",),
    ),
    Target(
        "envelope of another size than said",
        _envelopes.map(lambda raw: raw + len(raw).to_bytes(8, "big")),
        _check_source_size,
        _OPEN_REFUSALS,
    ),
    Target("authentic inner plaintext", _inner_plaintexts(), _check_forged_inner, (OpenError,)),
    Target(
        "inner plaintext",
        _inner_plaintexts(),
        _check_inner_parts,
        (OpenError,),
        covers=(
            "crypto.inner_plaintext.parse_head_size",
            "crypto.inner_plaintext.parse_head",
            "crypto.inner_plaintext.parse_trailer",
        ),
    ),
    Target(
        "metadata",
        metadata.map(encode_metadata),
        _check_metadata,
        (MetadataError,),
        mutate=mutate_json,
        covers=("crypto.metadata.parse_metadata",),
    ),
    Target(
        "wrap",
        st.builds(_seal_wrap, _salts, _salts),
        _check_wrap,
        (TamperedWrapError, UnsupportedFormatError),
        covers=("crypto.wrap.open_wrap",),
    ),
    Target(
        "phrase",
        _salts.map(lambda secret: UserKey(secret).to_phrase()),
        _check_phrase,
        (PhraseError,),
        mutate=mutate_text,
        covers=("crypto.user_key.UserKey.from_phrase", "crypto.phrase.parse_phrase"),
    ),
    Target(
        "KDF parameters",
        _kdf_parameters.map(lambda parameters: encode_json(parameters.encode())),
        _check_kdf,
        (KdfParametersError,),
        mutate=mutate_document,
        covers=("crypto.login_key.UntrustedKdfParameters.parse",),
    ),
    Target("device key", _salts, _check_device_key, (ValueError,)),
)
assert TAG_BYTES == 16
