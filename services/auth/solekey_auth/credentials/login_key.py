"""What a login key signs: a registration, a login, another key in its place, the account's end.

Pure. Spec: authentication.md §2.2, §3, §4, §5.

*Wire format* of what is signed (Ed25519, RFC 8032), each with canonical JSON (RFC 8785):

- to register: ``"solekey/register/v1" ‖ 0x00 ‖ {"account", "kdf", "login_key", "username"}`` as sent;
- to log in: ``"solekey/login/v1" ‖ 0x00 ‖ {"challenge", "origin", "thumbprint", "username"}``;
- to replace the key, by both keys:
  ``"solekey/login-key/v1" ‖ 0x00 ‖ {"challenge", "kdf", "login_key", "origin", "reason"}``;
- to close the account: ``"solekey/close/v1" ‖ 0x00 ‖ {"account", "challenge", "origin"}``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from solekey_auth.credentials.credential import Credential
from solekey_auth.credentials.kdf import KdfParameters
from solekey_auth.refusals import LoginRefused
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.errors import SignatureError
from solekey_protocol.events.auth import LoginKeyChange, LoginStage
from solekey_protocol.ids import AccountId, DeviceId, Digest, PublicKey, SignatureHex
from solekey_protocol.statements import verify_signature

REGISTER_CONTEXT = b"solekey/register/v1\x00"
LOGIN_CONTEXT = b"solekey/login/v1\x00"
CHANGE_CONTEXT = b"solekey/login-key/v1\x00"
CLOSE_CONTEXT = b"solekey/close/v1\x00"


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """What a client signs to log in, and before that to learn which passkeys it may use.

    Attributes:
        claimed_username: in the spelling that was signed.
        challenge: that the server gave for this name.
        signature: by the login key.
        device: whose key signed the request's DPoP proof.
        thumbprint: of that key.
        origin: of this server.
    """

    claimed_username: str
    challenge: Digest = field(repr=False)
    signature: SignatureHex = field(repr=False)
    device: DeviceId
    thumbprint: str
    origin: str

    def signed_bytes(self) -> bytes:
        """The bytes that the login key signs."""
        members: dict[str, Json] = {
            "challenge": self.challenge,
            "origin": self.origin,
            "thumbprint": self.thumbprint,
            "username": self.claimed_username,
        }
        return LOGIN_CONTEXT + encode_json(members)

    def is_signed_by(self, login_key: PublicKey) -> bool:
        """Whether this login key signed it."""
        return _is_signed(login_key, self.signed_bytes(), self.signature)


@dataclass(frozen=True, slots=True)
class NewLoginKey:
    """A request to replace the login key.

    Attributes:
        challenge: that the server gave for the account's name.
        kdf: what the new key is stretched with.
        login_key: the new key.
        reason: a new password, or more work for the same one.
        signature: by the present key.
        proof: by the new key.
        origin: of this server.
    """

    challenge: Digest = field(repr=False)
    kdf: KdfParameters
    login_key: PublicKey
    reason: LoginKeyChange
    signature: SignatureHex = field(repr=False)
    proof: SignatureHex = field(repr=False)
    origin: str

    def signed_bytes(self) -> bytes:
        """The bytes that both keys sign."""
        return CHANGE_CONTEXT + encode_json(
            {
                "challenge": self.challenge,
                "kdf": self.kdf.to_json(),
                "login_key": self.login_key,
                "origin": self.origin,
                "reason": self.reason.value,
            }
        )


@dataclass(frozen=True, slots=True)
class Closing:
    """A request to close an account."""

    account: AccountId
    challenge: Digest = field(repr=False)
    signature: SignatureHex = field(repr=False)
    origin: str

    def signed_bytes(self) -> bytes:
        """The bytes that the login key signs."""
        members = {"account": self.account, "challenge": self.challenge, "origin": self.origin}
        return CLOSE_CONTEXT + encode_json(members)


def encode_registration(members: Mapping[str, Json]) -> bytes:
    """Encode the bytes that a registration's proof signs: the request's other members, as sent."""
    return REGISTER_CONTEXT + encode_json({name: value for name, value in members.items() if name != "proof"})


def verify_new_login_key(
    request: NewLoginKey, present: Credential, *, challenge_is_live: bool
) -> NewLoginKey:
    """Verify the challenge and both keys' signatures; all of them before any is judged.

    Raises:
        LoginRefused: with the same words for every cause.
    """
    signed = request.signed_bytes()
    agreed = _is_signed(present.login_key, signed, request.signature)
    proven = _is_signed(request.login_key, signed, request.proof)
    if not (agreed and proven and challenge_is_live):
        raise LoginRefused(LoginStage.LOGIN_KEY)
    return request


def verify_closing(request: Closing, present: Credential, *, challenge_is_live: bool) -> Closing:
    """Verify the challenge and the signature. Raises LoginRefused, with the same words for every cause."""
    agreed = _is_signed(present.login_key, request.signed_bytes(), request.signature)
    if not (agreed and challenge_is_live):
        raise LoginRefused(LoginStage.LOGIN_KEY)
    return request


def is_repetition(request: NewLoginKey, present: Credential) -> bool:
    """Whether this very key is in force already and proves it: the answer to the same request was lost."""
    in_force = (request.login_key, request.kdf) == (present.login_key, present.kdf)
    return in_force and _is_signed(present.login_key, request.signed_bytes(), request.proof)


def _is_signed(key: PublicKey, message: bytes, signature: SignatureHex) -> bool:
    try:
        verify_signature(key, message, signature)
    except SignatureError:
        return False
    return True
