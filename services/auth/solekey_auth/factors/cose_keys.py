"""The public keys of passkeys: COSE (RFC 9053 §7), of the algorithms that are offered.

fido2 verifies signatures. Whether a key is what its algorithm says, it leaves to its caller.
Spec: factors.md §3.
"""

from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from fido2 import cbor
from fido2.cose import ES256, CoseKey, EdDSA

from solekey_auth.refusals import PasskeyRefused
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import PublicKey

ALGORITHMS: Final = (ES256.ALGORITHM, EdDSA.ALGORITHM)
"""COSE: -7, ECDSA on P-256 with SHA-256; -8, here Ed25519. Every authenticator has the first."""

_COSE_MEMBERS: Final[Mapping[int, Mapping[int, int]]] = {  # RFC 9053 §7: lengths of the coordinates
    ES256.ALGORITHM: {-2: 32, -3: 32},
    EdDSA.ALGORITHM: {-2: 32},
}
_COSE_FIXED: Final[Mapping[int, Mapping[int, int]]] = {  # key type and curve
    ES256.ALGORITHM: {1: 2, 3: ES256.ALGORITHM, -1: 1},
    EdDSA.ALGORITHM: {1: 1, 3: EdDSA.ALGORITHM, -1: 6},
}


def verify_public_key(key: CoseKey) -> bytes:
    """Verify a COSE key of an algorithm that was offered, and encode it.

    Raises:
        PasskeyRefused: the key is of another kind or length, or no point that takes one signature only.
    """
    algorithm = key.ALGORITHM
    if algorithm not in ALGORITHMS:
        raise PasskeyRefused("the passkey's algorithm was not offered")
    fixed, lengths = _COSE_FIXED[algorithm], _COSE_MEMBERS[algorithm]
    if key.keys() != fixed.keys() | lengths.keys() or any(key[name] != fixed[name] for name in fixed):
        raise PasskeyRefused("the passkey's public key is of another kind than its algorithm")
    if any(not isinstance(key[name], bytes) or len(key[name]) != lengths[name] for name in lengths):
        raise PasskeyRefused("the passkey's public key is not as long as its algorithm says")
    if algorithm == EdDSA.ALGORITHM:
        _verify_point(key[-2])
    try:
        key.verify(b"", b"")  # a point that is not on the curve is refused before the signature is
    except InvalidSignature:
        return cbor.encode(dict(key))
    raise PasskeyRefused("the passkey's public key takes any signature")


def _verify_point(encoded: bytes) -> None:
    """Refuse what is no Ed25519 key anywhere else either (conventions.md §2)."""
    try:
        PublicKey(encoded.hex())
    except MalformedError as error:
        raise PasskeyRefused("the passkey's public key is of small order, or not canonical") from error
