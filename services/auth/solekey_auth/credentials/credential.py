"""A login credential: a username, the login key that proves it, and the first factor.

Pure. Spec: authentication.md §2. Credentials are private rows of this service: no event carries any part of
one. A *decoy* is checked in the place of a credential where the name is unknown, so that neither answers nor
times tell who exists.
"""

import re
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NewType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey_auth.credentials.kdf import KDF_FLOOR, KdfParameters, KdfWork
from solekey_auth.limits import MAX_USERNAME_CHARS, MIN_SALT_BYTES, MIN_USERNAME_CHARS, TOTP_SALT_BYTES
from solekey_auth.operator_key import OperatorKey, OperatorKeys, Purpose
from solekey_eventlog.clock import was_written_ahead
from solekey_protocol.errors import SignatureError
from solekey_protocol.ids import RAW_ID_BYTES, AccountId, Digest, PublicKey, SignatureHex
from solekey_protocol.statements import verify_signature
from solekey_service.refusals import BadRequest

Username = NewType("Username", str)
"""A username in its one spelling: NFKC, case folded."""

_USERNAME = re.compile(rf"[a-z0-9._@+-]{{{MIN_USERNAME_CHARS},{MAX_USERNAME_CHARS}}}")


@dataclass(frozen=True, slots=True)
class MovedTotp:
    """What is kept of an authenticator whose secret was made under an earlier operator key.

    Attributes:
        factor_id: as in its event: the salt that it was made of is deleted.
        mask: the secret, masked with what derives from the key and the salt of now: 20 bytes.
    """

    factor_id: Digest
    mask: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credential:
    """What one account logs in with. ``proven`` once a first login showed the second factor."""

    account: AccountId
    username: Username
    login_key: PublicKey
    kdf: KdfParameters
    totp_salt: bytes = field(repr=False)
    registered_at: datetime
    proven: bool = False
    last_totp_step: int = 0
    """The newest TOTP step that was accepted: neither it nor an older one is accepted again."""
    key_number: int = 0
    """Of the operator key that the authenticator's secret derives from, or is masked with."""
    moved_totp: "MovedTotp | None" = None
    """Of an authenticator that was enrolled under an earlier key."""

    def with_new_totp(self, salt: bytes, key_number: int) -> "Credential":
        """Give it another authenticator, which derives from this salt."""
        return replace(self, totp_salt=salt, key_number=key_number, moved_totp=None)

    def is_expired(self, now: datetime, unproven_for: timedelta) -> bool:
        """Whether no login has proven the registration in time, so that its name is free again."""
        if self.proven:
            return False
        return self.registered_at + unproven_for <= now or was_written_ahead(self.registered_at, now)


def parse_username(text: str) -> Username:
    """Fold a username into its one spelling. Raises BadRequest, which does not repeat the input."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    if not _USERNAME.fullmatch(folded):
        raise BadRequest(
            f"username: expected {MIN_USERNAME_CHARS} to {MAX_USERNAME_CHARS} of a-z 0-9 . _ @ + -"
        )
    return Username(folded)


def derive_username_digest(operator_key: OperatorKey, username: Username) -> str:
    """Derive what stands for a username in rows about strangers: people type passwords there."""
    return operator_key.derive(Purpose.USERNAME_DIGEST, username.encode()).hex()


def derive_closed_names(keys: OperatorKeys, username: Username) -> list[Digest]:
    """Derive each digest that may be kept of a name which was closed, under whichever key that was."""
    numbers = range(keys.number + 1)
    derived = (keys.derive_digests(number, Purpose.USERNAME_DIGEST, username.encode()) for number in numbers)
    return [digest for digests in derived for digest in digests]


def derive_decoy(operator_key: OperatorKey, now: datetime) -> Credential:
    """Derive the credential that logins under unknown names are checked against; it opens nothing."""
    seed = operator_key.derive(Purpose.DECOY_CREDENTIAL)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return Credential(
        account=AccountId.from_raw(seed[:RAW_ID_BYTES]),
        username=Username("nobody"),
        login_key=PublicKey(public.hex()),
        kdf=derive_decoy_kdf(operator_key, Username("nobody")),
        totp_salt=seed[:TOTP_SALT_BYTES],
        registered_at=now,
        proven=True,
    )


def derive_decoy_kdf(
    operator_key: OperatorKey, username: Username, wanted: KdfWork | None = None
) -> KdfParameters:
    """Derive an unknown user's parameters.

    Args:
        operator_key: the first one makes the salt the same each time; without it, it looks like a real one.
        username: whose, as far as the client knows.
        wanted: the work that the operator wants accounts to do, as this one seems to.
    """
    salt = operator_key.derive(Purpose.DECOY_SALT, username.encode())[:MIN_SALT_BYTES]
    work = wanted or KDF_FLOOR
    return KdfParameters(work.memory_kib, work.iterations, work.lanes, salt)


def is_signed(login_key: PublicKey, message: bytes, signature: SignatureHex) -> bool:
    """Whether a login key signed this. All parts of a request are checked before any of them is judged."""
    try:
        verify_signature(login_key, message, signature)
    except SignatureError:
        return False
    return True
