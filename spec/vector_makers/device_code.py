"""Device codes, and what a person types. Spec: devices.md §6."""

from functools import cache

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from vector_makers.account import GHOST, KEY_IDS, PHONE, account_key
from vector_makers.primitives import ACCOUNT_RAW, OTHER_ACCOUNT_RAW, encode_id, public_key, sha256
from vector_makers.saying import Members
from vector_makers.vector import Vector, VectorFile

GIVEN = (ACCOUNT_RAW, "K0", PHONE)


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "The code of a device, and whether what was typed or scanned is this code."
    return VectorFile("device_code", "devices.md", about, [*_compared(), *_refused()])


@cache
def derive_code(account: bytes, user: str, seed: bytes) -> str:
    """Derive a code."""
    message = bytes.fromhex(account_key(user)) + bytes.fromhex(KEY_IDS[user])
    return _half(b"account", 15, account, message) + _half(b"device", 20, account, public_key(seed))


@cache
def _half(label: bytes, digits: int, account: bytes, message: bytes) -> str:
    salt = sha256(b"solekey/v1/device-code/" + label + b"\x00" + account)[:16]
    tag = Argon2id(salt=salt, length=16, iterations=3, lanes=4, memory_cost=1 << 16).derive(message)
    return str(int.from_bytes(tag, "big") % 10**digits).rjust(digits, "0")


def _input(text: str, account: bytes = ACCOUNT_RAW, user: str = "K0", seed: bytes = PHONE) -> Members:
    return {
        "account": encode_id("acc", account),
        "account_key": account_key(user),
        "key_id": KEY_IDS[user],
        "device_key": public_key(seed).hex(),
        "text": text,
    }


def _compared() -> list[Vector]:
    code = derive_code(*GIVEN)
    groups = " ".join(code[start : start + 5] for start in range(0, 35, 5))
    near = str((int(code[-1]) + 1) % 10)
    texts = {
        "the digits": (code, True, "35 digits."),
        "seven groups of five": (groups, True, "As a device shows them."),
        "hyphens": (groups.replace(" ", "-"), True, "Hyphens are left out."),
        "white space around": (f"  {groups} ", True, "Spaces are left out."),
        "a QR code": (f"SOLEKEY-DEVICE:{code}", True, "With its prefix."),
        "the last digit differs": (code[:-1] + near, False, "All 35 digits."),
        "the first digit differs": (str((int(code[0]) + 1) % 10) + code[1:], False, "All 35 digits."),
        "the halves exchanged": (code[15:] + code[:15], False, "The account's half stands first."),
        "the code of another device": (derive_code(ACCOUNT_RAW, "K0", GHOST), False, "A ghost's."),
        "the code under another user key": (
            derive_code(ACCOUNT_RAW, "K1", PHONE),
            False,
            "A new key, a new code.",
        ),
        "the code in another account": (
            derive_code(OTHER_ACCOUNT_RAW, "K0", PHONE),
            False,
            "Salted by account.",
        ),
    }
    return [
        Vector(f"compares: {name}", "§6", why, _input(text), output={"code": code, "same": same})
        for name, (text, same, why) in texts.items()
    ]


def _refused() -> list[Vector]:
    code = derive_code(*GIVEN)
    texts = {
        "nothing": "",
        "34 digits": code[:-1],
        "36 digits": code + "0",
        "the device's half alone": code[15:],
        "a letter": f"{code[:-1]}O",
        "digits of another script": code[:-1] + "\u0661",
        "the prefix of something else": f"SOLEKEY-ACCOUNT:{code}",
    }
    return [
        Vector(f"digits: {name}", "§6 digits", "35 digits.", _input(text), "device_code_malformed")
        for name, text in texts.items()
    ]
