"""Whose budgets an attempt counts against, and their rows: the same at every replica.

Spec: rate-limits.md §2.

A login from a device that the account knows, and its request for a challenge, count against that device's own
budgets alone, which nobody else can use up. Any other login counts against three: of its source under this
name, of all strangers under this name, and of its source under all names. Names, devices and sources stand in
the rows as keyed digests, and a source only as one of 2^20 slots: so many rows there are at most, and none
tells an address.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Table, delete, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite

from solekey_auth.config import AuthConfig
from solekey_auth.limits import SOURCE_SLOT_BITS, AuthLimits, Budget
from solekey_auth.operator_key import Purpose
from solekey_auth.rate_limits.bucket import Spent, derive_forgotten_at, spend, verify_attempts_left
from solekey_auth.rate_limits.source import Source
from solekey_auth.refusals import TooManyAttempts
from solekey_auth.tables import budgets, known_devices
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.ids import AccountId, DeviceId

_INSERTS: dict[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""SQLAlchemy spells an upsert by dialect, with the same words in both."""


class Kind(StrEnum):
    """What a budget is for. A label has one meaning for ever."""

    LOGIN_DEVICE = "login-device"
    LOGIN_STRANGER = "login-stranger"
    LOGIN_NAME = "login-name"
    LOGIN_SOURCE = "login-source"
    CHALLENGE = "challenge"
    CHALLENGE_DEVICE = "challenge-device"
    REGISTRATION = "registration"
    STEP_UP = "step-up"


@dataclass(frozen=True, slots=True)
class Meter:
    """One budget: its row and its size."""

    row: str
    budget: Budget


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that may be made; those that count against the same budgets wait for its transaction."""

    connection: Connection
    spent: Mapping[Meter, Spent]
    now: datetime

    def count(self) -> None:
        """Count it: a failed login does, a right one does not."""
        for meter, spent in self.spent.items():
            after = spend(spent, meter.budget, self.now)
            self.connection.execute(
                update(budgets)
                .where(budgets.c.budget == meter.row)
                .values(
                    used=after.used,
                    counted_at=after.counted_at,
                    free_at=after.free_at,
                    forgotten_at=derive_forgotten_at(after, meter.budget),
                )
            )


class Brake:
    """Holds attempts to their budgets."""

    def __init__(self, config: AuthConfig) -> None:
        self._operator_key = config.open_operator_key()
        self._limits: AuthLimits = config.limits

    def begin_login(
        self, uow: UnitOfWork, name: str, account: AccountId, device: DeviceId, source: Source
    ) -> Attempt:
        """Begin a login under a name (its keyed digest), which this account has: a decoy's if nobody has it.

        Raises:
            TooManyAttempts: the longest of the waits.
        """
        limits, slot = self._limits, self.derive_slot(source)
        if DeviceRows(uow.connection).knows(account, device):
            own = self._meter(Kind.LOGIN_DEVICE, limits.login_device, account.raw, device.raw)
            return _begin(uow, [own])
        return _begin(
            uow,
            [
                self._meter(Kind.LOGIN_STRANGER, limits.login_stranger, name.encode(), slot),
                self._meter(Kind.LOGIN_NAME, limits.login_name, name.encode()),
                self._meter(Kind.LOGIN_SOURCE, limits.login_source, slot),
            ],
        )

    def begin_step_up(self, uow: UnitOfWork, account: AccountId, device: DeviceId) -> Attempt:
        """Begin to prove a second factor in a session. Each device of an account has a budget of its own.

        Raises:
            TooManyAttempts: too many factors were wrong.
        """
        return _begin(uow, [self._meter(Kind.STEP_UP, self._limits.step_up, account.raw, device.raw)])

    def count_challenge(
        self, uow: UnitOfWork, account: AccountId, device: DeviceId | None, source: Source
    ) -> None:
        """Count a request for a challenge: of a device that proved its key, if the account knows it.

        Raises:
            TooManyAttempts: from this device, or from this source.
        """
        limits = self._limits
        if device is not None and DeviceRows(uow.connection).knows(account, device):
            meter = self._meter(Kind.CHALLENGE_DEVICE, limits.challenges_device, account.raw, device.raw)
        else:
            meter = self._meter(Kind.CHALLENGE, limits.challenges, self.derive_slot(source))
        _begin(uow, [meter]).count()

    def count_registration(self, uow: UnitOfWork, source: Source) -> None:
        """Count a registration, whatever becomes of it. Raises TooManyAttempts."""
        slot = self.derive_slot(source)
        _begin(uow, [self._meter(Kind.REGISTRATION, self._limits.registrations, slot)]).count()

    def derive_slot(self, source: Source) -> bytes:
        """Derive which of the slots a source falls into; nobody without the operator's key can choose it."""
        digest = self._operator_key.derive(Purpose.SOURCE_SLOT, source.encode())
        return (int.from_bytes(digest, "big") >> (8 * len(digest) - SOURCE_SLOT_BITS)).to_bytes(4, "big")

    def _meter(self, kind: Kind, budget: Budget, *whose: bytes) -> Meter:
        return Meter(self._operator_key.derive(Purpose.BUDGET, kind.value.encode(), *whose).hex(), budget)


class DeviceRows:
    """Devices from which an account was logged in to, and which it has not revoked since."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def knows(self, account: AccountId, device: DeviceId) -> bool:
        """Whether the account was logged in to from this device."""
        query = select(exists().where(known_devices.c.account == account, known_devices.c.device == device))
        return bool(self._connection.execute(query).scalar_one())

    def note(self, account: AccountId, device: DeviceId, now: datetime) -> None:
        """Note a login from a device."""
        upsert = _INSERTS[self._connection.dialect.name](known_devices).values(
            account=account, device=device, seen_at=now
        )
        self._connection.execute(
            upsert.on_conflict_do_update(
                index_elements=["account", "device"], set_={"seen_at": upsert.excluded.seen_at}
            )
        )

    def forget(self, account: AccountId, device: DeviceId) -> None:
        """Forget a device that was revoked: it is a stranger."""
        self._connection.execute(
            delete(known_devices).where(known_devices.c.account == account, known_devices.c.device == device)
        )

    def forget_all(self, account: AccountId) -> None:
        """Forget the devices of an account that was closed."""
        self._connection.execute(delete(known_devices).where(known_devices.c.account == account))


def purge_budgets(uow: UnitOfWork, limits: AuthLimits) -> None:
    """Delete the rows of budgets that are whole again, and of devices that were not seen for long."""
    # What an attempt holds now is left for the next time: two that wait for each other would both fail.
    whole = (
        select(budgets.c.budget).where(budgets.c.forgotten_at <= uow.now).with_for_update(skip_locked=True)
    )
    uow.connection.execute(delete(budgets).where(budgets.c.budget.in_(whole)))
    unseen = known_devices.c.seen_at <= uow.now - limits.known_device
    uow.connection.execute(delete(known_devices).where(unseen))


def _begin(uow: UnitOfWork, meters: Iterable[Meter]) -> Attempt:
    """Lock the budgets' rows, in one order everywhere, and verify that nobody has to wait.

    Otherwise a thousand simultaneous guesses would all count the same few failures.
    """
    ordered = sorted(meters, key=lambda meter: meter.row)
    attempt = Attempt(uow.connection, {meter: _lock(uow, meter.row) for meter in ordered}, uow.now)
    refusals = []
    for meter, spent in attempt.spent.items():
        try:
            verify_attempts_left(spent, meter.budget, uow.now)
        except TooManyAttempts as refusal:
            refusals.append(refusal)
    if refusals:
        raise max(refusals, key=lambda refusal: refusal.retry_after_s or 0)
    return attempt


def _lock(uow: UnitOfWork, row: str) -> Spent:
    insert = _INSERTS[uow.connection.dialect.name](budgets).values(
        budget=row, used=0, counted_at=uow.now, free_at=uow.now, forgotten_at=uow.now
    )
    locked = uow.connection.execute(
        insert.on_conflict_do_update(
            index_elements=["budget"], set_={"budget": insert.excluded.budget}
        ).returning(budgets.c.used, budgets.c.counted_at, budgets.c.free_at)
    ).one()
    return Spent(locked.used, locked.counted_at, locked.free_at)
