"""The examples of conventions.md §10 are what the code computes."""

import json
import re

from solekey.crypto.device_key import SoftwareDeviceKey
from solekey_protocol.encoding import encode_cbor, encode_json, parse_cbor, parse_json, parse_lenient_json
from solekey_protocol.events import Signer
from solekey_protocol.ids import AccountId, Timestamp
from solekey_protocol.limits import MAX_STATEMENT_BYTES
from solekey_protocol.statements import parse_signed_statement
from tests.support.repository import ROOT

PAGE = ROOT / "spec" / "conventions.md"
MOMENT = "2026-11-23T21:36:00.125Z"
SPELT = '{"b":[1,true],"a":"\\u20ac"}'
CBOR = {"bb": [-1, None], "a": b"\x01\x02"}


def read_examples():
    block = re.search(r"```example\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block
    return dict(
        line.rsplit(": ", 1) for line in block[1].splitlines() if not line.startswith("statement: ")
    ), next(
        line.removeprefix("statement: ") for line in block[1].splitlines() if line.startswith("statement: ")
    )


def test_each_example_line_is_recomputed():
    written, statement = read_examples()
    key = SoftwareDeviceKey(bytes(range(0xA0, 0xC0)))
    said = parse_json(statement.encode(), max_bytes=MAX_STATEMENT_BYTES)
    account = SoftwareDeviceKey(bytes(range(0xC0, 0xE0)))
    signatures = {"device": written["signature"], "account": written["account signature"]}
    signed = parse_signed_statement({"statement": said, "signatures": signatures})
    signing_bytes = signed.verify(Signer.DEVICE, key.public_key).signing_bytes()
    assert parse_cbor(encode_cbor(CBOR), max_bytes=64) == CBOR
    assert written == {
        f"account of the bytes {bytes(range(16)).hex()}": AccountId.from_raw(bytes(range(16))),
        f"{MOMENT} in milliseconds since 1970": str(round(Timestamp(MOMENT).datetime.timestamp() * 1000)),
        f"{SPELT} in canonical form": encode_json(parse_lenient_json(SPELT.encode(), max_bytes=64)).hex(),
        '{"bb": [-1, null], "a": h\'0102\'} in CBOR': encode_cbor(CBOR).hex(),
        "device seed": bytes(key.expose()).hex(),
        "device public key": key.public_key,
        "first bytes that are signed": signing_bytes[:30].hex(),
        "signature": key.sign(signing_bytes),
        "account seed": bytes(account.expose()).hex(),
        "account signature": account.sign(signing_bytes),
        "idempotency key": signed.digest,
    }
    assert json.loads(statement)["device"] == key.device_id
