"""Statements and their signatures, also such as no client would make. Spec: conventions.md §4."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vector_makers.primitives import (
    ACCOUNT,
    ACCOUNT_RAW,
    DEVICE_SEED,
    ITEM_RAW,
    OTHER_USER_KEY,
    USER_KEY,
    counting,
    derive,
    encode_id,
    encode_json,
    public_key,
    sha256,
    sign,
)
from vector_makers.user_key import derive_key_id, derive_signing_seed

LABEL = b"solekey/statement/v1\x00"
SEEDS = {
    "device": DEVICE_SEED,
    "account": derive_signing_seed(USER_KEY, ACCOUNT_RAW),
    "next_account": derive_signing_seed(OTHER_USER_KEY, ACCOUNT_RAW),
    "commit": derive(counting(0xE0, 32), ACCOUNT_RAW, "solekey/v1/commit-key", (1).to_bytes(4, "big"), 32),
}
"""``commit``: of a data key of epoch 1, the bytes e0, e1, …. Spec: keys.md §4.1."""
TWO = ("device", "account")
STRANGER = counting(0xC0, 32)
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
DIGEST = counting(0xD0, 32).hex()
Members = dict[str, Any]


def derive_device_id(public: bytes) -> str:
    """Derive a device's id. Spec: keys.md §7."""
    return encode_id("dev", sha256(b"solekey/v1/device-id\x00" + public)[:16])


DEVICE_PUBLIC = public_key(DEVICE_SEED)
DEVICE = derive_device_id(DEVICE_PUBLIC)
OTHER_DEVICE = derive_device_id(public_key(STRANGER))
REVOKED: Members = {
    "account": ACCOUNT,
    "body": {"device": OTHER_DEVICE, "reason": "lost"},
    "device": DEVICE,
    "heads": {"vault": {"digest": DIGEST, "seq": 9}},
    "prev": DIGEST,
    "seq": 4,
    "stream": "devices",
    "type": "solekey.devices.device_revoked.v1",
}


def encode_certificate(public: bytes) -> Members:
    """Encode a device certificate."""
    return {
        "device": derive_device_id(public),
        "device_key": public.hex(),
        "name_commitment": DIGEST,
        "platform": "linux",
    }


def change_key(certificates: int = 1) -> Members:
    """Say that the account's key changed, with so many certificates."""
    devices = [public_key(sha256(b"device %d" % number)) for number in range(certificates - 1)]
    body = {
        "account_key": public_key(SEEDS["next_account"]).hex(),
        "certificates": [encode_certificate(public) for public in [DEVICE_PUBLIC, *devices][:certificates]],
        "key_id": derive_key_id(OTHER_USER_KEY, ACCOUNT_RAW).hex(),
        "previous_account_key": public_key(SEEDS["account"]).hex(),
        "rotation": encode_id("rot", ITEM_RAW),
    }
    return {**REVOKED, "body": body, "type": "solekey.devices.account_key_changed.v1"}


WRAPPED: Members = {
    **REVOKED,
    "body": {
        "commit_key": public_key(SEEDS["commit"]).hex(),
        "epoch": 1,
        "key_id": derive_key_id(USER_KEY, ACCOUNT_RAW).hex(),
        "rotation": encode_id("rot", ITEM_RAW),
        "secret": "data_key",
        "suite": "hkdf-sha256-aes256gcm",
        "wrap": DIGEST,
        "wrap_version": 2,
    },
    "heads": {"devices": {"digest": DIGEST, "seq": 3}},
    "stream": "vault",
    "type": "solekey.vault.key_wrapped.v1",
}


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement, its signatures, and the keys that a verifier holds for its signers."""

    statement: Members
    signatures: Mapping[str, Any]
    signers: tuple[str, ...]
    keys: Mapping[str, str] = field(default_factory=dict)
    """Other public keys than those of the signers' seeds."""

    def to_input(self, document: bytes | None = None) -> dict[str, Any]:
        """The input of a vector; the document in another spelling if it is given."""
        text = encode_json(self.to_json()) if document is None else document
        return {
            "document": text.hex(),
            "keys": {
                signer: self.keys.get(signer) or public_key(SEEDS[signer]).hex() for signer in self.signers
            },
        }

    def to_json(self) -> Members:
        """The signed statement's members."""
        return {"signatures": dict(self.signatures), "statement": self.statement}

    def to_output(self) -> dict[str, str]:
        """What a verifier finds."""
        return {
            "signed": (LABEL + encode_json(self.statement)).hex(),
            "digest": sha256(encode_json(self.to_json())).hex(),
        }


def say(statement: Members, *signers: str) -> Signed:
    """Sign a statement as its type asks for, or with other keys."""
    of_type = ("device", "account", "commit") if statement.get("type") == WRAPPED["type"] else TWO
    signers = signers or of_type
    message = LABEL + encode_json(statement)
    return Signed(statement, {signer: sign(SEEDS[signer], message).hex() for signer in signers}, signers)
