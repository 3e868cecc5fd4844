"""Second factors, as a program proves them: an authenticator's code, a recovery code, a passkey.

The same proof serves a login and a step-up; both have a challenge, which a passkey signs. Wherever a proof is
taken, plain text is an authenticator's code. Spec: authentication.md §3.2, factors.md §5, §3.3.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from solekey.connection.passkeys import PasskeyDevice, prove_passkey
from solekey.crypto import Confidential
from solekey_protocol.encoding import Json


@dataclass(frozen=True, slots=True)
class FactorChallenge:
    """What a second factor is proven for.

    Attributes:
        origin: the server that the profile is pinned to.
        challenge: its challenge, in hex.
        find_passkeys: asks for the account's credential ids, if they are needed.
    """

    origin: str
    challenge: str
    find_passkeys: Callable[[], Json]


class SecondFactor(Protocol):
    """Something that proves itself once."""

    def prove(self, challenge: FactorChallenge) -> Mapping[str, Json]:
        """Prove it and return the member ``factor`` of the request."""
        ...


Proof = str | SecondFactor
"""An authenticator's code as text, or another second factor."""


@dataclass(frozen=True, slots=True, repr=False)
class TotpCode(Confidential):
    """A code of the authenticator app; blanks that a person types are left out."""

    code: str

    def prove(self, challenge: FactorChallenge) -> Mapping[str, Json]:
        """See SecondFactor."""
        del challenge
        return {"kind": "totp", "code": "".join(self.code.split())}


@dataclass(slots=True, repr=False)
class CheckedCode(Confidential):
    """A code of the authenticator app, for a login: the password is checked before the code is used up.

    Who is refused with it knows whether another code may help.

    Attributes:
        code: the code.
        password_is_right: whether the server has accepted the password.
    """

    code: str
    password_is_right: bool = False

    def prove(self, challenge: FactorChallenge) -> Mapping[str, Json]:
        """See SecondFactor. Raises LoginRefusedError: the password is wrong."""
        challenge.find_passkeys()  # only who has the password is answered
        self.password_is_right = True
        return TotpCode(self.code).prove(challenge)


@dataclass(frozen=True, slots=True, repr=False)
class RecoveryCode(Confidential):
    """One of the account's recovery codes. It is used up, and opens nothing: it stands for a code only."""

    code: str

    def prove(self, challenge: FactorChallenge) -> Mapping[str, Json]:
        """See SecondFactor."""
        del challenge
        return {"kind": "recovery_code", "code": "".join(self.code.split()).lower()}


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of the account, on a security key or a stand-in for one."""

    device: PasskeyDevice

    def prove(self, challenge: FactorChallenge) -> Mapping[str, Json]:
        """Have the device sign the challenge. Raises PasskeyError."""
        found = challenge.find_passkeys()
        return prove_passkey(self.device, challenge.origin, challenge.challenge, found)


def open_proof(proof: Proof) -> SecondFactor:
    """Take plain text as an authenticator's code."""
    return TotpCode(proof) if isinstance(proof, str) else proof
