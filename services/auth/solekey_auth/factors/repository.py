"""The rows of second factors in one transaction: passkeys, recovery codes, authenticators to be confirmed.

Spec: factors.md §3, §4, §2.2. What is in force of an authenticator stands in its account's credential.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from solekey_auth.credentials.credential import Credential
from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.factors.passkeys import Assertion, Passkey
from solekey_auth.factors.proof import (
    Checked,
    Proof,
    Proven,
    ProvenPasskey,
    ProvenRecoveryCode,
    ProvenTotp,
    RecoveryProof,
)
from solekey_auth.factors.recovery_codes import NO_CODES, RecoverySet
from solekey_auth.factors.totp import derive_last_credible_step
from solekey_auth.tables import passkeys, pending_totp, recovery_codes
from solekey_protocol.ids import AccountId, Digest, compute_digest
from solekey_service.transaction import StaleRowError


class FactorRepository:
    """Which account has which second factors."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_checked(self, credential: Credential, proof: Proof) -> Checked:
        """Find what a proof is checked against. Rows are queried for a decoy, too."""
        match proof:
            case Assertion(credential=credential_id):
                found = self.find_passkey(compute_digest(credential_id))
                own = found is not None and found.account == credential.account
                return Checked(credential, passkey=found if own else None)
            case RecoveryProof():
                return Checked(credential, codes=self.find_codes(credential.account))
        return Checked(credential)

    def use(self, account: AccountId, proven: Proven, now: datetime) -> None:
        """Use up what was proven: it counts once. Raises StaleRowError if another transaction did."""
        match proven:
            case ProvenTotp(step=step):
                credentials = CredentialRepository(self._connection)
                used = credentials.take_totp_step(account, step, derive_last_credible_step(now))
            case ProvenRecoveryCode(digest=digest):
                used = self._take_code(digest)
            case ProvenPasskey(passkey=passkey, sign_count=sign_count):
                used = self._raise_counter(passkey, sign_count, now)
        if not used:
            raise StaleRowError

    def find_passkeys(self, account: AccountId) -> Sequence[Passkey]:
        """Find the passkeys of an account, the oldest first."""
        query = select(passkeys).where(passkeys.c.account == account)
        found = [_read(row) for row in self._connection.execute(query)]
        return sorted(found, key=lambda passkey: (passkey.added_at, passkey.factor_id))

    def find_passkey(self, factor_id: Digest) -> Passkey | None:
        """Find a passkey, whosever it is: a credential id is taken once for all accounts."""
        row = self._connection.execute(select(passkeys).where(passkeys.c.factor_id == factor_id)).first()
        return None if row is None else _read(row)

    def put_passkey(self, passkey: Passkey) -> None:
        """Keep a new passkey. Raises IntegrityError if another transaction committed first."""
        self._connection.execute(
            insert(passkeys).values(
                factor_id=passkey.factor_id,
                account=passkey.account,
                credential=passkey.credential,
                public_key=passkey.public_key,
                sign_count=passkey.sign_count,
                name=passkey.name,
                added_at=passkey.added_at,
            )
        )

    def _raise_counter(self, passkey: Passkey, sign_count: int, now: datetime) -> bool:
        """Note a use; False if the row is not as it was read: another transaction changed it."""
        as_read = (passkeys.c.factor_id == passkey.factor_id) & (passkeys.c.sign_count == passkey.sign_count)
        raised = self._connection.execute(
            update(passkeys).where(as_read).values(sign_count=sign_count, used_at=now)
        )
        return raised.rowcount == 1

    def delete_passkey(self, account: AccountId, factor_id: Digest) -> None:
        """Delete a passkey that was removed."""
        of_account = (passkeys.c.account == account) & (passkeys.c.factor_id == factor_id)
        self._connection.execute(delete(passkeys).where(of_account))

    def find_codes(self, account: AccountId) -> RecoverySet:
        """Find the unused recovery codes of an account; NO_CODES if there are none."""
        of_account = recovery_codes.c.account == account
        rows = self._connection.execute(select(recovery_codes).where(of_account)).all()
        if not rows:
            return NO_CODES
        digests = tuple(Digest(row.digest) for row in rows)
        return RecoverySet(bytes(rows[0].salt), digests, rows[0].key_number)

    def count_codes(self, account: AccountId) -> int:
        """Count the recovery codes that are left."""
        query = select(func.count()).where(recovery_codes.c.account == account)
        return int(self._connection.execute(query).scalar_one())

    def put_codes(self, account: AccountId, codes: RecoverySet) -> None:
        """Keep a new set of recovery codes in the place of the one before."""
        self.delete_codes(account)
        self._connection.execute(
            insert(recovery_codes),
            [
                {"digest": digest, "account": account, "salt": codes.salt, "key_number": codes.key_number}
                for digest in codes.unused
            ],
        )

    def _take_code(self, digest: Digest) -> bool:
        """Use a recovery code up: it has no row any more. False if another transaction committed first."""
        taken = self._connection.execute(delete(recovery_codes).where(recovery_codes.c.digest == digest))
        return taken.rowcount == 1

    def delete_codes(self, account: AccountId) -> None:
        """Delete the recovery codes of an account."""
        self._connection.execute(delete(recovery_codes).where(recovery_codes.c.account == account))

    def find_pending_totp(self, account: AccountId, now: datetime) -> bytes | None:
        """Find the salt of the authenticator that still waits to be confirmed."""
        waits = (pending_totp.c.account == account) & (pending_totp.c.expires_at > now)
        salt = self._connection.execute(select(pending_totp.c.salt).where(waits)).scalar()
        return None if salt is None else bytes(salt)

    def put_pending_totp(self, account: AccountId, salt: bytes, expires_at: datetime) -> None:
        """Keep a new authenticator to be confirmed, in the place of the one before."""
        self.delete_pending_totp(account)
        self._connection.execute(
            insert(pending_totp).values(account=account, salt=salt, expires_at=expires_at)
        )

    def delete_pending_totp(self, account: AccountId) -> None:
        """Delete the authenticator that waited: it was confirmed, or the account is closed."""
        self._connection.execute(delete(pending_totp).where(pending_totp.c.account == account))

    def delete_all(self, account: AccountId) -> None:
        """Delete every factor of an account that is closed."""
        self._connection.execute(delete(passkeys).where(passkeys.c.account == account))
        self.delete_codes(account)
        self.delete_pending_totp(account)

    def purge(self, now: datetime) -> None:
        """Delete the authenticators that were not confirmed in time."""
        self._connection.execute(delete(pending_totp).where(pending_totp.c.expires_at <= now))


def _read(row: Row[Any]) -> Passkey:
    return Passkey(
        account=AccountId(row.account),
        credential=bytes(row.credential),
        public_key=bytes(row.public_key),
        sign_count=row.sign_count,
        name=row.name,
        added_at=row.added_at,
    )
