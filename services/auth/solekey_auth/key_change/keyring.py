"""Which operator keys there are: found at each start, which also puts another one in force.

One transaction does that: from then on the database demands the new key, and knows the former one.

Spec: authentication.md §7.1.
"""

import hmac
from collections.abc import Sequence
from typing import Final

from sqlalchemy.exc import IntegrityError

from solekey_auth.config import OPERATOR_KEY_PROBLEM, AuthConfig
from solekey_auth.key_change.repository import FormerKey, OperatorKeyRepository
from solekey_auth.limits import KEY_SALT_BYTES
from solekey_auth.operator_key import OperatorKey, OperatorKeys
from solekey_eventlog.errors import ConfigError
from solekey_eventlog.foundations import found_foundation, read_foundation, replace_foundation
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_service.kernel import Kernel

FOUNDATION: Final = "operator-key"
_DAMAGED: Final = "operator_keys: a row of auth's database is damaged: restore the database from a backup"
_USED_BEFORE: Final = "operator_key: was in force before; make another one"
_ATTEMPTS: Final = 3


def open_operator_keys(kernel: Kernel[AuthConfig]) -> OperatorKeys:
    """Find the operator keys; put the configured one in force where it replaces the former one.

    Raises:
        ConfigError: another key than this database demands; or a damaged row.
        UnavailableError: the database does not answer.
    """
    present = kernel.config.open_operator_key()
    found_foundation(
        kernel.store,
        FOUNDATION,
        lambda: present.derive_check(0),
        OPERATOR_KEY_PROBLEM,
        verify=lambda _: True,  # decided below, beside the rows of former keys
    )
    for _ in range(_ATTEMPTS):
        try:
            with kernel.store.begin() as uow:
                return _open(kernel, uow, present)
        except IntegrityError:
            continue  # another process has put the key in force
    raise ConfigError([OPERATOR_KEY_PROBLEM])


def _open(kernel: Kernel[AuthConfig], uow: UnitOfWork, present: OperatorKey) -> OperatorKeys:
    rows = OperatorKeyRepository(uow.connection)
    kept = rows.find_former()
    if _is_demanded(uow, present, len(kept)):
        return OperatorKeys(*_unmask(present, kept), present)
    replaced = kernel.config.open_former_operator_key()
    if replaced is None or not _is_demanded(uow, replaced, len(kept)):
        raise ConfigError([OPERATOR_KEY_PROBLEM])
    former = [*_unmask(replaced, kept), replaced]
    if any(present.is_same(key) for key in former):
        raise ConfigError([_USED_BEFORE])
    rows.replace_former([_mask(kernel, present, key, number) for number, key in enumerate(former)])
    rows.delete_pending()
    replace_foundation(uow, FOUNDATION, present.derive_check(len(former)))
    return OperatorKeys(*former, present)


def _is_demanded(uow: UnitOfWork, key: OperatorKey, number: int) -> bool:
    return hmac.compare_digest(read_foundation(uow, FOUNDATION) or "", key.derive_check(number))


def _mask(kernel: Kernel[AuthConfig], present: OperatorKey, former: OperatorKey, number: int) -> FormerKey:
    salt = kernel.random(KEY_SALT_BYTES)
    return FormerKey(number, salt, present.mask(former, number, salt), former.derive_check(number))


def _unmask(present: OperatorKey, kept: Sequence[FormerKey]) -> list[OperatorKey]:
    former = [present.unmask(row.masked, row.number, row.salt) for row in kept]
    for number, (row, key) in enumerate(zip(kept, former, strict=True)):
        if row.number != number or row.check_value != key.derive_check(number):
            raise ConfigError([_DAMAGED])
    return former
