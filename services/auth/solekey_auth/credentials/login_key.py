"""What the login key signs once somebody is logged in: another key in its place, and the account's end.

Spec: authentication.md §4, §5.

*Wire format* of what is signed (Ed25519, RFC 8032), each with canonical JSON (RFC 8785):

- another key: ``"solekey/login-key/v1" ‖ 0x00 ‖ {"challenge", "kdf", "login_key", "origin", "reason"}``, by
  both keys;
- the end: ``"solekey/close/v1" ‖ 0x00 ‖ {"account", "challenge", "origin"}``.
"""

from dataclasses import dataclass, field

from solekey_auth.credentials.credential import Credential, KdfParameters
from solekey_auth.refusals import LoginRefused
from solekey_protocol.encoding import encode_json
from solekey_protocol.errors import SignatureError
from solekey_protocol.events.auth import LoginKeyChange, LoginStage
from solekey_protocol.ids import AccountId, Digest, PublicKey, SignatureHex
from solekey_protocol.statements import verify_signature

CHANGE_CONTEXT = b"solekey/login-key/v1\x00"
CLOSE_CONTEXT = b"solekey/close/v1\x00"


@dataclass(frozen=True, slots=True)
class NewLoginKey:
    """Another login key, as its user asks for it: ``signature`` is by the present key, ``proof`` by it."""

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
    """The end of an account, as its user asks for it."""

    account: AccountId
    challenge: Digest = field(repr=False)
    signature: SignatureHex = field(repr=False)
    origin: str

    def signed_bytes(self) -> bytes:
        """The bytes that the login key signs."""
        members = {"account": self.account, "challenge": self.challenge, "origin": self.origin}
        return CLOSE_CONTEXT + encode_json(members)


def verify_new_login_key(asked: NewLoginKey, present: Credential, *, challenge_is_live: bool) -> NewLoginKey:
    """Verify the challenge and both keys' signatures; all of them before any is judged.

    Raises:
        LoginRefused: with the same words for every cause.
    """
    signed = asked.signed_bytes()
    agreed = _is_signed(present.login_key, signed, asked.signature)
    proven = _is_signed(asked.login_key, signed, asked.proof)
    if not (agreed and proven and challenge_is_live):
        raise LoginRefused(LoginStage.LOGIN_KEY)
    return asked


def verify_closing(asked: Closing, present: Credential, *, challenge_is_live: bool) -> Closing:
    """Verify the challenge and the signature. Raises LoginRefused, with the same words for every cause."""
    agreed = _is_signed(present.login_key, asked.signed_bytes(), asked.signature)
    if not (agreed and challenge_is_live):
        raise LoginRefused(LoginStage.LOGIN_KEY)
    return asked


def is_repetition(asked: NewLoginKey, present: Credential) -> bool:
    """Whether this very key is in force already and proves it: the answer to the same request was lost."""
    in_force = (asked.login_key, asked.kdf) == (present.login_key, present.kdf)
    return in_force and _is_signed(present.login_key, asked.signed_bytes(), asked.proof)


def _is_signed(key: PublicKey, message: bytes, signature: SignatureHex) -> bool:
    try:
        verify_signature(key, message, signature)
    except SignatureError:
        return False
    return True
