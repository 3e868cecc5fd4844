"""Wraps: sealed for one place, and refused everywhere else. Spec: keys.md §5."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vector_makers.primitives import (
    ACCOUNT_RAW,
    DATA_KEY,
    OTHER_ACCOUNT_RAW,
    OTHER_USER_KEY,
    SALT,
    USER_KEY,
    counting,
    derive,
    encode_id,
    encrypt,
    flip,
)
from vector_makers.user_key import derive_key_id, derive_wrapping_key
from vector_makers.vector import Vector, VectorFile

MAX = 2**31 - 1
NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a wrap belongs, as its signed statement says."""

    account: bytes = ACCOUNT_RAW
    epoch: int = 1
    wrap_version: int = 2
    key_id: bytes = derive_key_id(USER_KEY, ACCOUNT_RAW)

    def to_json(self) -> dict[str, Any]:
        """The place in the words of `key_wrapped`."""
        return {
            "account": encode_id("acc", self.account),
            "secret": "data_key",
            "epoch": self.epoch,
            "wrap_version": self.wrap_version,
            "key_id": self.key_id.hex(),
            "suite": "hkdf-sha256-aes256gcm",
        }

    def encode_prefix(self, *, suite: int = 1, kind: int = 1) -> bytes:
        """Encode bytes 0…29 of a wrap, also outside their limits."""
        numbers = self.epoch.to_bytes(4, "big") + self.wrap_version.to_bytes(4, "big")
        return b"SKW1" + bytes([suite, kind]) + numbers + self.key_id


PLACE = Place()


def seal(
    place: Place = PLACE,
    *,
    prefix: bytes | None = None,
    context: bytes | None = None,
    commitment: bytes | None = None,
    nonce: bytes = NONCE,
    aad_account: bytes | None = None,
    secret: bytes = DATA_KEY,
    salt: bytes = SALT,
) -> bytes:
    """Seal a secret; whatever is given breaks that rule. Spec: keys.md §5.2."""
    prefix = place.encode_prefix() if prefix is None else prefix
    context = prefix + place.account if context is None else context
    block = derive(derive_wrapping_key(USER_KEY, place.account), salt, "solekey/v1/wrap", context, 64)
    header = prefix + salt + (block[32:] if commitment is None else commitment)
    account = place.account if aad_account is None else aad_account
    return header + encrypt(block[:32], nonce, secret, header + account)


WRAP = seal()


def make_file() -> VectorFile:
    """Make the vectors."""
    vectors = [*_accepted(), *_wrong_keys(), *_headers(), *_places(), *_commitments(), *_tags()]
    return VectorFile(
        "wrap", "keys.md", "Wraps that open, and wraps that were altered, cut or moved.", vectors
    )


def _accepted() -> list[Vector]:
    largest = Place(epoch=MAX, wrap_version=MAX)
    elsewhere = Place(account=OTHER_ACCOUNT_RAW, key_id=derive_key_id(USER_KEY, OTHER_ACCOUNT_RAW))
    cases = {
        "the example": (WRAP, PLACE, "The example of §8."),
        "the largest epoch and version": (seal(largest), largest, "2^31 - 1 is inside the limits."),
        "another account": (seal(elsewhere), elsewhere, "The same user key, sealed for another account."),
        "another salt": (seal(salt=counting(0x61, 32)), PLACE, "A second seal of the same secret."),
        "a secret of zeros": (seal(secret=bytes(32)), PLACE, "Every 32 bytes are a secret."),
    }
    secrets = {"a secret of zeros": bytes(32)}
    return [
        Vector(
            f"opens: {name}",
            "§5.3",
            why,
            _input(wrap, place),
            output={"secret": secrets.get(name, DATA_KEY).hex()},
        )
        for name, (wrap, place, why) in cases.items()
    ]


def _input(wrap: bytes, place: Place = PLACE, user_key: bytes = USER_KEY) -> dict[str, Any]:
    return {"user_key": user_key.hex(), "place": place.to_json(), "wrap": wrap.hex()}


def _refuse(
    rule: str,
    cases: Mapping[str, tuple[bytes, str]],
    *,
    stage: str | None = None,
    code: str = "wrap_tampered",
) -> list[Vector]:
    stage = stage or rule
    return [
        Vector(f"{stage}: {name}", f"§5.3 {rule}", why, _input(wrap), code, stage)
        for name, (wrap, why) in cases.items()
    ]


def _wrong_keys() -> list[Vector]:
    elsewhere = Place(account=OTHER_ACCOUNT_RAW)
    cases = {
        "another user key": (_input(WRAP, user_key=OTHER_USER_KEY), "A wrong phrase is no tampering."),
        "another user key, and a tampered wrap": (
            _input(flip(WRAP, 141), user_key=OTHER_USER_KEY),
            "The key id is compared before the wrap is looked at.",
        ),
        "the key id of another account": (
            _input(WRAP, elsewhere),
            "A key id names a user key for one account only.",
        ),
    }
    return [
        Vector(f"key_id: {name}", "§5.3 key-id", why, given, "wrong_user_key", "key_id")
        for name, (given, why) in cases.items()
    ]


def _headers() -> list[Vector]:
    families = {
        "empty": (b"", "Cut to nothing."),
        "the family alone": (b"SKW", "Fewer than 4 bytes have no format version."),
        "first byte of the family": (flip(WRAP, 0), "Another family."),
        "second byte of the family": (flip(WRAP, 1), "Another family."),
        "third byte of the family": (flip(WRAP, 2), "Another family."),
        "the family of envelopes": (b"SKE" + WRAP[3:], "Another family."),
    }
    lengths = {
        "the magic alone": (WRAP[:4], "Cut after the magic."),
        "cut after the prefix": (WRAP[:30], "Cut."),
        "cut after the header": (WRAP[:94], "Cut: no ciphertext."),
        "cut by one byte": (WRAP[:-1], "Cut."),
        "cut by the tag": (WRAP[:-16], "Cut."),
        "one byte appended": (WRAP + b"\x00", "Appended."),
        "a second wrap appended": (WRAP * 2, "Appended."),
        "a secret of 31 bytes": (seal(secret=DATA_KEY[:31]), "A correct seal of another length is no wrap."),
        "a secret of 33 bytes": (
            seal(secret=DATA_KEY + b"\x00"),
            "A correct seal of another length is no wrap.",
        ),
    }
    limits = {
        "epoch 0": (seal(prefix=Place(epoch=0).encode_prefix()), "Epochs begin at 1."),
        "epoch 2^31": (seal(prefix=Place(epoch=2**31).encode_prefix()), "Above the limit."),
        "wrap version 0": (seal(prefix=Place(wrap_version=0).encode_prefix()), "Versions begin at 1."),
        "wrap version 2^31": (seal(prefix=Place(wrap_version=2**31).encode_prefix()), "Above the limit."),
    }
    versions = {
        "format version 2": (b"SKW2" + WRAP[4:], "The client is too old."),
        "format version 0": (b"SKW0" + WRAP[4:], "Only the digit 1 is known."),
        "format version 1 as a number": (b"SKW\x01" + WRAP[4:], "The version is an ASCII digit."),
        "format version 2, of another length": (b"SKW2", "Another format may have another length."),
    }
    suites = {
        "suite 0": (seal(prefix=PLACE.encode_prefix(suite=0)), "An unknown suite, sealed correctly."),
        "suite 2": (seal(prefix=PLACE.encode_prefix(suite=2)), "An unknown suite, sealed correctly."),
    }
    kinds = {
        "kind 0": (seal(prefix=PLACE.encode_prefix(kind=0)), "An unknown secret kind, sealed correctly."),
        "kind 2": (seal(prefix=PLACE.encode_prefix(kind=2)), "An unknown secret kind, sealed correctly."),
    }
    tampered = {"family": families, "length": lengths, "limits": limits}
    unsupported = {"version": versions, "suite": suites, "kind": kinds}
    return [
        *(v for rule, cases in tampered.items() for v in _refuse(rule, cases, stage="header")),
        *(
            vector
            for rule, cases in unsupported.items()
            for vector in _refuse(rule, cases, stage="header", code="unsupported_format")
        ),
    ]


def _places() -> list[Vector]:
    other_key_id = derive_key_id(OTHER_USER_KEY, ACCOUNT_RAW)
    elsewhere = Place(account=OTHER_ACCOUNT_RAW, key_id=derive_key_id(USER_KEY, OTHER_ACCOUNT_RAW))
    altered = {
        "epoch changed in the wrap": (flip(WRAP, 9, 0x02), "Epoch 3."),
        "wrap version changed in the wrap": (flip(WRAP, 13), "Version 3."),
        "first byte of the key id changed": (flip(WRAP, 14), "Another key id in the wrap."),
        "last byte of the key id changed": (flip(WRAP, 29), "Another key id in the wrap."),
        "of another epoch": (seal(Place(epoch=2)), "A correct wrap of epoch 2 stands where epoch 1 belongs."),
        "of an older version": (
            seal(Place(wrap_version=1)),
            "A replay of version 1 where version 2 belongs.",
        ),
    }
    moved = {
        "moved to another epoch": (_input(WRAP, Place(epoch=2)), "The statement speaks of epoch 2."),
        "moved to another wrap version": (
            _input(WRAP, Place(wrap_version=3)),
            "The statement speaks of version 3.",
        ),
        "moved to another user key": (
            _input(WRAP, Place(key_id=other_key_id), OTHER_USER_KEY),
            "The statement names the next user key, which is given; the wrap is the former one's.",
        ),
        "moved to another account": (_input(WRAP, elsewhere), "The same user key in another account."),
    }
    return [
        *_refuse("place", altered),
        *(
            Vector(f"place: {name}", "§5.3 place", why, given, "wrap_tampered", "place")
            for name, (given, why) in moved.items()
        ),
    ]


def _commitments() -> list[Vector]:
    prefix = PLACE.encode_prefix()
    cases = {
        "first byte of the salt": (flip(WRAP, 30), "The salt is part of the derivation."),
        "last byte of the salt": (flip(WRAP, 61), "The salt is part of the derivation."),
        "first byte of the commitment": (flip(WRAP, 62), "Another commitment."),
        "last byte of the commitment": (flip(WRAP, 93), "The whole commitment is compared."),
        "another commitment, sealed with it": (
            seal(commitment=counting(0xE0, 32)),
            "Key, tag and associated data are right: only the comparison refuses it.",
        ),
        "no commitment": (seal(commitment=bytes(32)), "Zeros are a commitment like any other."),
        "derived without the account": (seal(context=prefix), "The context ends with the account."),
        "derived for another account": (
            seal(context=prefix + OTHER_ACCOUNT_RAW),
            "What another account's wrap would be if its prefix were ours.",
        ),
        "derived without a context": (seal(context=b""), "The context is bytes 0…29 and the account."),
        "derived for another kind": (
            seal(context=PLACE.encode_prefix(kind=2) + ACCOUNT_RAW),
            "A secret of another kind whose byte was rewritten.",
        ),
        "derived for another suite": (
            seal(context=PLACE.encode_prefix(suite=2) + ACCOUNT_RAW),
            "A wrap of another suite whose byte was rewritten.",
        ),
    }
    return _refuse("commitment", cases)


def _tags() -> list[Vector]:
    other = seal(salt=counting(0x61, 32), secret=bytes(32))
    cases = {
        "first byte of the ciphertext": (flip(WRAP, 94), "One bit of the secret."),
        "last byte of the ciphertext": (flip(WRAP, 125), "One bit of the secret."),
        "first byte of the tag": (flip(WRAP, 126), "One bit of the tag."),
        "last byte of the tag": (flip(WRAP, 141, 0x80), "The whole tag is compared."),
        "the ciphertext of another wrap": (WRAP[:94] + other[94:], "Header of one, ciphertext of another."),
        "the tag of another wrap": (WRAP[:126] + other[126:], "Tag of another wrap."),
        "the account is not authenticated": (
            seal(aad_account=b""),
            "The associated data ends with the account.",
        ),
        "another account is authenticated": (
            seal(aad_account=OTHER_ACCOUNT_RAW),
            "Associated data of another account.",
        ),
        "another nonce": (seal(nonce=bytes(11) + b"\x01"), "The nonce is 12 zero bytes."),
    }
    return _refuse("tag", cases)
