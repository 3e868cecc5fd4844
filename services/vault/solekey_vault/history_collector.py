"""Collects the replaced versions of live items that are over the operator's limits. Spec: vault.md §7.2.

Some at a time, in transactions of their own: others write in between, and a run may end anywhere. What is
collected is forgotten by the read model, and its objects are dropped as a purge drops them: they count for no
quota, and are deleted after the grace time. The live version, change lists and pages are never touched.
"""

from datetime import datetime
from typing import Final

from solekey_eventlog.errors import AccountParkedError, NotYetAppliedError
from solekey_eventlog.store import EventStore
from solekey_eventlog.streams import Streams
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import AccountId
from solekey_protocol.streams import RotationStream
from solekey_vault.history_limits import HistoryLimits, HistoryLimitsRepository
from solekey_vault.history_repository import DueItem, HistoryRepository
from solekey_vault.item_repository import ItemRepository
from solekey_vault.object_repository import ObjectRepository

_VERSIONS_AT_ONCE: Final = 500
_MAX_LEFT_ALONE: Final = 10_000
"""Accounts with an open rotation that a query leaves out; with more a run ends, and the next one goes on."""


class HistoryCollector:
    """Collects by limits.

    Attributes:
        limits: the operator's.
    """

    def __init__(
        self, store: EventStore, streams: Streams, objects: ObjectRepository, limits: HistoryLimits
    ) -> None:
        self.limits = limits
        self._store = store
        self._streams = streams
        self._objects = objects

    def note_limits(self) -> None:
        """Note since when the limits are in force."""
        with self._store.begin() as uow:
            HistoryLimitsRepository(uow).note(self.limits)

    def collect(self, now: datetime) -> int:
        """Collect what is over the limits at a moment. Returns how many versions.

        An account with an open rotation is left alone until it has ended.
        """
        collected = 0
        rotating: set[AccountId] = set()
        while True:
            with self._store.begin() as uow:
                due = HistoryRepository(uow.connection, self.limits, now).find_due(rotating)
                rotating |= {each for each in {item.account for item in due} if self._is_rotating(uow, each)}
                collected += self._collect_some(
                    uow, now, [each for each in due if each.account not in rotating]
                )
            if not due or len(rotating) > _MAX_LEFT_ALONE:
                return collected
            self._objects.pause()

    def _is_rotating(self, uow: UnitOfWork, account: AccountId) -> bool:
        try:
            return self._streams.fold(uow, account, RotationStream).open is not None
        except (AccountParkedError, NotYetAppliedError):  # what is known of it may be out of date
            return True

    def _collect_some(self, uow: UnitOfWork, now: datetime, due: list[DueItem]) -> int:
        history = HistoryRepository(uow.connection, self.limits, now)
        left = _VERSIONS_AT_ONCE
        for item in due:
            over = history.find_over(item, left)
            parts = sorted({part.digest for change in over for part in change.parts})
            self._objects.find_sizes(
                uow, item.account, parts, keep=True
            )  # a commit that names one ends first
            released = ItemRepository(uow.connection).forget(item.account, over)
            self._objects.drop(uow, item.account, released)
            history.recount(item)
            left -= len(over)
            if left == 0:
                break
        return _VERSIONS_AT_ONCE - left
