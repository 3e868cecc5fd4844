"""Keeps key ages, and with them when to look at an account again. Spec: rotation.md §4."""

from datetime import datetime, timedelta
from typing import Final

from solekey_eventlog.errors import (
    AccountParkedError,
    NotYetAppliedError,
    StalePositionError,
    TrustStaleError,
)
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events.devices import AccountFounded, AccountKeyChanged, DeviceRevoked
from solekey_protocol.events.rotation import Enforcement
from solekey_protocol.events.vault import KeyWrapped
from solekey_protocol.ids import AccountId
from solekey_protocol.streams import AuthStream, DevicesStream, RotationStream
from solekey_rotation.config import RotationConfig
from solekey_rotation.domain import decide_due, decide_exposure
from solekey_rotation.key_ages import KeyAges, Policy, derive_due
from solekey_rotation.repository import KeyAgeRepository
from solekey_service.clock_watch import ClockWatch
from solekey_service.kernel import Kernel

_PER_PAGE: Final = 200
_PAGES: Final = 100
"""In one run at most: 20,000 accounts, such as after a downtime."""
_LATER: Final = timedelta(minutes=10)
"""When to look again at an account that cannot be looked at now."""


class Schedule:
    """Knows when rotations become due."""

    def __init__(self, kernel: Kernel[RotationConfig]) -> None:
        config = kernel.config
        self._kernel = kernel
        self._fallback = Policy(
            timedelta(days=config.user_key_max_age_days),
            timedelta(days=config.data_key_max_age_days),
            Enforcement.ENFORCED if config.enforce_max_age else Enforcement.ADVISORY,
        )
        self._watch = ClockWatch(kernel.clock)

    def note_user_key(self, uow: UnitOfWork, event: Event) -> None:
        """Note a user key that came into force (a reaction)."""
        ages = KeyAgeRepository(uow.connection).lock(event.account).note_user_key(event.time.datetime)
        self._write(uow, event.account, ages)

    def note_wrap(self, uow: UnitOfWork, event: Event) -> None:
        """Note a wrapped data key (a reaction)."""
        if isinstance(event.body, KeyWrapped):
            before = KeyAgeRepository(uow.connection).lock(event.account)
            self._write(uow, event.account, before.note_epoch(event.body.epoch, event.time.datetime))

    def note_revocation(self, uow: UnitOfWork, event: Event) -> None:
        """State that both rotations are due after a device that had the keys was revoked (a reaction).

        The revoking client starts them itself; this shows it to the others when that client stops half-way.
        """
        if self._is_closed(uow, event.account):
            return
        revoked = self._kernel.streams.fold(uow, event.account, DevicesStream).devices
        if isinstance(event.body, DeviceRevoked) and revoked[event.body.device].trusted_at is not None:
            self.lock(uow, event.account)
            state = self._kernel.streams.fold(uow, event.account, RotationStream)
            uow.append(event.account, state.head, *decide_exposure(state, event.time, self._fallback))
            self.renew(uow, event.account)

    def note_closed(self, uow: UnitOfWork, event: Event) -> None:
        """Look at an account no more that was closed (a reaction)."""
        self.renew(uow, event.account)

    def rebuild(self, uow: UnitOfWork) -> int:
        """Make the key ages of all accounts from zero, from the foreign events that were applied.

        Returns:
            Of how many accounts.
        """
        rows = KeyAgeRepository(uow.connection)
        rows.delete_all()
        events = rows.find_applied()
        for event in events:
            match event.body:
                case AccountFounded() | AccountKeyChanged():
                    self.note_user_key(uow, event)
                case KeyWrapped():
                    self.note_wrap(uow, event)
                case _:
                    pass
        return len({event.account for event in events})

    def lock(self, uow: UnitOfWork, account: AccountId) -> None:
        """Let nobody else change the account's key ages, before events are appended in this transaction."""
        KeyAgeRepository(uow.connection).lock(account)

    def renew(self, uow: UnitOfWork, account: AccountId) -> None:
        """Look at an account again: its policy or its open rotation has changed in this transaction."""
        self._write(uow, account, KeyAgeRepository(uow.connection).lock(account))

    def announce_due(self) -> int:
        """State of each key that has become too old that its rotation is due; return how many were stated.

        Nothing is stated while the clock has just jumped, or while the account's other streams are not
        followed up to now: what was rotated or closed during a downtime is not due.
        """
        now = self._watch.find_now()
        if now is None or not self._is_fresh():
            return 0
        stated, seen = 0, set[AccountId]()
        for _ in range(_PAGES):
            with self._kernel.store.read() as uow:
                found = KeyAgeRepository(uow.connection).find_due(now, _PER_PAGE)
            if not (new := [account for account in found if account not in seen]):
                break
            seen.update(new)
            stated += sum(self._announce(account, now) for account in new)
        return stated

    def _is_fresh(self) -> bool:
        try:
            for stream in self._kernel.streams.subscribed:
                self._kernel.freshness.require(stream)
        except TrustStaleError:
            return False
        return True

    def _announce(self, account: AccountId, now: datetime) -> int:
        try:
            with self._kernel.store.begin() as uow:
                ages = KeyAgeRepository(uow.connection).lock(account)
                state = self._kernel.streams.fold(uow, account, RotationStream)
                closed = self._is_closed(uow, account)
                bodies = [] if closed else decide_due(state, ages, self._fallback, now)
                uow.append(account, state.head, *bodies)
                self._write(uow, account, ages)
                return len(bodies)
        except StalePositionError:
            return 0  # a client was faster; the next run looks again
        except (AccountParkedError, NotYetAppliedError):
            with self._kernel.store.begin() as uow:
                rows = KeyAgeRepository(uow.connection)
                rows.put(account, rows.lock(account), uow.now + _LATER)
            return 0

    def _write(self, uow: UnitOfWork, account: AccountId, ages: KeyAges) -> None:
        rows = KeyAgeRepository(uow.connection)
        if self._is_closed(uow, account):
            rows.put(account, ages, None)
            rows.note_open(account, None)
            return
        state = self._kernel.streams.fold_parked(uow, account, RotationStream)
        rows.put(account, ages, min(derive_due(state, ages, self._fallback).values(), default=None))
        rows.note_open(account, state.open)

    def _is_closed(self, uow: UnitOfWork, account: AccountId) -> bool:
        return self._kernel.streams.fold_parked(uow, account, AuthStream).closed
