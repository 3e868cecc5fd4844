"""The login key: proves a password without showing it, and decrypts nothing. Spec: keys.md §6."""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from solekey.crypto.hkdf import KEY_BYTES, Label, derive_bytes
from solekey.crypto.secrets import RandomSource
from solekey.crypto.signing import SigningKey
from solekey.errors import (
    EmptyPasswordError,
    KdfDowngradeError,
    KdfExcessiveError,
    KdfParametersError,
    PasswordTextError,
)
from solekey_protocol.encoding import Json, encode_json

ALGORITHM: Final = "argon2id"
# Floor: RFC 9106 section 4, second recommended choice.
MIN_MEMORY_KIB: Final = 64 * 1024
MIN_ITERATIONS: Final = 3
MIN_LANES: Final = 4
MIN_SALT_BYTES: Final = 16
# Ceiling: what a hostile server may make this machine do.
MAX_MEMORY_KIB: Final = 1024 * 1024  # 1 GiB
MAX_ITERATIONS: Final = 16
MAX_LANES: Final = 16
MAX_SALT_BYTES: Final = 64
# The most that new parameters get because a server asks for it: they are never made weaker again anywhere.
ASKED_MEMORY_KIB: Final = 256 * 1024  # 256 MiB
ASKED_ITERATIONS: Final = 8
ASKED_LANES: Final = 4

_SALT_CONTEXT: Final = b"solekey/v1/login-salt\x00"
_MEMBERS: Final = frozenset({"algorithm", "memory_kib", "iterations", "lanes", "salt"})


@dataclass(frozen=True, slots=True)
class UntrustedKdfParameters:
    """Password parameters as a server sent them; only `accept_kdf_parameters` makes them usable."""

    memory_kib: int
    iterations: int
    lanes: int
    salt: bytes

    @classmethod
    def parse(cls, value: Json) -> Self:
        """Parse ``{"algorithm", "memory_kib", "iterations", "lanes", "salt"}``; the salt is lower-case hex.

        Raises:
            KdfParametersError: missing or unknown members, wrong types, another algorithm.
        """
        if not isinstance(value, Mapping) or value.keys() != _MEMBERS or value["algorithm"] != ALGORITHM:
            raise KdfParametersError("the server's password parameters are not Argon2id parameters")
        memory_kib, iterations, lanes = value["memory_kib"], value["iterations"], value["lanes"]
        if type(memory_kib) is not int or type(iterations) is not int or type(lanes) is not int:
            raise KdfParametersError("the server's password parameters are not whole numbers")
        return cls(memory_kib, iterations, lanes, _parse_salt(value["salt"]))


@dataclass(frozen=True, slots=True)
class KdfStrength:
    """How much work password parameters ask for, without their salt. Spec: keys.md §6.3."""

    memory_kib: int
    iterations: int
    lanes: int

    @classmethod
    def parse(cls, value: Json) -> Self:
        """Parse ``{"iterations", "lanes", "memory_kib"}``, perhaps beside other members.

        Raises:
            KdfParametersError: missing, or no whole numbers.
        """
        members = value if isinstance(value, Mapping) else {}
        work = members.get("memory_kib"), members.get("iterations"), members.get("lanes")
        if not all(type(number) is int for number in work):
            raise KdfParametersError("the password parameters are not whole numbers")
        return cls(*work)  # type: ignore[arg-type]  # held to their types above

    def capped(self) -> Self:
        """What of it a client does because a server asks for it: small devices must go on logging in."""
        return type(self)(
            min(self.memory_kib, ASKED_MEMORY_KIB),
            min(self.iterations, ASKED_ITERATIONS),
            min(self.lanes, ASKED_LANES),
        )

    def stretch(self, password: bytes, salt: bytes) -> bytes:
        """Stretch a password to 32 bytes: Argon2id, version 0x13 (RFC 9106)."""
        kdf = Argon2id(
            salt=salt,
            length=KEY_BYTES,
            iterations=self.iterations,
            lanes=self.lanes,
            memory_cost=self.memory_kib,
        )
        return kdf.derive(password)

    def encode(self) -> dict[str, Json]:
        """Encode for a profile, as `parse` reads it."""
        return {"iterations": self.iterations, "lanes": self.lanes, "memory_kib": self.memory_kib}

    def __or__(self, other: "KdfStrength") -> "KdfStrength":
        """The work that is at least either."""
        return KdfStrength(
            max(self.memory_kib, other.memory_kib),
            max(self.iterations, other.iterations),
            max(self.lanes, other.lanes),
        )


@dataclass(frozen=True, slots=True)
class KdfParameters:
    """Password parameters inside the client's floor and ceiling."""

    memory_kib: int
    iterations: int
    lanes: int
    salt: bytes

    def __post_init__(self) -> None:
        _verify_floor(self.memory_kib, self.iterations, self.lanes, self.salt)
        _verify_ceiling(self.memory_kib, self.iterations, self.lanes, self.salt)

    @classmethod
    def make(cls, random: RandomSource, strength: KdfStrength | None = None) -> Self:
        """Make the parameters of a new password, with a fresh salt: the floor, or more.

        Raises:
            KdfExcessiveError: above the ceiling.
        """
        work = FLOOR | strength if strength is not None else FLOOR
        return cls(work.memory_kib, work.iterations, work.lanes, random(MIN_SALT_BYTES))

    @property
    def strength(self) -> KdfStrength:
        """How much work they ask for."""
        return KdfStrength(self.memory_kib, self.iterations, self.lanes)

    def encode(self) -> dict[str, Json]:
        """Encode for the server, as `UntrustedKdfParameters.parse` reads it."""
        return {
            "algorithm": ALGORITHM,
            "memory_kib": self.memory_kib,
            "iterations": self.iterations,
            "lanes": self.lanes,
            "salt": self.salt.hex(),
        }


FLOOR: Final = KdfStrength(MIN_MEMORY_KIB, MIN_ITERATIONS, MIN_LANES)


@dataclass(frozen=True, slots=True)
class LoginIdentity:
    """Whose login key it is and where it is used: no table of passwords serves two. Spec: keys.md §6.1.

    Attributes:
        origin: the server's, such as ``https://solekey.example``, when the login key was made.
        username: in any spelling that the server folds into one.
    """

    origin: str
    username: str

    def bind(self, salt: bytes) -> bytes:
        """Bind a server's salt to the two: 32 bytes."""
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", self.username).casefold())
        members: dict[str, Json] = {"origin": self.origin, "salt": salt.hex(), "username": folded}
        return hashlib.sha256(_SALT_CONTEXT + encode_json(members)).digest()


@dataclass(frozen=True, slots=True)
class KnownKdf:
    """What a device remembers of the login key that it used last. Spec: keys.md §6.3.

    Attributes:
        strength: how much work the password was stretched with; never less from then on.
        salt: the server's; another one needs a ``login_key_changed`` event.
        origin: what the salt was bound to.
        seq: the account's auth event as of which that was so.
    """

    strength: KdfStrength
    salt: bytes
    origin: str
    seq: int

    @classmethod
    def parse(cls, value: Json) -> Self:
        """Parse a profile's ``{"iterations", "lanes", "memory_kib", "origin", "salt", "seq"}``.

        Raises:
            KdfParametersError: a member is missing or of another type.
        """
        members = value if isinstance(value, Mapping) else {}
        origin, seq = members.get("origin"), members.get("seq")
        if not isinstance(origin, str) or type(seq) is not int:
            raise KdfParametersError("what is remembered of the password's parameters is damaged")
        return cls(KdfStrength.parse(value), _parse_salt(members.get("salt")), origin, seq)

    def encode(self) -> dict[str, Json]:
        """Encode for a profile, as `parse` reads it."""
        rest: dict[str, Json] = {"origin": self.origin, "salt": self.salt.hex(), "seq": self.seq}
        return {**self.strength.encode(), **rest}


class LoginKey(SigningKey):
    """Signs login challenges; the server knows only its public half."""

    __slots__ = ()


def accept_kdf_parameters(
    untrusted: UntrustedKdfParameters, known: KdfStrength | None = None
) -> KdfParameters:
    """Accept a server's parameters if they are inside the client's floor and ceiling. Spec: keys.md §6.2.

    Args:
        untrusted: what the server says.
        known: what this account's password was stretched with before, if this device knows it.

    Raises:
        KdfDowngradeError: weaker than 64 MiB, 3 iterations, 4 lanes or a salt of 16 bytes, or than ``known``.
        KdfExcessiveError: above 1 GiB, 16 iterations, 16 lanes or a salt of 64 bytes.
    """
    accepted = KdfParameters(untrusted.memory_kib, untrusted.iterations, untrusted.lanes, untrusted.salt)
    if known is not None and accepted.strength | known != accepted.strength:
        raise KdfDowngradeError("the password parameters are weaker than they were for this account")
    return accepted


def derive_login_key(password: str, parameters: KdfParameters, identity: LoginIdentity) -> LoginKey:
    """Derive the login key: HKDF(Argon2id(NFKC(password), bound salt)) is its Ed25519 seed.

    Spec: keys.md §6.

    Raises:
        EmptyPasswordError: the password is empty, also after normalisation.
        PasswordTextError: the password is no Unicode text (lone surrogates).
    """
    salt = identity.bind(parameters.salt)
    stretched = parameters.strength.stretch(_encode_password(password), salt)
    return LoginKey(derive_bytes(stretched, salt=salt, label=Label.LOGIN_KEY, size=KEY_BYTES))


def _encode_password(password: str) -> bytes:
    normalised = unicodedata.normalize("NFKC", password)
    if any("\ud800" <= character <= "\udfff" for character in normalised):
        raise PasswordTextError("the password is no Unicode text")  # encode()'s own error would show it
    if not normalised:
        raise EmptyPasswordError("the password is empty")
    return normalised.encode()


def _parse_salt(value: Json) -> bytes:
    try:
        if isinstance(value, str) and bytes.fromhex(value).hex() == value:
            return bytes.fromhex(value)
    except ValueError as error:
        raise KdfParametersError("the server's salt is not hex") from error
    raise KdfParametersError("the server's salt is not lower-case hex")


def _verify_floor(memory_kib: int, iterations: int, lanes: int, salt: bytes) -> None:
    if (
        memory_kib < MIN_MEMORY_KIB
        or iterations < MIN_ITERATIONS
        or lanes < MIN_LANES
        or len(salt) < MIN_SALT_BYTES
    ):
        raise KdfDowngradeError("the password parameters are weaker than this client allows")


def _verify_ceiling(memory_kib: int, iterations: int, lanes: int, salt: bytes) -> None:
    if (
        memory_kib > MAX_MEMORY_KIB
        or iterations > MAX_ITERATIONS
        or lanes > MAX_LANES
        or len(salt) > MAX_SALT_BYTES
    ):
        raise KdfExcessiveError("the password parameters would exhaust this machine")
