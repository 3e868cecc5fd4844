"""The keys that sign access tokens, and the tokens of a session. Spec: tokens.md §2."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey_auth.limits import SECRET_BYTES, AuthLimits
from solekey_protocol.ids import AccountId, DeviceId, KeyId, PublicKey, SessionId
from solekey_protocol.services import TOKEN_AUDIENCES, Service
from solekey_service.access.tokens import AccessClaims, mint_access_token

KEY_ID_CONTEXT = b"solekey/v1/signing-key-id\x00"
KEY_CONTEXT = b"solekey/v1/signing-key\x00"


class SigningKey:
    """An Ed25519 seed (RFC 8032) with its public name. Prints as redacted, refuses pickling."""

    __slots__ = ("_seed", "key_id", "public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SECRET_BYTES:
            raise ValueError(f"a signing key's seed is {SECRET_BYTES} bytes")
        self._seed = seed
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        self.public_key = PublicKey(public.hex())
        self.key_id = derive_key_id(self.public_key)

    def mint(self, claims: AccessClaims) -> str:
        """Sign one access token."""
        return mint_access_token(claims, key_id=self.key_id, private_key=self._seed)

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id}, <redacted>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key is not pickled")


class SigningSecret:
    """The operator's 32 secret bytes that signing keys derive from. Prints as redacted, refuses pickling."""

    __slots__ = ("_keys", "_secret")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"the signing secret is {SECRET_BYTES} bytes")
        self._secret = secret
        self._keys: dict[int, SigningKey] = {}

    def derive_key(self, generation: int) -> SigningKey:
        """Derive the key of a generation, from 0: its seed is HMAC-SHA256 over the label and the number.

        *Wire format* of the message: ``"solekey/v1/signing-key" ‖ 0x00 ‖ u32(generation)``.
        """
        if generation not in self._keys:
            message = KEY_CONTEXT + generation.to_bytes(4, "big")
            self._keys[generation] = SigningKey(hmac.new(self._secret, message, hashlib.sha256).digest())
        return self._keys[generation]

    def __repr__(self) -> str:
        return "SigningSecret(<redacted>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing secret is not pickled")


@dataclass(frozen=True, slots=True)
class TokenSubject:
    """Whose tokens are minted: a session as it stands at ``auth_seq``."""

    account: AccountId
    device: DeviceId
    session: SessionId
    thumbprint: str
    auth_seq: int
    expires_at: datetime


def derive_key_id(public_key: PublicKey) -> KeyId:
    """Derive a signing key's id: 16 bytes of SHA-256("solekey/v1/signing-key-id" ‖ 0x00 ‖ public key)."""
    return KeyId(hashlib.sha256(KEY_ID_CONTEXT + bytes.fromhex(public_key)).hexdigest()[:32])


def derive_lifetime_s(subject: TokenSubject, now: datetime, limits: AuthLimits) -> int:
    """Derive for how many whole seconds tokens minted now are valid; never beyond the session's end."""
    return int(min(limits.access_token, subject.expires_at - now).total_seconds())


def mint_tokens(
    key: SigningKey, subject: TokenSubject, *, issuer: str, now: datetime, limits: AuthLimits, token_id: str
) -> dict[Service, str]:
    """Mint a token for each service that takes one: none can use at another what it was shown."""
    issued_at_s = int(now.timestamp())
    expires_at_s = issued_at_s + max(1, derive_lifetime_s(subject, now, limits))
    return {
        audience: key.mint(
            AccessClaims(
                issuer=issuer,
                audience=audience,
                account=subject.account,
                device=subject.device,
                session=subject.session,
                thumbprint=subject.thumbprint,
                auth_seq=subject.auth_seq,
                issued_at_s=issued_at_s,
                expires_at_s=expires_at_s,
                token_id=f"{token_id}.{audience.value}",
            )
        )
        for audience in TOKEN_AUDIENCES
    }
