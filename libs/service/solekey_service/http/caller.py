"""Who calls: established by the guard, read by the services. Spec: tokens.md §5."""

from dataclasses import dataclass
from datetime import datetime

from solekey_protocol.ids import (
    AccountId,
    DeviceId,
    Digest,
    PublicKey,
    SessionId,
    compute_digest,
    derive_device_id,
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The account, device and open session behind a request whose token and proof were verified."""

    account: AccountId
    device: DeviceId
    session: SessionId
    device_key: PublicKey


@dataclass(frozen=True, slots=True)
class DpopProof:
    """A verified DPoP proof (RFC 9449): the sender holds the private half of ``device_key``."""

    device_key: PublicKey
    thumbprint: str
    """RFC 7638 thumbprint of the key, base64url: what a token's ``cnf.jkt`` must equal."""
    proof_id: str
    """The ``jti``; single use."""
    issued_at: datetime
    token_hash: str | None
    """The ``ath``: base64url SHA-256 of the access token that comes with it, if one does."""

    @property
    def device(self) -> DeviceId:
        """The id of the device that holds the key."""
        return derive_device_id(self.device_key)

    @property
    def digest(self) -> Digest:
        """What the proof is remembered by once it was used: its id counts for its key alone."""
        return compute_digest(f"{self.thumbprint}.{self.proof_id}".encode())
