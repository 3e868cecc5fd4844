"""The rows of former operator keys, and those that derive from one, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from solekey_auth.credentials.credential import Credential
from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.tables import closed_names, credentials, operator_keys, pending_totp, recovery_codes
from solekey_protocol.ids import AccountId, Digest

_DERIVED: Final = {
    "authenticators": credentials,
    "recovery codes": recovery_codes,
    "closed names": closed_names,
}


@dataclass(frozen=True, slots=True)
class FormerKey:
    """A key that was replaced, masked with what derives from the one in force."""

    number: int
    salt: bytes
    masked: bytes = field(repr=False)
    check_value: str


@dataclass(frozen=True, slots=True)
class KeptDigest:
    """A digest and the number of the key that it derives from."""

    digest: Digest = field(repr=False)
    key_number: int


class OperatorKeyRepository:
    """Which operator keys there were, and what still derives from them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_former(self) -> Sequence[FormerKey]:
        """Find the keys that were replaced, the first one first."""
        rows = self._connection.execute(select(operator_keys).order_by(operator_keys.c.number))
        return [FormerKey(row.number, bytes(row.salt), bytes(row.masked), row.check_value) for row in rows]

    def replace_former(self, keys: Sequence[FormerKey]) -> None:
        """Keep all former keys, masked anew. Raises IntegrityError if another process was faster."""
        for key in keys[:-1]:
            row = operator_keys.c.number == key.number
            self._connection.execute(
                update(operator_keys).where(row).values(salt=key.salt, masked=key.masked)
            )
        newest = keys[-1]
        self._connection.execute(
            insert(operator_keys).values(
                number=newest.number, salt=newest.salt, masked=newest.masked, check_value=newest.check_value
            )
        )

    def delete_pending(self) -> None:
        """Delete the authenticators that wait to be confirmed: they are begun again."""
        self._connection.execute(delete(pending_totp))

    def count_behind(self, number: int) -> dict[str, int]:
        """Count what derives from an earlier key than this number's."""
        return {name: self._count(table, number) for name, table in _DERIVED.items()}

    def list_credentials(self, after: AccountId | None, number: int, limit: int) -> Sequence[Credential]:
        """List credentials whose authenticator derives from an earlier key, by their accounts."""
        return CredentialRepository(self._connection).list_after(after, limit, before_key=number)

    def list_accounts_of_codes(self, after: AccountId | None, number: int, limit: int) -> Sequence[AccountId]:
        """List accounts whose recovery codes derive from an earlier key."""
        account = recovery_codes.c.account
        query = select(account).where(recovery_codes.c.key_number < number).distinct()
        query = query.order_by(account).limit(limit)
        if after is not None:
            query = query.where(account > after)
        return [AccountId(found) for found in self._connection.execute(query).scalars()]

    def find_codes(self, account: AccountId, number: int) -> Sequence[KeptDigest]:
        """Find the recovery codes of an account that derive from an earlier key."""
        table = recovery_codes
        query = select(table.c.digest, table.c.key_number)
        rows = self._connection.execute(query.where(table.c.account == account, table.c.key_number < number))
        return [KeptDigest(Digest(row.digest), row.key_number) for row in rows]

    def list_names(self, after: Digest | None, number: int, limit: int) -> Sequence[KeptDigest]:
        """List names of closed accounts that derive from an earlier key, in their order."""
        table = closed_names
        query = select(table.c.name, table.c.key_number).where(table.c.key_number < number)
        query = query.order_by(table.c.name).limit(limit)
        if after is not None:
            query = query.where(table.c.name > after)
        return [KeptDigest(Digest(row.name), row.key_number) for row in self._connection.execute(query)]

    def move_code(self, kept: KeptDigest, digest: Digest, number: int) -> bool:
        """Keep a recovery code's digest under another key; False if the code was used meanwhile."""
        as_read = (recovery_codes.c.digest == kept.digest) & (recovery_codes.c.key_number == kept.key_number)
        moved = self._connection.execute(
            update(recovery_codes).where(as_read).values(digest=digest, key_number=number)
        )
        return moved.rowcount == 1

    def move_name(self, kept: KeptDigest, name: Digest, number: int) -> bool:
        """Keep a closed name's digest under another key; False if it was moved meanwhile."""
        as_read = (closed_names.c.name == kept.digest) & (closed_names.c.key_number == kept.key_number)
        moved = self._connection.execute(
            update(closed_names).where(as_read).values(name=name, key_number=number)
        )
        return moved.rowcount == 1

    def _count(self, table: Table, number: int) -> int:
        behind = select(func.count()).select_from(table).where(table.c.key_number < number)
        return int(self._connection.execute(behind).scalar_one())
