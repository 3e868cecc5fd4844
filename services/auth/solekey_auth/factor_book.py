"""Second factors as they stand in rows: read to check a proof, and used up by it.

Spec: factors.md §2.1, §3.3, §4.2.
"""

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import Credential
from solekey_auth.credentials.repository import CredentialRows
from solekey_auth.factors.passkeys import Assertion, RelyingParty, find_relying_party
from solekey_auth.factors.proof import (
    Checked,
    Proof,
    Proven,
    ProvenPasskey,
    ProvenRecoveryCode,
    ProvenTotp,
    RecoveryProof,
)
from solekey_auth.factors.recovery_codes import NO_CODES, derive_code_digest
from solekey_auth.factors.repository import PasskeyRows
from solekey_auth.factors.totp import derive_last_credible_step, derive_secret
from solekey_auth.recovery_rows import RecoveryRows
from solekey_auth.retry import LostRaceError
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.ids import AccountId, compute_digest


class FactorBook:
    """The second factors of all accounts."""

    def __init__(self, config: AuthConfig) -> None:
        self._operator_key = config.open_operator_key()
        self.party: RelyingParty | None = find_relying_party(config.origin, config.totp_issuer)

    def find_checked(self, uow: UnitOfWork, credential: Credential, proof: Proof) -> Checked:
        """Find what a proof is checked against. A decoy's rows are looked for like anybody's."""
        passkey = None
        if isinstance(proof, Assertion):
            found = PasskeyRows(uow.connection).find(compute_digest(proof.credential))
            passkey = found if found is not None and found.account == credential.account else None
        codes, said_code = NO_CODES, None
        if isinstance(proof, RecoveryProof):
            account = credential.account
            codes = RecoveryRows(uow.connection).find(account)
            said_code = derive_code_digest(self._operator_key, account, codes.salt, proof.code)
        secret = derive_secret(self._operator_key, credential)
        return Checked(credential, secret, passkey, self.party, codes, said_code)

    def use(self, uow: UnitOfWork, account: AccountId, proven: Proven) -> None:
        """Use up what was proven: it counts once. Raises LostRaceError when another transaction did."""
        match proven:
            case ProvenTotp(step=step):
                used = CredentialRows(uow.connection).take_totp_step(
                    account, step, derive_last_credible_step(uow.now)
                )
            case ProvenRecoveryCode(digest=digest):
                used = RecoveryRows(uow.connection).take(digest)
            case ProvenPasskey(passkey=passkey, sign_count=sign_count):
                used = PasskeyRows(uow.connection).raise_counter(passkey, sign_count, uow.now)
        if not used:
            raise LostRaceError
