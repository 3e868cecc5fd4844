"""What a user key gives for an account. Spec: keys.md §3."""

from vector_makers.phrase import encode_phrase
from vector_makers.primitives import ACCOUNT_RAW, OTHER_ACCOUNT_RAW, USER_KEY, derive, encode_id, public_key
from vector_makers.vector import Vector, VectorFile


def make_file() -> VectorFile:
    """Make the vectors."""
    cases = {
        "the example": (USER_KEY, ACCOUNT_RAW, "The example of §8."),
        "another account": (USER_KEY, OTHER_ACCOUNT_RAW, "One user key has unrelated ids in two accounts."),
        "zeros": (bytes(32), bytes(16), "A salt of zeros is not the absence of a salt."),
        "ones": (b"\xff" * 32, b"\xff" * 16, "The largest values."),
    }
    return VectorFile(
        "user_key",
        "keys.md",
        "Key id, wrapping key and account signing key of a user key in an account.",
        [
            Vector(
                name,
                "§3",
                why,
                {"user_key": user_key.hex(), "account": encode_id("acc", account)},
                output=describe(user_key, account),
            )
            for name, (user_key, account, why) in cases.items()
        ],
    )


def derive_key_id(user_key: bytes, account: bytes) -> bytes:
    """Derive the key id. Spec: keys.md §3.2."""
    return derive(user_key, account, "solekey/v1/key-id", b"", 16)


def derive_wrapping_key(user_key: bytes, account: bytes) -> bytes:
    """Derive the wrapping key. Spec: keys.md §3.3."""
    return derive(user_key, account, "solekey/v1/wrapping-key", b"", 32)


def derive_signing_seed(user_key: bytes, account: bytes) -> bytes:
    """Derive the account signing key's seed. Spec: keys.md §3.4."""
    return derive(user_key, account, "solekey/v1/account-signing-key", b"", 32)


def describe(user_key: bytes, account: bytes) -> dict[str, str]:
    """Say everything that follows from a user key."""
    seed = derive_signing_seed(user_key, account)
    return {
        "phrase": encode_phrase(user_key),
        "key_id": derive_key_id(user_key, account).hex(),
        "wrapping_key": derive_wrapping_key(user_key, account).hex(),
        "account_signing_seed": seed.hex(),
        "account_public_key": public_key(seed).hex(),
    }
