"""The rows of recovery codes and of authenticators that wait to be confirmed, in one transaction.

Spec: factors.md §4, §2.2.
"""

from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from solekey_auth.factors.recovery_codes import NO_CODES, RecoverySet
from solekey_auth.tables import pending_totp, recovery_codes
from solekey_protocol.ids import AccountId, Digest


class RecoveryRows:
    """Which account has which recovery codes left. A code that was used has no row."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, account: AccountId) -> RecoverySet:
        """Find the unused codes of an account; NO_CODES when there are none."""
        of_account = recovery_codes.c.account == account
        query = select(recovery_codes.c.digest, recovery_codes.c.salt).where(of_account)
        rows = self._connection.execute(query).all()
        if not rows:
            return NO_CODES
        return RecoverySet(bytes(rows[0].salt), tuple(Digest(row.digest) for row in rows))

    def put(self, account: AccountId, codes: RecoverySet) -> None:
        """Keep a new set in the place of the one before."""
        self.delete_all(account)
        self._connection.execute(
            insert(recovery_codes),
            [{"digest": digest, "account": account, "salt": codes.salt} for digest in codes.unused],
        )

    def take(self, digest: Digest) -> bool:
        """Use a code up; False when another transaction was faster."""
        return (
            self._connection.execute(delete(recovery_codes).where(recovery_codes.c.digest == digest)).rowcount
            == 1
        )

    def count(self, account: AccountId) -> int:
        """Count the codes that are left."""
        query = select(func.count()).where(recovery_codes.c.account == account)
        return int(self._connection.execute(query).scalar_one())

    def delete_all(self, account: AccountId) -> None:
        """Forget the codes of a set that was removed, or of an account that was closed."""
        self._connection.execute(delete(recovery_codes).where(recovery_codes.c.account == account))


class PendingTotpRows:
    """Authenticators that are not confirmed yet: the newest of each account."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, account: AccountId, salt: bytes, expires_at: datetime) -> None:
        """Keep a new one in the place of the one before."""
        self.delete(account)
        self._connection.execute(
            insert(pending_totp).values(account=account, salt=salt, expires_at=expires_at)
        )

    def find(self, account: AccountId, now: datetime) -> bytes | None:
        """Find the salt of the one that waits still."""
        waits = (pending_totp.c.account == account) & (pending_totp.c.expires_at > now)
        salt = self._connection.execute(select(pending_totp.c.salt).where(waits)).scalar()
        return None if salt is None else bytes(salt)

    def delete(self, account: AccountId) -> None:
        """Forget it: it was confirmed, or the account was closed."""
        self._connection.execute(delete(pending_totp).where(pending_totp.c.account == account))

    def purge(self, now: datetime) -> None:
        """Forget those that nobody confirmed in time."""
        self._connection.execute(delete(pending_totp).where(pending_totp.c.expires_at <= now))
