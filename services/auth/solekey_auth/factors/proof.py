"""Proofs of second factors: the same for a login and a step-up.

Pure. What a proof uses up (a step, a counter, a recovery code) is used up by the transaction that accepts it.

Spec: factors.md §2.1, §3.3, §4.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from solekey_auth.credentials.credential import Credential
from solekey_auth.domain import FactorUse
from solekey_auth.factors.passkeys import (
    Assertion,
    Passkey,
    RelyingParty,
    parse_binary_member,
    verify_assertion,
)
from solekey_auth.factors.recovery_codes import (
    NO_CODES,
    RecoverySet,
    derive_code_digests,
    find_unused,
    parse_recovery_code,
)
from solekey_auth.factors.totp import (
    derive_last_credible_step,
    derive_secret,
    derive_totp_id,
    find_step,
    parse_code,
)
from solekey_auth.limits import MAX_BODY_BYTES
from solekey_auth.operator_key import OperatorKeys
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

    use: FactorUse
    step: int


@dataclass(frozen=True, slots=True)
class ProvenPasskey:
    """An assertion that is right. The passkey's counter is not raised yet."""

    use: FactorUse
    passkey: Passkey
    sign_count: int


@dataclass(frozen=True, slots=True)
class ProvenRecoveryCode:
    """A recovery code that is right, as it is kept. It is not used up yet."""

    use: FactorUse
    digest: Digest = field(repr=False)


Proven = ProvenTotp | ProvenPasskey | ProvenRecoveryCode


@dataclass(frozen=True, slots=True)
class Checked:
    """What a proof is checked against: the factors of an account, or of a decoy for an unknown name.

    Attributes:
        credential: whose.
        passkey: the account's passkey that the proof names, if there is one.
        codes: the account's unused recovery codes, if the proof is one.
    """

    credential: Credential
    passkey: Passkey | None = None
    codes: RecoverySet = NO_CODES


class Verifier:
    """Finds what a proof proves.

    Args:
        operator_keys: authenticator secrets and recovery codes derive from them.
        party: for whom passkeys are; None where there are none.
    """

    def __init__(self, operator_keys: OperatorKeys, party: RelyingParty | None) -> None:
        self._operator_keys = operator_keys
        self._party = party

    def find_proven(self, proof: Proof, challenge: str, against: Checked, now: datetime) -> Proven | None:
        """Find which factor a proof proves; None if it proves none.

        Args:
            proof: as sent.
            challenge: what a passkey must have signed; codes sign nothing.
            against: the account's factors.
            now: the time at which a code must be valid.
        """
        match proof:
            case TotpProof(code):
                return self._find_totp(code, against.credential, now)
            case RecoveryProof(code):
                return self._find_code(code, against)
            case Assertion():
                return self._find_passkey(proof, challenge, against.passkey)

    def _find_totp(self, code: str, credential: Credential, now: datetime) -> ProvenTotp | None:
        step = find_step(derive_secret(self._operator_keys, credential), code, now)
        if step is None or step <= credential.last_totp_step <= derive_last_credible_step(now):
            return None
        return ProvenTotp(FactorUse(Factor.TOTP, derive_totp_id(credential)), step)

    def _find_code(self, code: str, against: Checked) -> ProvenRecoveryCode | None:
        account, codes = against.credential.account, against.codes
        digest = find_unused(codes, derive_code_digests(self._operator_keys, account, codes, code))
        if digest is None:
            return None
        use = FactorUse(Factor.RECOVERY_CODES, codes.factor_id, codes_left=len(codes.unused) - 1)
        return ProvenRecoveryCode(use, digest)

    def _find_passkey(
        self, assertion: Assertion, challenge: str, passkey: Passkey | None
    ) -> ProvenPasskey | None:
        if passkey is None or self._party is None:
            return None
        try:
            count = verify_assertion(self._party, bytes.fromhex(challenge), passkey, assertion)
        except PasskeyRefused:
            return None
        return ProvenPasskey(FactorUse(Factor.PASSKEY, passkey.factor_id), passkey, count)


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


def _expect_exactly(document: Mapping[str, Json], *members: str) -> None:
    if document.keys() != {"kind", *members}:
        raise BadRequest(f"body.factor: expected exactly the members kind, {', '.join(members)}")
