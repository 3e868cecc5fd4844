"""Runs a vector through the reference implementation: what it says, and at which stage."""

import io
from collections.abc import Callable, Mapping
from typing import Any

from solekey.crypto import (
    DataKey,
    EnvelopeReader,
    ItemContext,
    LoginIdentity,
    MemorySource,
    UntrustedKdfParameters,
    UserKey,
    WrapContext,
    WrappingKey,
    accept_kdf_parameters,
    derive_login_key,
    open_bytes,
    open_wrap,
    seal_wrap,
)
from solekey.crypto.device_key import SoftwareDeviceKey
from solekey.crypto.envelope import seal_inner
from solekey.crypto.inner_plaintext import InnerReader
from solekey.crypto.metadata import encode_metadata, parse_metadata
from solekey.crypto.stream import ItemCipher
from solekey.errors import SolekeyError, UnknownWordError
from solekey.vault.names import fold_name
from solekey_protocol.encoding import encode_json, parse_cbor, parse_json, parse_lenient_json
from solekey_protocol.envelope import compute_inner_size, compute_padme_size, parse_envelope_size
from solekey_protocol.errors import MalformedError, ProtocolError, SchemaError, SignatureError
from solekey_protocol.events import Signer
from solekey_protocol.events.vault import WrapSuite
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
from solekey_protocol.limits import MAX_EVENT_BYTES, MAX_METADATA_BYTES
from solekey_protocol.statements import parse_signed_statement
from solekey_protocol.wrap import WRAP_SUITE_AES_256_GCM, SecretKind
from tests.support.vectors import reference_streams
from tests.support.vectors.reference_streams import STAGED, find_stage

Said = tuple[str, str | None, Mapping[str, Any] | None]
"""Result, stage, output."""

IDS = {
    "account": AccountId,
    "device": DeviceId,
    "item": ItemId,
    "rotation": RotationId,
    "session": SessionId,
    "digest": Digest,
    "public_key": PublicKey,
    "signature": SignatureHex,
    "key_id": KeyId,
}
SUITES = {WrapSuite.HKDF_SHA256_AES256GCM: WRAP_SUITE_AES_256_GCM}
STAGES_BY_CODE = {"wrong_user_key": "key_id", "unsupported_format": "header"}


def run_vector(noun: str, given: Mapping[str, Any]) -> Said:
    """Run one vector's input; an error becomes its code and stage."""
    try:
        return "ok", None, RUNNERS[noun](given)
    except UnknownWordError as error:
        return error.code, None, {"position": error.position, "word": error.word}
    except (SolekeyError, ProtocolError) as error:
        stage = getattr(error, "stage", STAGES_BY_CODE.get(error.code))
        if noun == "statement":
            stage = _statement_stage(error)
        elif noun in STAGED:
            stage = find_stage(error)
        return error.code, stage, None


def _statement_stage(error: Exception) -> str:
    stages = {SignatureError: "signature", SchemaError: "schema", MalformedError: "json"}
    return stages[type(error)]


def _identifier(given: Mapping[str, Any]) -> dict[str, Any]:
    if given["kind"] == "timestamp":
        moment = Timestamp(given["text"]).datetime
        return {"unix_ms": round(moment.timestamp() * 1000)}
    value = IDS[given["kind"]](given["text"])
    return {"raw": value.raw.hex() if hasattr(value, "raw") else str(value)}


def _canonical_json(given: Mapping[str, Any]) -> dict[str, Any]:
    parse = {"canonical": parse_json, "lenient": parse_lenient_json}[given["parser"]]
    return {"canonical": encode_json(parse(bytes.fromhex(given["text"]), max_bytes=MAX_EVENT_BYTES)).hex()}


def _cbor(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": _show_cbor(parse_cbor(bytes.fromhex(given["data"]), max_bytes=MAX_EVENT_BYTES))}


def _show_cbor(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return [_show_cbor(member) for member in value]
    if isinstance(value, Mapping):
        return {"map": [[_show_cbor(key), _show_cbor(member)] for key, member in value.items()]}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"integer": str(value)}
    return value


def _statement(given: Mapping[str, Any]) -> dict[str, Any]:
    document = parse_lenient_json(bytes.fromhex(given["document"]), max_bytes=MAX_EVENT_BYTES)
    signed = parse_signed_statement(document)
    for name, public_key in given["keys"].items():
        signed.verify(Signer(name), PublicKey(public_key))
    return {"signed": signed.statement.signing_bytes().hex(), "digest": signed.digest}


def _phrase(given: Mapping[str, Any]) -> dict[str, Any]:
    user_key = UserKey.from_phrase(given["phrase"])
    return {"user_key": bytes(user_key.expose()).hex(), "phrase": user_key.to_phrase()}


def _user_key(given: Mapping[str, Any]) -> dict[str, Any]:
    user_key = UserKey(bytes.fromhex(given["user_key"]))
    account = AccountId(given["account"])
    signing_key = user_key.derive_account_signing_key(account)
    wrapping_key = user_key.derive_wrapping_key(account)
    assert wrapping_key.key_id == user_key.derive_key_id(account)
    return {
        "phrase": user_key.to_phrase(),
        "key_id": user_key.derive_key_id(account),
        "wrapping_key": bytes(wrapping_key.expose()).hex(),
        "account_signing_seed": bytes(signing_key.expose()).hex(),
        "account_public_key": signing_key.public_key,
    }


def wrap_context(given: Mapping[str, Any]) -> tuple[WrappingKey, WrapContext]:
    """The wrapping key and the place of a wrap vector."""
    place = given["place"]
    account = AccountId(place["account"])
    context = WrapContext(
        account,
        epoch=place["epoch"],
        wrap_version=place["wrap_version"],
        key_id=KeyId(place["key_id"]),
        kind=SecretKind(place["secret"]),
        suite=SUITES[WrapSuite(place["suite"])],
    )
    return UserKey(bytes.fromhex(given["user_key"])).derive_wrapping_key(account), context


def _wrap(given: Mapping[str, Any]) -> dict[str, Any]:
    wrapping_key, context = wrap_context(given)
    secret = open_wrap(wrapping_key, bytes.fromhex(given["wrap"]), context)
    assert secret.epoch == context.epoch
    return {"secret": bytes(secret.expose()).hex()}


def _login_key(given: Mapping[str, Any]) -> dict[str, Any]:
    parameters = accept_kdf_parameters(UntrustedKdfParameters.parse(given["parameters"]))
    identity = LoginIdentity(given["origin"], given["username"])
    login_key = derive_login_key(given["password"], parameters, identity)
    return {"seed": bytes(login_key.expose()).hex(), "public_key": login_key.public_key}


def _device_key(given: Mapping[str, Any]) -> dict[str, Any]:
    key = SoftwareDeviceKey(bytes.fromhex(given["seed"]))
    return {"public_key": key.public_key, "device_id": key.device_id, "thumbprint": key.thumbprint}


def _padme(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"padme": compute_padme_size(given["size"]), "inner": compute_inner_size(given["size"])}


def _item_name(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"folded": fold_name(given["name"])}


def _envelope_size(given: Mapping[str, Any]) -> dict[str, Any]:
    chunk_size = 1 << given["chunk_size_log2"]
    inner_size = parse_envelope_size(given["envelope_size"], chunk_size)
    return {"inner_size": inner_size, "chunks": -(-inner_size // chunk_size)}


def open_context(given: Mapping[str, Any]) -> tuple[DataKey, ItemContext]:
    """The data key and the place of an envelope vector."""
    context = ItemContext(AccountId(given["account"]), ItemId(given["item"]), given["version"])
    return DataKey(given["epoch"], bytes.fromhex(given["data_key"])), context


def _envelope(given: Mapping[str, Any]) -> dict[str, Any]:
    data_key, context = open_context(given)
    item = open_bytes(bytes.fromhex(given["envelope"]), data_key=data_key, context=context)
    metadata = parse_json(encode_metadata(item.metadata), max_bytes=MAX_METADATA_BYTES)
    return {"metadata": metadata, "content": item.content.hex()}


def read_piecewise(
    envelope: bytes,
    data_key: DataKey,
    context: ItemContext,
    release: Callable[[bytes], object] = bytes,
) -> tuple[Any, bytes]:
    """Open an envelope as a reader of ranges does; `release` sees every piece as soon as it comes out."""
    reader = EnvelopeReader(MemorySource(envelope), data_key=data_key, context=context)
    content = []
    for piece in reader.iter_content():
        release(piece)
        content.append(piece)
    metadata = parse_json(encode_metadata(reader.open_metadata()), max_bytes=MAX_METADATA_BYTES)
    assert reader.open_content_size() == sum(map(len, content))
    return metadata, b"".join(content)


def seal_again(given: Mapping[str, Any], output: Mapping[str, Any]) -> bytes:
    """Seal the output of an envelope vector anew, with the salt and the chunk size of its envelope."""
    envelope = bytes.fromhex(given["envelope"])
    data_key, context = open_context(given)
    cipher = ItemCipher.make(data_key, context, envelope[5], lambda size: envelope[10 : 10 + size])
    source = io.BytesIO(bytes.fromhex(output["content"]))
    reader = InnerReader(parse_metadata(encode_json(output["metadata"])), source.read, None)
    return b"".join([cipher.header_bytes, *seal_inner(cipher, reader)])


def wrap_again(given: Mapping[str, Any], output: Mapping[str, Any]) -> bytes:
    """Seal the output of a wrap vector anew, with the salt of its wrap."""
    wrap = bytes.fromhex(given["wrap"])
    wrapping_key, context = wrap_context(given)
    secret = DataKey(context.epoch, bytes.fromhex(output["secret"]))
    return seal_wrap(wrapping_key, secret, context, lambda size: wrap[30 : 30 + size])


RUNNERS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "identifier": _identifier,
    "canonical_json": _canonical_json,
    "cbor": _cbor,
    "statement": _statement,
    "phrase": _phrase,
    "user_key": _user_key,
    "wrap": _wrap,
    "login_key": _login_key,
    "device_key": _device_key,
    "item_name": _item_name,
    "padme": _padme,
    "envelope_size": _envelope_size,
    "envelope": _envelope,
    **reference_streams.RUNNERS,
}
