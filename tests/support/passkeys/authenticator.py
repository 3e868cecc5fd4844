"""A software authenticator: makes WebAuthn credentials and signs with them as a security key does.

Nothing here is Solekey's code or fido2's: what the service verifies is made independently, from WebAuthn
Level 2 §6 and CTAP 2.1 §6. Keys of credentials that are not resident live in their credential ids, sealed by
the authenticator, as on real keys with little memory.
"""

import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

AAGUID = bytes.fromhex("50f7ba5e1d0a4e0c8a3c50f7ba5e1d0a")
_P256 = ec.SECP256R1()
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Algorithm(IntEnum):
    """COSE numbers (RFC 9053)."""

    ES256 = -7
    EDDSA = -8


class Flag(IntFlag):
    """Flags of authenticator data (WebAuthn §6.1)."""

    UP = 0x01
    UV = 0x04
    BE = 0x08
    BS = 0x10
    AT = 0x40
    ED = 0x80


class ExcludedError(Exception):
    """The authenticator has one of the excluded credentials."""


class NoCredentialError(Exception):
    """The authenticator has none of the credentials asked for."""


class UnsupportedAlgorithmError(Exception):
    """The relying party takes no algorithm that the authenticator has."""


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@dataclass(frozen=True)
class KeyPair:
    """A credential's key: 32 secret bytes and what to do with them."""

    algorithm: Algorithm
    secret: bytes

    def cose(self) -> dict[int, Any]:
        """The public half as a COSE key (RFC 9053 §7)."""
        if self.algorithm is Algorithm.EDDSA:
            public = ed25519.Ed25519PrivateKey.from_private_bytes(self.secret).public_key()
            return {1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()}
        numbers = self._p256().public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}

    def sign(self, message: bytes) -> bytes:
        if self.algorithm is Algorithm.EDDSA:
            return ed25519.Ed25519PrivateKey.from_private_bytes(self.secret).sign(message)
        return self._p256().sign(message, ec.ECDSA(hashes.SHA256()))

    def _p256(self) -> ec.EllipticCurvePrivateKey:
        number = int.from_bytes(self.secret, "big") % (_P256_ORDER - 1) + 1
        return ec.derive_private_key(number, _P256)


@dataclass(frozen=True)
class Resident:
    """A credential that is kept on the authenticator."""

    rp_id: str
    user_id: bytes
    pair: KeyPair


@dataclass(frozen=True)
class Signed:
    """An assertion: authenticatorGetAssertion's answer."""

    credential: bytes
    authenticator_data: bytes
    signature: bytes


class Authenticator:
    """One security key.

    Attributes:
        algorithms: what it can do.
        attestation: "packed" (self attestation) or "none".
        verifies_user: whether it has a fingerprint reader, which knows its owner.
        counts: whether it has a sign counter; synced passkeys always say 0.
        counter: signatures so far. Tests set it back.
        extra_flags: flags beyond user presence and verification.
    """

    def __init__(
        self,
        *,
        algorithms: Sequence[Algorithm] = tuple(Algorithm),
        attestation: str = "packed",
        verifies_user: bool = False,
        counts: bool = True,
    ) -> None:
        self.algorithms = tuple(algorithms)
        self.attestation = attestation
        self.verifies_user = verifies_user
        self.counts = counts
        self.counter = 0
        self.extra_flags = Flag(0)
        self.residents: dict[bytes, Resident] = {}
        self._wrapping = AESGCM(os.urandom(32))

    def clone(self) -> "Authenticator":
        """A copy with the same keys and the counter as it is now: what a thief would have."""
        other = Authenticator(
            algorithms=self.algorithms, attestation=self.attestation, verifies_user=self.verifies_user
        )
        other.counter, other.residents, other._wrapping = self.counter, dict(self.residents), self._wrapping
        return other

    def make_credential(
        self,
        rp_id: str,
        user_id: bytes,
        client_data_hash: bytes,
        algorithms: Sequence[int],
        *,
        exclude: Sequence[bytes] = (),
        resident: bool = False,
        present: bool = True,
    ) -> bytes:
        """Make a credential and return its attestation object."""
        if any(self.find_key(rp_id, credential) for credential in exclude):
            raise ExcludedError
        chosen = next((each for each in algorithms if each in self.algorithms), None)
        if chosen is None:
            raise UnsupportedAlgorithmError
        pair = KeyPair(Algorithm(chosen), os.urandom(32))
        credential = os.urandom(16) if resident else self._wrap(rp_id, pair)
        if resident:
            self.residents[credential] = Resident(rp_id, user_id, pair)
        attested = AAGUID + struct.pack(">H", len(credential)) + credential + cbor2.dumps(pair.cose())
        data = self._authenticator_data(rp_id, Flag.AT, present=present) + attested
        statement: dict[str, Any] = {}
        if self.attestation == "packed":
            statement = {"alg": int(pair.algorithm), "sig": pair.sign(data + client_data_hash)}
        return cbor2.dumps({"fmt": self.attestation, "attStmt": statement, "authData": data})

    def get_assertion(
        self,
        rp_id: str,
        client_data_hash: bytes,
        allow: Sequence[bytes] = (),
        *,
        present: bool = True,
    ) -> Signed:
        """Sign with the first credential that it has; without a list, with a resident one."""
        candidates = allow or [key for key, value in self.residents.items() if value.rp_id == rp_id]
        for credential in candidates:
            pair = self.find_key(rp_id, credential)
            if pair is not None:
                data = self._authenticator_data(rp_id, present=present)
                return Signed(credential, data, pair.sign(data + client_data_hash))
        raise NoCredentialError

    def find_key(self, rp_id: str, credential: bytes) -> KeyPair | None:
        """The key of a credential that this authenticator made for this relying party."""
        if credential in self.residents:
            found = self.residents[credential]
            return found.pair if found.rp_id == rp_id else None
        try:
            opened = self._wrapping.decrypt(credential[:12], credential[12:], sha256(rp_id.encode()))
        except (InvalidTag, ValueError):
            return None
        return KeyPair(Algorithm(-opened[0]), opened[1:])

    def _wrap(self, rp_id: str, pair: KeyPair) -> bytes:
        nonce = os.urandom(12)
        content = bytes([-pair.algorithm]) + pair.secret
        return nonce + self._wrapping.encrypt(nonce, content, sha256(rp_id.encode()))

    def _authenticator_data(self, rp_id: str, flags: int = 0, *, present: bool) -> bytes:
        if present:
            flags |= Flag.UP
            self.counter += self.counts
        if self.verifies_user:
            flags |= Flag.UV
        return sha256(rp_id.encode()) + struct.pack(">BI", flags | self.extra_flags, self.counter)
