"""Moves what derives from a former operator key to the one in force, in batches.

Each batch is one transaction, so that a move may end anywhere and is begun again; the service runs meanwhile
and uses each row as it finds it. Spec: authentication.md §7.1.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import Credential
from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.factors.totp import move_totp
from solekey_auth.key_change.repository import KeptDigest, OperatorKeyRepository
from solekey_auth.limits import TOTP_SALT_BYTES
from solekey_auth.operator_key import OperatorKeys
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import AccountId, Digest
from solekey_service.kernel import Kernel
from solekey_service.transaction import in_transaction

BATCH: Final = 500
"""Accounts, or names, of one transaction."""
PositionT = TypeVar("PositionT")
Moved = tuple[PositionT | None, int]
"""Behind what a batch ended, and how much it moved; None: there is nothing more."""


class KeyDesk:
    """What an operator may know of the operator keys, and do with them."""

    def __init__(self, kernel: Kernel[AuthConfig], keys: OperatorKeys) -> None:
        self._kernel = kernel
        self._keys = keys

    @property
    def number(self) -> int:
        """The number of the key in force."""
        return self._keys.number

    def count_behind(self) -> dict[str, int]:
        """Count what derives from a former key."""
        with self._kernel.store.read() as uow:
            return OperatorKeyRepository(uow.connection).count_behind(self._keys.number)

    def move(self) -> dict[str, int]:
        """Move all that derives from a former key; return how much of what."""
        return {
            "authenticators": _repeat(self._move_credentials),
            "recovery codes": _repeat(self._move_codes),
            "closed names": _repeat(self._move_names),
        }

    @in_transaction
    def _move_credentials(self, uow: UnitOfWork, after: AccountId | None) -> Moved[AccountId]:
        rows = CredentialRepository(uow.connection)
        found = OperatorKeyRepository(uow.connection).list_credentials(after, self._keys.number, BATCH)
        moved = sum(rows.move_totp(each, self._move_totp(each)) for each in found)
        return _find_end(found, lambda each: each.account), moved

    def _move_totp(self, credential: Credential) -> Credential:
        return move_totp(self._keys, credential, self._kernel.random(TOTP_SALT_BYTES))

    @in_transaction
    def _move_codes(self, uow: UnitOfWork, after: AccountId | None) -> Moved[AccountId]:
        """Move the codes of each account together: a set derives from one key."""
        rows = OperatorKeyRepository(uow.connection)
        found = rows.list_accounts_of_codes(after, self._keys.number, BATCH)
        kept = [each for account in found for each in rows.find_codes(account, self._keys.number)]
        moved = sum(rows.move_code(each, self._move_digest(each), self._keys.number) for each in kept)
        return _find_end(found, lambda account: account), moved

    @in_transaction
    def _move_names(self, uow: UnitOfWork, after: Digest | None) -> Moved[Digest]:
        rows = OperatorKeyRepository(uow.connection)
        found = rows.list_names(after, self._keys.number, BATCH)
        moved = sum(rows.move_name(each, self._move_digest(each), self._keys.number) for each in found)
        return _find_end(found, lambda each: each.digest), moved

    def _move_digest(self, kept: KeptDigest) -> Digest:
        return self._keys.move_digest(kept.digest, kept.key_number)


FoundT = TypeVar("FoundT")


def _find_end(found: Sequence[FoundT], position: Callable[[FoundT], PositionT]) -> PositionT | None:
    return position(found[-1]) if len(found) == BATCH else None


def _repeat(move_batch: Callable[[PositionT | None], Moved[PositionT]]) -> int:
    after, total = move_batch(None)
    while after is not None:
        after, moved = move_batch(after)
        total += moved
    return total
