"""The rows of passkeys in one transaction. Spec: factors.md §3."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from solekey_auth.factors.passkeys import Passkey
from solekey_auth.tables import passkeys
from solekey_protocol.ids import AccountId, Digest


class PasskeyRows:
    """Which account has which passkeys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_all(self, account: AccountId) -> Sequence[Passkey]:
        """Find the passkeys of an account, the oldest first."""
        query = select(passkeys).where(passkeys.c.account == account)
        found = [_read(row) for row in self._connection.execute(query)]
        return sorted(found, key=lambda passkey: (passkey.added_at, passkey.factor_id))

    def find(self, factor_id: Digest) -> Passkey | None:
        """Find a passkey, whosever it is: a credential id is taken once for all accounts."""
        row = self._connection.execute(select(passkeys).where(passkeys.c.factor_id == factor_id)).first()
        return None if row is None else _read(row)

    def put(self, passkey: Passkey) -> None:
        """Keep a new passkey. Raises IntegrityError when another transaction was faster."""
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

    def raise_counter(self, passkey: Passkey, sign_count: int, now: datetime) -> bool:
        """Note a use; False when the row is not as it was read: another transaction was faster."""
        as_read = (passkeys.c.factor_id == passkey.factor_id) & (passkeys.c.sign_count == passkey.sign_count)
        raised = self._connection.execute(
            update(passkeys).where(as_read).values(sign_count=sign_count, used_at=now)
        )
        return raised.rowcount == 1

    def delete(self, account: AccountId, factor_id: Digest) -> None:
        """Forget a passkey that was removed."""
        of_account = (passkeys.c.account == account) & (passkeys.c.factor_id == factor_id)
        self._connection.execute(delete(passkeys).where(of_account))

    def delete_all(self, account: AccountId) -> None:
        """Forget the passkeys of an account that was closed."""
        self._connection.execute(delete(passkeys).where(passkeys.c.account == account))


def _read(row: Row[Any]) -> Passkey:
    return Passkey(
        account=AccountId(row.account),
        credential=bytes(row.credential),
        public_key=bytes(row.public_key),
        sign_count=row.sign_count,
        name=row.name,
        added_at=row.added_at,
    )
