"""Login keys, and parameters that a client must not use. Spec: keys.md §6."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from vector_makers.primitives import KDF_SALT, counting, derive, encode_json, public_key, sha256
from vector_makers.vector import Vector, VectorFile

FLOOR: Mapping[str, Any] = {
    "algorithm": "argon2id",
    "iterations": 3,
    "lanes": 4,
    "memory_kib": 65_536,
    "salt": KDF_SALT.hex(),
}
PASSWORD = "café au lait"  # noqa: S105 - an example's
ORIGIN, USERNAME = "https://solekey.example", "ana@example.org"


def make_file() -> VectorFile:
    """Make the vectors."""
    vectors = [*_accepted(), *_passwords(), *_malformed(), *_bounds()]
    about = "The login key of a password, and the parameters that are refused before the password is used."
    return VectorFile("login_key", "keys.md", about, vectors)


def _give(password: str, parameters: Any, origin: str = ORIGIN, username: str = USERNAME) -> dict[str, Any]:
    return {"password": password, "parameters": parameters, "origin": origin, "username": username}


def _accepted() -> list[Vector]:
    composed = PASSWORD.encode()
    longer = {**FLOOR, "salt": counting(0x80, 64).hex()}
    cases = {
        "the floor": (PASSWORD, FLOOR, composed, "The example of §8, in composed form."),
        "another normal form": ("cafe\u0301 au lait", FLOOR, composed, "NFKC makes both spellings one."),
        "a compatibility form": ("\uff43afé au lait", FLOOR, composed, "NFKC folds full-width letters."),
        "spaces around": (f" {PASSWORD} ", FLOOR, b" " + composed + b" ", "Nothing is trimmed."),
        "another case": ("Café au lait", FLOOR, "Café au lait".encode(), "Case is not folded."),
        "beyond the basic plane": ("\U0001f511", FLOOR, b"\xf0\x9f\x94\x91", "UTF-8 of four bytes."),
        "the longest salt": (PASSWORD, longer, composed, "64 bytes of salt are inside the ceiling."),
        "more of everything": (
            PASSWORD,
            {**FLOOR, "iterations": 4, "lanes": 5, "memory_kib": 65_544},
            composed,
            "Parameters above the floor are used as they are.",
        ),
    }
    passwords = [
        Vector(
            f"derives: {name}",
            "§6.1",
            why,
            _give(password, parameters),
            output=_derive(normalised, parameters),
        )
        for name, (password, parameters, normalised, why) in cases.items()
    ]
    return [*passwords, *_bound()]


def _bound() -> list[Vector]:
    cases = {
        "another user": (ORIGIN, "bob@example.org", "bob@example.org", "No table serves two users."),
        "another server": ("https://other.example", USERNAME, USERNAME, "No table serves two servers."),
        "another port": (f"{ORIGIN}:8443", USERNAME, USERNAME, "The origin counts as a whole."),
        "the user name in capitals": (ORIGIN, "Ana@Example.ORG", USERNAME, "User names are folded."),
        "a compatibility form": (ORIGIN, "\uff21na@example.org", USERNAME, "Folding includes NFKC."),
    }
    return [
        Vector(
            f"is bound to: {name}",
            "§6.1",
            why,
            _give(PASSWORD, FLOOR, origin, username),
            output=_derive(PASSWORD.encode(), FLOOR, origin, folded),
        )
        for name, (origin, username, folded, why) in cases.items()
    ]


def _derive(
    normalised: bytes, parameters: Mapping[str, Any], origin: str = ORIGIN, folded: str = USERNAME
) -> dict[str, str]:
    bound = {"origin": origin, "salt": parameters["salt"], "username": folded}
    salt = sha256(b"solekey/v1/login-salt\0" + encode_json(bound))
    costs = (parameters["iterations"], parameters["lanes"], parameters["memory_kib"])
    seed = derive(_stretch(normalised, salt, *costs), salt, "solekey/v1/login-key", b"", 32)
    return {"seed": seed.hex(), "public_key": public_key(seed).hex()}


@cache
def _stretch(normalised: bytes, salt: bytes, iterations: int, lanes: int, memory_kib: int) -> bytes:
    kdf = Argon2id(salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memory_kib)
    return kdf.derive(normalised)


def _passwords() -> list[Vector]:
    given = {
        "password_empty": ("empty", "empty", ""),
        "password_not_text": ("text", "a lone surrogate", "caf\udce9"),
    }
    return [
        Vector(
            f"password: {name}",
            f"§6.1 {rule}",
            "There is no login key of it.",
            _give(password, FLOOR),
            code,
        )
        for code, (rule, name, password) in given.items()
    ]


def _refuse(kind: str, code: str, cases: Mapping[str, tuple[Any, str]]) -> list[Vector]:
    return [
        Vector(f"{kind}: {name}", f"§6.2 {kind}", why, _give(PASSWORD, parameters), code)
        for name, (parameters, why) in cases.items()
    ]


def _malformed() -> list[Vector]:
    cases: dict[str, tuple[Any, str]] = {
        f"without {member}": (
            {name: value for name, value in FLOOR.items() if name != member},
            "All five members are required.",
        )
        for member in FLOOR
    }
    cases |= {
        "an unknown member": ({**FLOOR, "secret": ""}, "No other member is allowed."),
        "no object": ([], "Parameters are an object."),
        "null": (None, "Parameters are an object."),
    }
    values: dict[str, dict[str, Any]] = {
        "algorithm argon2i": {"algorithm": "argon2i"},
        "algorithm in capitals": {"algorithm": "Argon2id"},
        "algorithm null": {"algorithm": None},
        "memory as text": {"memory_kib": "65536"},
        "memory true": {"memory_kib": True},
        "iterations 3.5": {"iterations": 3.5},
        "lanes null": {"lanes": None},
        "salt in capitals": {"salt": KDF_SALT.hex().upper()},
        "salt of half a byte": {"salt": KDF_SALT.hex() + "0"},
        "salt with a space": {"salt": KDF_SALT.hex()[:16] + " " + KDF_SALT.hex()[16:]},
        "salt that is not hex": {"salt": "zz" * 16},
        "salt as an array": {"salt": list(KDF_SALT)},
    }
    members = _refuse("members", "kdf_refused", cases)
    cases = {
        name: ({**FLOOR, **value}, "A value of another type or spelling.") for name, value in values.items()
    }
    return [*members, *_refuse("values", "kdf_refused", cases)]


def _bounds() -> list[Vector]:
    below: dict[str, dict[str, Any]] = {
        "memory 65535 KiB": {"memory_kib": 65_535},
        "memory 0": {"memory_kib": 0},
        "memory negative": {"memory_kib": -65_536},
        "iterations 2": {"iterations": 2},
        "iterations 0": {"iterations": 0},
        "lanes 3": {"lanes": 3},
        "salt of 15 bytes": {"salt": KDF_SALT[:15].hex()},
        "no salt": {"salt": ""},
        "iterations 2 for 1 GiB": {"iterations": 2, "memory_kib": 1_048_576},
        "lanes 3 below, memory above the ceiling": {"lanes": 3, "memory_kib": 2**31},
    }
    above: dict[str, dict[str, Any]] = {
        "memory above 1 GiB": {"memory_kib": 1_048_577},
        "memory 2^53 - 1": {"memory_kib": 2**53 - 1},
        "iterations 17": {"iterations": 17},
        "lanes 17": {"lanes": 17},
        "salt of 65 bytes": {"salt": counting(0x80, 65).hex()},
    }
    floor_why = "Each number is compared by itself, and the floor before the ceiling."
    floor = {name: ({**FLOOR, **value}, floor_why) for name, value in below.items()}
    ceiling = {name: ({**FLOOR, **value}, "It would exhaust the machine.") for name, value in above.items()}
    return [*_refuse("floor", "kdf_downgrade", floor), *_refuse("ceiling", "kdf_excessive", ceiling)]
