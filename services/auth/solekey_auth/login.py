"""Proofs of the login key, and the judgement of a login. Spec: authentication.md §2.2, §3.

*Wire format* of what the login key signs (Ed25519, RFC 8032), each with canonical JSON (RFC 8785):

- to register: ``"solekey/register/v1" ‖ 0x00 ‖ {"account", "kdf", "login_key", "username"}`` as sent;
- to log in: ``"solekey/login/v1" ‖ 0x00 ‖ {"challenge", "origin", "thumbprint", "username"}``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from solekey_auth.credential import Credential
from solekey_auth.refusals import LoginRefused
from solekey_auth.totp import TotpSecret, derive_totp_id, find_step
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.errors import SignatureError
from solekey_protocol.events.auth import Factor, LoginStage
from solekey_protocol.ids import AccountId, DeviceId, Digest, PublicKey, SignatureHex
from solekey_protocol.statements import verify_signature

REGISTER_CONTEXT = b"solekey/register/v1\x00"
LOGIN_CONTEXT = b"solekey/login/v1\x00"


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """What a client says to log in. ``said_username`` is the spelling that it signed."""

    said_username: str
    challenge: str = field(repr=False)
    code: str = field(repr=False)
    signature: SignatureHex = field(repr=False)
    device: DeviceId
    thumbprint: str
    origin: str

    def signed_bytes(self) -> bytes:
        """The bytes that the login key signs."""
        return LOGIN_CONTEXT + encode_json(
            {
                "challenge": self.challenge,
                "origin": self.origin,
                "thumbprint": self.thumbprint,
                "username": self.said_username,
            }
        )


@dataclass(frozen=True, slots=True)
class VerifiedLogin:
    """A login that was right in every part."""

    account: AccountId
    device: DeviceId
    thumbprint: str
    factor: Factor
    factor_id: Digest
    totp_step: int


@dataclass(frozen=True, slots=True)
class Checked:
    """What an attempt is checked against: a real credential, or a decoy for a name that nobody has."""

    credential: Credential
    totp_secret: TotpSecret = field(repr=False)
    is_decoy: bool
    challenge_is_live: bool


def encode_registration(members: Mapping[str, Json]) -> bytes:
    """Encode the bytes that a registration's proof signs: the request's other members, as sent."""
    return REGISTER_CONTEXT + encode_json({name: value for name, value in members.items() if name != "proof"})


def verify_login(attempt: LoginAttempt, against: Checked, now: datetime) -> VerifiedLogin:
    """Verify the challenge, the login key and the code; all of them before any is judged.

    A decoy goes the same way and fails at the end, so neither the answer nor the work tells who exists.

    Raises:
        LoginRefused: with the same words for every cause.
    """
    key_is_right = _signature_is_right(against.credential.login_key, attempt)
    step = find_step(against.totp_secret, attempt.code, now)
    if against.is_decoy or not key_is_right or not against.challenge_is_live:
        raise LoginRefused(LoginStage.LOGIN_KEY)
    if step is None or step <= against.credential.last_totp_step:
        raise LoginRefused(LoginStage.SECOND_FACTOR)
    factor_id = derive_totp_id(against.credential)
    return VerifiedLogin(
        against.credential.account, attempt.device, attempt.thumbprint, Factor.TOTP, factor_id, step
    )


def _signature_is_right(login_key: PublicKey, attempt: LoginAttempt) -> bool:
    try:
        verify_signature(login_key, attempt.signed_bytes(), attempt.signature)
    except SignatureError:
        return False
    return True
