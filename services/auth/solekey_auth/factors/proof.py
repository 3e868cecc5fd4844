"""Proofs of second factors: the same for a login and a step-up.

Pure. What a proof uses up (a step, a counter, a recovery code) is used up by the transaction that accepts it.

Spec: factors.md §2.1, §3.3, §4.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from solekey_auth.credentials.credential import Credential
from solekey_auth.factors.passkeys import (
    Assertion,
    Passkey,
    RelyingParty,
    parse_binary_member,
    verify_assertion,
)
from solekey_auth.factors.recovery_codes import NO_CODES, RecoverySet, find_unused, parse_recovery_code
from solekey_auth.factors.totp import (
    TotpSecret,
    derive_last_credible_step,
    derive_totp_id,
    find_step,
    parse_code,
)
from solekey_auth.limits import MAX_BODY_BYTES
from solekey_auth.refusals import PasskeyRefused
from solekey_protocol.encoding import Json
from solekey_protocol.events.auth import Factor
from solekey_protocol.ids import Digest
from solekey_service.http import expect_string
from solekey_service.refusals import BadRequest

_PASSKEY_MEMBERS = ("credential", "client_data", "authenticator_data", "signature")


@dataclass(frozen=True, slots=True)
class TotpProof:
    """A code of the authenticator app."""

    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecoveryProof:
    """A recovery code, as parsed."""

    code: str = field(repr=False)


Proof = TotpProof | RecoveryProof | Assertion
"""What a client sends to prove a second factor."""


@dataclass(frozen=True, slots=True)
class ProvenTotp:
    """A code that is right. Its step is not used up yet."""

    factor_id: Digest
    step: int
    factor: Factor = Factor.TOTP


@dataclass(frozen=True, slots=True)
class ProvenPasskey:
    """An assertion that is right. The passkey's counter is not raised yet."""

    factor_id: Digest
    passkey: Passkey
    sign_count: int
    factor: Factor = Factor.PASSKEY


@dataclass(frozen=True, slots=True)
class ProvenRecoveryCode:
    """A recovery code that is right. It is not used up yet.

    Attributes:
        factor_id: its set.
        digest: what is kept of it.
        left: how many of the set are left without it.
    """

    factor_id: Digest
    digest: Digest = field(repr=False)
    left: int
    factor: Factor = Factor.RECOVERY_CODES


Proven = ProvenTotp | ProvenPasskey | ProvenRecoveryCode


def find_codes_left(proven: Proven) -> int | None:
    """Find how many recovery codes are left by a proof that uses one up; None for other proofs."""
    return proven.left if isinstance(proven, ProvenRecoveryCode) else None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a proof is checked against: the factors of an account, or of a decoy for a name that nobody has.

    Attributes:
        credential: whose.
        totp_secret: shared with the authenticator app.
        passkey: the account's passkey that the proof names, if there is one.
        party: for whom passkeys are; None where there are none.
        codes: the account's unused recovery codes, if the proof is one.
        code_digest: what the proof's recovery code derives to, for this account and set.
    """

    credential: Credential
    totp_secret: TotpSecret = field(repr=False)
    passkey: Passkey | None = None
    party: RelyingParty | None = None
    codes: RecoverySet = NO_CODES
    code_digest: Digest | None = field(default=None, repr=False)


def parse_proof(document: Json) -> Proof:
    """Parse the member ``factor``. Raises BadRequest, which does not repeat the input."""
    if not isinstance(document, Mapping):
        raise BadRequest("body.factor: expected an object")
    match document.get("kind"):
        case "totp":
            _expect_exactly(document, "code")
            return TotpProof(parse_code(expect_string(document, "code", max_chars=MAX_BODY_BYTES)))
        case "recovery_code":
            _expect_exactly(document, "code")
            code = expect_string(document, "code", max_chars=MAX_BODY_BYTES)
            return RecoveryProof(parse_recovery_code(code))
        case "passkey":
            _expect_exactly(document, *_PASSKEY_MEMBERS)
            return Assertion(*(parse_binary_member(document, member) for member in _PASSKEY_MEMBERS))
    raise BadRequest("body.factor.kind: expected totp, recovery_code or passkey")


def find_proven(proof: Proof, challenge: str, against: Checked, now: datetime) -> Proven | None:
    """Find which factor a proof proves; None if it proves none.

    Args:
        proof: as sent.
        challenge: what a passkey must have signed; codes sign nothing.
        against: the account's factors.
        now: the time at which a code must be valid.
    """
    match proof:
        case TotpProof(code):
            step = find_step(against.totp_secret, code, now)
            last = against.credential.last_totp_step
            if step is None or step <= last <= derive_last_credible_step(now):
                return None
            return ProvenTotp(derive_totp_id(against.credential), step)
        case RecoveryProof():
            digest = None if against.code_digest is None else find_unused(against.codes, against.code_digest)
            if digest is None:
                return None
            return ProvenRecoveryCode(against.codes.factor_id, digest, len(against.codes.unused) - 1)
        case Assertion():
            if against.passkey is None or against.party is None:
                return None
            try:
                count = verify_assertion(against.party, bytes.fromhex(challenge), against.passkey, proof)
            except PasskeyRefused:
                return None
            return ProvenPasskey(against.passkey.factor_id, against.passkey, count)


def _expect_exactly(document: Mapping[str, Json], *members: str) -> None:
    if document.keys() != {"kind", *members}:
        raise BadRequest(f"body.factor: expected exactly the members kind, {', '.join(members)}")
