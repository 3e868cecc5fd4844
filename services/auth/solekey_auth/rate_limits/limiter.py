"""Which buckets an attempt counts against, and their rows: the same in every process on the database.

Spec: rate-limits.md §2.

A login from a device that the account knows, and its request for a challenge, count against that device's own
bucket alone, which nobody else can fill. Any other login counts against three: of its source under this name,
of all strangers under this name, and of its source under all names. Rows hold names, devices and sources as
keyed digests, and a source only as one of 2^20 slots: that bounds the number of rows, and none tells an
address.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from solekey_auth.operator_key import OperatorKey, Purpose
from solekey_auth.rate_limits.bucket import Bucket
from solekey_auth.rate_limits.limit import SOURCE_SLOT_BITS, Limit, RateLimits
from solekey_auth.refusals import TooManyAttempts
from solekey_auth.tables import rate_buckets
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import AccountId, DeviceId
from solekey_service.http.source import Source

_COUNT: Final = update(rate_buckets).where(rate_buckets.c.bucket == bindparam("its_bucket"))
"""Built once: SQLAlchemy takes longer for that than to run it."""


class Kind(StrEnum):
    """What a bucket counts. The meaning of a label never changes."""

    LOGIN_DEVICE = "login-device"
    LOGIN_STRANGER = "login-stranger"
    LOGIN_NAME = "login-name"
    LOGIN_SOURCE = "login-source"
    CHALLENGE = "challenge"
    CHALLENGE_DEVICE = "challenge-device"
    REGISTRATION = "registration"
    STEP_UP = "step-up"


@dataclass(frozen=True, slots=True)
class BucketKey:
    """Which bucket: its row, and the limit that it is held to."""

    row: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that may be made; those that count against the same buckets wait for its transaction."""

    connection: Connection
    buckets: Mapping[BucketKey, Bucket]
    now: datetime

    def count(self) -> None:
        """Count it: a failed login is counted, a right one is not."""
        for key, bucket in self.buckets.items():
            after = bucket.add(key.limit, self.now)
            self.connection.execute(
                _COUNT,
                {
                    "its_bucket": key.row,
                    "used": after.used,
                    "counted_at": after.counted_at,
                    "free_at": after.free_at,
                    "empty_at": after.derive_empty_at(key.limit),
                },
            )


class RateLimiter:
    """Holds attempts to the limits."""

    def __init__(self, operator_key: OperatorKey, limits: RateLimits) -> None:
        self._operator_key = operator_key
        self._limits = limits

    def begin_login(
        self,
        uow: UnitOfWork,
        name: str,
        account: AccountId,
        device: DeviceId,
        source: Source,
        *,
        is_known_device: bool,
    ) -> Attempt:
        """Begin an attempt to log in.

        Args:
            uow: the transaction that judges it.
            name: keyed digest of the username.
            account: who has that name; the decoy if the name is unknown.
            device: whose key signed the request's proof.
            source: where the request comes from.
            is_known_device: whether the account was logged in to from this device.

        Raises:
            TooManyAttempts: with the longest of the waits.
        """
        limits, slot = self._limits, self.derive_slot(source)
        if is_known_device:
            own = self._key(Kind.LOGIN_DEVICE, limits.login_device, account.raw, device.raw)
            return _begin(uow, [own])
        return _begin(
            uow,
            [
                self._key(Kind.LOGIN_STRANGER, limits.login_stranger, name.encode(), slot),
                self._key(Kind.LOGIN_NAME, limits.login_name, name.encode()),
                self._key(Kind.LOGIN_SOURCE, limits.login_source, slot),
            ],
        )

    def begin_step_up(self, uow: UnitOfWork, account: AccountId, device: DeviceId) -> Attempt:
        """Begin to prove a second factor in a session. Each device of an account has its own bucket.

        Raises:
            TooManyAttempts: too many factors were wrong.
        """
        return _begin(uow, [self._key(Kind.STEP_UP, self._limits.step_up, account.raw, device.raw)])

    def count_challenge_of_device(self, uow: UnitOfWork, account: AccountId, device: DeviceId) -> None:
        """Count a challenge that a known device of an account requests. Raises TooManyAttempts."""
        own = self._key(Kind.CHALLENGE_DEVICE, self._limits.challenges_device, account.raw, device.raw)
        _begin(uow, [own]).count()

    def count_challenge(self, uow: UnitOfWork, source: Source) -> None:
        """Count a challenge that a source requests, for any other device. Raises TooManyAttempts."""
        _begin(uow, [self._key(Kind.CHALLENGE, self._limits.challenges, self.derive_slot(source))]).count()

    def count_registration(self, uow: UnitOfWork, source: Source) -> None:
        """Count a registration, whatever becomes of it. Raises TooManyAttempts."""
        slot = self.derive_slot(source)
        _begin(uow, [self._key(Kind.REGISTRATION, self._limits.registrations, slot)]).count()

    def derive_slot(self, source: Source) -> bytes:
        """Derive which of the slots a source falls into; it cannot be chosen without the operator's key."""
        digest = self._operator_key.derive(Purpose.SOURCE_SLOT, source.encode())
        return (int.from_bytes(digest, "big") >> (8 * len(digest) - SOURCE_SLOT_BITS)).to_bytes(4, "big")

    def _key(self, kind: Kind, limit: Limit, *subject: bytes) -> BucketKey:
        row = self._operator_key.derive(Purpose.RATE_BUCKET, kind.value.encode(), *subject)
        return BucketKey(row.hex(), limit)


def purge_buckets(uow: UnitOfWork) -> None:
    """Delete the rows of buckets that are empty."""
    # What an attempt has locked is left for the next time: two that wait for each other would both fail.
    empty = (
        select(rate_buckets.c.bucket)
        .where(rate_buckets.c.empty_at <= uow.now)
        .with_for_update(skip_locked=True)
    )
    uow.connection.execute(delete(rate_buckets).where(rate_buckets.c.bucket.in_(empty)))


def _begin(uow: UnitOfWork, keys: Iterable[BucketKey]) -> Attempt:
    """Lock the buckets' rows, in one order everywhere, and verify that none of them demands a wait.

    Otherwise a thousand simultaneous guesses would all count the same few failures.
    """
    ordered = sorted(keys, key=lambda key: key.row)
    attempt = Attempt(uow.connection, {key: _lock(uow, key.row) for key in ordered}, uow.now)
    refusals = []
    for key, bucket in attempt.buckets.items():
        try:
            bucket.verify_room(key.limit, uow.now)
        except TooManyAttempts as refusal:
            refusals.append(refusal)
    if refusals:
        raise max(refusals, key=lambda refusal: refusal.retry_after_s or 0)
    return attempt


@lru_cache
def _insert_or_lock(dialect: str) -> Any:
    """Build the statement that locks a bucket's row: SQLAlchemy takes longer for that than to run it."""
    query = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(rate_buckets)
    locked = query.on_conflict_do_update(index_elements=["bucket"], set_={"bucket": query.excluded.bucket})
    return locked.returning(rate_buckets.c.used, rate_buckets.c.counted_at, rate_buckets.c.free_at)


def _lock(uow: UnitOfWork, row: str) -> Bucket:
    empty = {"bucket": row, "used": 0, "counted_at": uow.now, "free_at": uow.now, "empty_at": uow.now}
    locked = uow.connection.execute(_insert_or_lock(uow.connection.dialect.name), empty).one()
    return Bucket(locked.used, locked.counted_at, locked.free_at)
