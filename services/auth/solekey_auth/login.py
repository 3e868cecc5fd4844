"""Proofs of the login key, and the judgement of a login. Spec: authentication.md §2.2, §3.

*Wire format* of what the login key signs (Ed25519, RFC 8032), each with canonical JSON (RFC 8785):

- to register: ``"solekey/register/v1" ‖ 0x00 ‖ {"account", "kdf", "login_key", "username"}`` as sent;
- to log in: ``"solekey/login/v1" ‖ 0x00 ‖ {"challenge", "origin", "thumbprint", "username"}``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from solekey_auth.factors.proof import Checked, Proof, Proven, find_proven
from solekey_auth.refusals import LoginRefused
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.errors import SignatureError
from solekey_protocol.events.auth import LoginStage
from solekey_protocol.ids import AccountId, DeviceId, PublicKey, SignatureHex
from solekey_protocol.statements import verify_signature

REGISTER_CONTEXT = b"solekey/register/v1\x00"
LOGIN_CONTEXT = b"solekey/login/v1\x00"


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """What a client says to log in. ``said_username`` is the spelling that it signed."""

    said_username: str
    challenge: str = field(repr=False)
    proof: Proof = field(repr=False)
    signature: SignatureHex = field(repr=False)
    device: DeviceId
    thumbprint: str
    origin: str

    def signed_bytes(self) -> bytes:
        """The bytes that the login key signs."""
        return encode_login(self.said_username, self.challenge, self.thumbprint, self.origin)


@dataclass(frozen=True, slots=True)
class PasskeyQuestion:
    """What a client says to learn which passkeys it may use for the login that follows; signed like that."""

    said_username: str
    challenge: str = field(repr=False)
    signature: SignatureHex = field(repr=False)
    device: DeviceId
    thumbprint: str
    origin: str

    def signed_bytes(self) -> bytes:
        """The bytes that the login key signs."""
        return encode_login(self.said_username, self.challenge, self.thumbprint, self.origin)


@dataclass(frozen=True, slots=True)
class VerifiedLogin:
    """A login that was right in every part."""

    account: AccountId
    device: DeviceId
    thumbprint: str
    proven: Proven


def encode_login(username: str, challenge: str, thumbprint: str, origin: str) -> bytes:
    """Encode the bytes that a login's signature covers; ``username`` as it was sent."""
    members = {"challenge": challenge, "origin": origin, "thumbprint": thumbprint, "username": username}
    return LOGIN_CONTEXT + encode_json(members)


def encode_registration(members: Mapping[str, Json]) -> bytes:
    """Encode the bytes that a registration's proof signs: the request's other members, as sent."""
    return REGISTER_CONTEXT + encode_json({name: value for name, value in members.items() if name != "proof"})


def verify_login(
    attempt: LoginAttempt, against: Checked, now: datetime, *, is_decoy: bool, challenge_is_live: bool
) -> VerifiedLogin:
    """Verify the challenge, the login key and the second factor; all of them before any is judged.

    A decoy goes the same way and fails at the end, so neither the answer nor the work tells who exists.

    Raises:
        LoginRefused: with the same words for every cause.
    """
    key_is_right = is_signed_by(against.credential.login_key, attempt)
    proven = find_proven(attempt.proof, attempt.challenge, against, now)
    if is_decoy or not key_is_right or not challenge_is_live:
        raise LoginRefused(LoginStage.LOGIN_KEY)
    if proven is None:
        raise LoginRefused(LoginStage.SECOND_FACTOR)
    return VerifiedLogin(against.credential.account, attempt.device, attempt.thumbprint, proven)


def is_signed_by(login_key: PublicKey, attempt: "LoginAttempt | PasskeyQuestion") -> bool:
    """Whether the login key signed this attempt, or this question before it."""
    try:
        verify_signature(login_key, attempt.signed_bytes(), attempt.signature)
    except SignatureError:
        return False
    return True
