"""Keys from labels, and the one statement writer: independent of Solekey's own signing code."""

import hashlib
from collections.abc import Mapping
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey_protocol.events import Body, Signer, Stream, devices
from solekey_protocol.events.fields import Platform
from solekey_protocol.ids import (
    AccountId,
    DeviceId,
    PublicKey,
    SignatureHex,
    compute_digest,
    derive_device_id,
)
from solekey_protocol.statements import Head, SignedStatement, Statement


def derive_raw(label: str, length: int = 16) -> bytes:
    """Fixed bytes from a label."""
    return hashlib.sha256(label.encode()).digest()[:length]


class Key:
    """An Ed25519 key from a label; as a device's key it has an id and a certificate."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._private = Ed25519PrivateKey.from_private_bytes(derive_raw(label, 32))
        self.public = PublicKey(self._private.public_key().public_bytes_raw().hex())

    @cached_property
    def device(self) -> DeviceId:
        return derive_device_id(self.public)

    @cached_property
    def certificate(self) -> devices.DeviceCertificate:
        name = compute_digest(self.label.encode())
        return devices.DeviceCertificate(self.device, self.public, Platform.LINUX, name)

    def sign(self, message: bytes) -> SignatureHex:
        return SignatureHex(self._private.sign(message).hex())


def derive_commit_key(epoch: int) -> Key:
    """The commit key of an epoch, which whoever has its data key can sign with."""
    return Key(f"commit key of epoch {epoch}")


def sign_statement(
    account: AccountId,
    body: Body,
    after: Head,
    heads: Mapping[Stream, Head],
    keys: Mapping[Signer, Key],
    *,
    device: DeviceId | None = None,
) -> SignedStatement:
    """Sign a statement that follows ``after``.

    Args:
        account: whose stream it is.
        body: what is stated.
        after: the head of the body's stream.
        heads: the heads of the other streams that the statement claims.
        keys: who signs; the commit key of the body's epoch, if none is given.
        device: who speaks, where it is not the device that signs.
    """
    speaker = device or keys[Signer.DEVICE].device
    statement = Statement(account, after.seq + 1, after.digest, heads, speaker, body)
    signers = {Signer.COMMIT: derive_commit_key(getattr(body, "epoch", 1)), **keys}
    message = statement.signing_bytes()
    return SignedStatement(statement, {signer: signers[signer].sign(message) for signer in body.SIGNERS})
