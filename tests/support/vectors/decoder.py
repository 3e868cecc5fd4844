"""The second decoder: it derives keys, and opens what they seal (keys.md, envelope.md).

Written from the text of spec/ alone, as another implementer would: it shares no code with the product,
seals nothing, and holds everything in memory. What needs no key is in `notation.py` (conventions.md).
"""

import base64
import hashlib
import hmac
import re
import unicodedata
from importlib.resources import files
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.support.vectors.argon2 import stretch
from tests.support.vectors.notation import (
    demand,
    encode_json,
    parse_cbor,
    parse_id,
    parse_json,
    refusing,
)

WORDS = files("mnemonic").joinpath("wordlist/english.txt").read_text().split()  # BIP-39
SPACES = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # keys.md §3.1
TEXT = r"[^\x00-\x1f\x7f-\x9f]"  # a character of a name or a tag, envelope.md §5
KEYWORD, MEDIA_TYPE = "[a-z][a-z0-9_]{0,63}", "[a-z0-9][a-z0-9.+_/-]{0,127}"  # envelope.md §5
u, unhex = int.from_bytes, bytes.fromhex  # u: big-endian


def derive(secret: bytes, salt: bytes, label: str, context: bytes = b"", size: int = 32) -> bytes:
    """Derive with HKDF-SHA256. keys.md §2"""
    return HKDF(SHA256(), size, salt, label.encode() + b"\0" + context).derive(secret)


def public_key(seed: bytes) -> bytes:
    """Return the public half of an Ed25519 seed. keys.md §4"""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def encode_phrase(key: bytes) -> str:
    """Spell 256 bits and 8 bits of checksum as 24 words of 11 bits. keys.md §3.1, BIP-39"""
    bits = u(key + hashlib.sha256(key).digest()[:1])
    return " ".join(WORDS[bits >> shift & 2047] for shift in range(253, -1, -11))


def parse_phrase(phrase: str) -> dict[str, Any]:
    """Read a recovery phrase. keys.md §3.1"""
    words = [re.sub("[A-Z]", lambda it: it[0].lower(), word) for word in re.findall(f"[^{SPACES}]+", phrase)]
    for position, word in enumerate(words, 1):
        demand(word in WORDS, "phrase_unknown_word", None, {"position": position, "word": word})
    demand(len(words) == 24, "phrase_wrong_length")
    key = int("".join(f"{WORDS.index(word):011b}" for word in words)[:256], 2).to_bytes(32)
    demand(encode_phrase(key) == " ".join(words), "phrase_bad_checksum")
    return {"user_key": key.hex(), "phrase": encode_phrase(key)}


def derive_user_key(user_key: str, account: str) -> dict[str, Any]:
    """Derive what follows from a user key. keys.md §3"""
    key, salt = unhex(user_key), parse_id("account", account)
    seed = derive(key, salt, "solekey/v1/account-signing-key")
    return {
        "phrase": encode_phrase(key),
        "key_id": derive(key, salt, "solekey/v1/key-id", size=16).hex(),
        "wrapping_key": derive(key, salt, "solekey/v1/wrapping-key").hex(),
        "account_signing_seed": seed.hex(),
        "account_public_key": public_key(seed).hex(),
    }


def open_wrap(user_key: str, place: dict[str, Any], wrap: str) -> dict[str, Any]:
    """Open a wrap at the place that a signed statement names. keys.md §5.3"""
    raw, account, keys = unhex(wrap), place["account"], derive_user_key(user_key, place["account"])
    epoch, version, bound = u(raw[6:10]), u(raw[10:14]), parse_id("account", account)
    demand(place["key_id"] == keys["key_id"], "wrong_user_key", "key_id")
    demand(len(raw) >= 4 and raw[:3] == b"SKW", "wrap_tampered", "header")
    demand(raw[3:4] == b"1", "unsupported_format", "header")
    demand(len(raw) == 142, "wrap_tampered", "header")
    demand(raw[4] == 1, "unsupported_format", "header")
    demand(1 <= epoch < 2**31 and 1 <= version < 2**31, "wrap_tampered", "header")
    demand(raw[5] == 1, "unsupported_format", "header")
    said = {"account": account, "secret": "data_key", "epoch": epoch, "wrap_version": version}
    said |= {"key_id": raw[14:30].hex(), "suite": "hkdf-sha256-aes256gcm"}
    demand(said == place, "wrap_tampered", "place")
    block = derive(unhex(keys["wrapping_key"]), raw[30:62], "solekey/v1/wrap", raw[:30] + bound, 64)
    demand(hmac.compare_digest(block[32:], raw[62:94]), "wrap_tampered", "commitment")
    with refusing("wrap_tampered", "tag"):
        return {"secret": AESGCM(block[:32]).decrypt(bytes(12), raw[94:], raw[:94] + bound).hex()}


def derive_login_key(password: str, parameters: dict[str, Any], origin: str, username: str) -> dict[str, Any]:
    """Derive a login key, once the parameters are neither too weak nor too strong. keys.md §6"""
    with refusing("password_not_text"):
        text = unicodedata.normalize("NFKC", password).encode()
    demand(text, "password_empty")
    with refusing("kdf_refused"):
        demand(sorted(parameters) == ["algorithm", "iterations", "lanes", "memory_kib", "salt"])
        costs = iterations, lanes, memory = [
            parameters[name] for name in ("iterations", "lanes", "memory_kib")
        ]
        demand(parameters["algorithm"] == "argon2id" and all(type(cost) is int for cost in costs))
        salt = unhex(parameters["salt"])
        demand(salt.hex() == parameters["salt"])
    demand(memory >= 64 << 10 and iterations >= 3 and lanes >= 4 and len(salt) >= 16, "kdf_downgrade")
    demand(memory <= 1 << 20 and iterations <= 16 and lanes <= 16 and len(salt) <= 64, "kdf_excessive")
    name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())
    bound = {"origin": origin, "salt": parameters["salt"], "username": name}
    salt = hashlib.sha256(b"solekey/v1/login-salt\0" + encode_json(bound)).digest()
    stretched = stretch(text, salt, 32, iterations, lanes, memory)
    seed = derive(stretched, salt, "solekey/v1/login-key")
    return {"seed": seed.hex(), "public_key": public_key(seed).hex()}


def derive_device(seed: str) -> dict[str, Any]:
    """Name a device by its public key. keys.md §7"""
    key = public_key(unhex(seed))
    digest = hashlib.sha256(b"solekey/v1/device-id\0" + key).digest()[:16]
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": base64.urlsafe_b64encode(key).decode().rstrip("=")}
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(encode_json(jwk)).digest()).decode().rstrip("=")
    device_id = "dev_" + base64.b32encode(digest).decode().lower().rstrip("=")
    return {"public_key": key.hex(), "device_id": device_id, "thumbprint": thumbprint}


def padme(size: int) -> int:
    """Round a size up. envelope.md §3"""
    exponent = size.bit_length() - 1  # E = floor(log2 L); the bit length of E is S
    unit = 1 << max(exponent - exponent.bit_length(), 0)
    return -(-size // unit) * unit


def derive_device_code(
    account: str, account_key: str, key_id: str, device_key: str, text: str
) -> dict[str, Any]:
    """Derive a device code, and compare what was typed or scanned. devices.md §6"""

    def half(label: str, digits: int, message: bytes) -> str:
        salt = hashlib.sha256(label.encode() + b"\0" + parse_id("account", account)).digest()[:16]
        tag = stretch(message, salt, 16, 3, 4, 1 << 16)
        return f"{u(tag) % 10**digits:0{digits}}"

    typed = re.sub("[ -]", "", text).removeprefix("SOLEKEYDEVICE:")
    demand(re.fullmatch("[0-9]{35}", typed), "device_code_malformed")
    code = half("solekey/v1/device-code/account", 15, unhex(account_key) + unhex(key_id))
    code += half("solekey/v1/device-code/device", 20, unhex(device_key))
    return {"code": code, "same": typed == code}


def read_change_list(data: str) -> dict[str, Any]:
    """Read a change list. vault.md §4"""
    kind, rows = parse_cbor(data)["value"]
    demand(kind == {"integer": "2"} and isinstance(rows, list))
    changes = [read_change(*row) for row in rows]
    items = [parse_id("item", change["item"]) for change in changes]
    demand(items == sorted(set(items)))
    return {"changes": changes}


def read_page_list(data: str, pages: list[str] | None) -> dict[str, Any]:
    """Read the list of a snapshot's pages, and these where they are given. vault.md §4.1"""
    kind, rows = parse_cbor(data)["value"]
    demand(kind == {"integer": "3"} and isinstance(rows, list) and len(rows) <= 1024)
    stated = [(digest["bytes"], int(size["integer"]), int(count["integer"])) for digest, size, count in rows]
    for digest, size, count in stated:
        demand(len(digest) == 64 and 1 <= size <= 8 << 20 and 1 <= count <= size // 23)
    demand(sum(size for _, size, _ in stated) <= 512 << 20)
    if pages is None:
        return {"pages": [list(page) for page in stated]}
    changes: list[dict[str, Any]] = []
    for (_, size, count), page in zip(stated, pages, strict=True):
        listed = read_change_list(page)["changes"]
        demand(len(page) == 2 * size and len(listed) == count)
        changes += listed
    items = [parse_id("item", change["item"]) for change in changes]
    demand(items == sorted(set(items)))
    return {"changes": changes}


def read_change(item: Any, version: Any, epoch: Any, size: Any, header: Any, parts: Any) -> dict[str, Any]:
    """Read one change. vault.md §4"""
    change = {
        "item": "itm_" + base64.b32encode(unhex(item["bytes"])).decode().lower().rstrip("="),
        "version": int(version["integer"]),
        "epoch": int(epoch["integer"]),
        "size": int(size["integer"]),
        "header": header["bytes"] or None,
        "parts": [[digest["bytes"], int(size["integer"])] for digest, size in parts],
    }
    demand(1 <= change["version"] < 2**31)
    demand(0 <= change["epoch"] < 2**31)
    demand(all(len(digest) == 64 for digest, _ in change["parts"]))
    demand(all(1 <= size <= 8 << 20 for _, size in change["parts"]))
    demand(change["size"] == sum(size for _, size in change["parts"]))
    demand(bool(change["epoch"]) == bool(parts))
    demand(len(header["bytes"]) == (64 if parts else 0))
    return change


def fold_name(name: str) -> dict[str, Any]:
    """Fold the name of an item for comparison. envelope.md §5.1"""
    return {"folded": unicodedata.normalize("NFC", name)}


def pad(size: int) -> dict[str, Any]:
    """Pad a size, alone and as the u of an inner plaintext. envelope.md §3"""
    demand(size <= 2**40)
    return {"padme": padme(size), "inner": padme(max(size, 256))}


def derive_inner_size(envelope_size: int, chunk_size_log2: int) -> dict[str, Any]:
    """Find the one inner size that gives an envelope of this size. envelope.md §3, §4"""
    chunks = -(-(envelope_size - 74) // ((1 << chunk_size_log2) + 16))
    inner = envelope_size - 74 - 16 * chunks
    demand(-(-inner >> chunk_size_log2) == chunks)
    demand(256 <= inner <= 2**40 and padme(inner) == inner)
    return {"inner_size": inner, "chunks": chunks}


def open_envelope(
    data_key: str, epoch: int, account: str, item: str, version: int, envelope: str
) -> dict[str, Any]:
    """Open an envelope at the place that a signed commit names. envelope.md §6"""
    header, sealed = unhex(envelope)[:74], unhex(envelope)[74:]
    place = parse_id("account", account) + parse_id("item", item) + version.to_bytes(8)
    demand(header[:3] != b"SKE" or header[3:4] in (b"", b"1"), "unsupported_format", "header")
    demand(header[:3] == b"SKE" and len(header) == 74, "open_failed", "header")
    demand(header[4] == 1, "unsupported_format", "header")
    demand(12 <= header[5] <= 22 and 1 <= u(header[6:10]) < 2**31, "open_failed", "header")
    demand(u(header[6:10]) == epoch, "open_failed", "header")
    block = derive(unhex(data_key), header[10:42], "solekey/v1/item", header[:10] + place, 64)
    demand(hmac.compare_digest(block[32:], header[42:]), "open_failed", "commitment")
    with refusing("open_failed", "chunk"):
        demand(sealed)
        inner = open_chunks(sealed, block[:32], (1 << header[5]) + 16, header + place)
    with refusing("open_failed", "padding"):
        derive_inner_size(len(header + sealed), header[5])
        end, length = 4 + u(inner[:4]), u(inner[-8:])
        demand(end <= 4 + 65536, "open_failed", "metadata")
        demand(pad(end + length + 8)["inner"] == len(inner))
        demand(not any(inner[end + length : -8]))
    with refusing("open_failed", "metadata"):
        return {"metadata": parse_metadata(inner[4:end]), "content": inner[end : end + length].hex()}


def open_chunks(sealed: bytes, item_key: bytes, size: int, associated_data: bytes) -> bytes:
    """Open all chunks: the last one is final, and no other. envelope.md §4"""
    inner, starts = [], range(0, len(sealed), size)
    for i, start in enumerate(starts):
        nonce = i.to_bytes(11) + bytes([start == starts[-1]])
        inner.append(AESGCM(item_key).decrypt(nonce, sealed[start : start + size], associated_data))
    return b"".join(inner)


def parse_metadata(raw: bytes) -> dict[str, Any]:
    """Read the metadata of an item. envelope.md §5"""
    it = parse_json(raw, canonical=True)
    demand(
        list(it)
        == ["attributes", "conflict", "created_ms", "modified_ms", "name", "revision", "tags", "type"]
    )
    attributes, tags = it["attributes"], it["tags"]
    demand(type(attributes) is dict and len(attributes) <= 64 and type(tags) is list and len(tags) <= 64)
    demand(type(it["revision"]) is int and 1 <= it["revision"] < 2**31)
    if it["conflict"] is not None:
        demand(type(it["conflict"]) is dict and list(it["conflict"]) == ["device", "item"])
        demand(parse_id("device", it["conflict"]["device"]) and parse_id("item", it["conflict"]["item"]))
    demand(all(type(ms) is int and ms >= 0 for ms in (it["created_ms"], it["modified_ms"])))
    demand(re.fullmatch(TEXT + "{1,1024}", it["name"]) and re.fullmatch(MEDIA_TYPE, it["type"]))
    demand(all(re.fullmatch(TEXT + "{1,128}", tag) for tag in tags) and len(set(tags)) == len(tags))
    demand(all(re.fullmatch(KEYWORD, key) for key in attributes))
    demand(all(re.fullmatch("(?s:.{0,4096})", value) for value in attributes.values()))
    return it
