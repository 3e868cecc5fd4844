"""Freshness: would this service know by now if trust had been withdrawn (promise P4)? Spec: events.md §7.

Every producer says once a second on the heartbeat topic how far it has published each partition of its own
topic. A feed is fresh when a heartbeat is young *and* everything that it claims was applied here. A heartbeat
is as old as the longer of two times: since it arrived, by our monotonic clock, and since it was made, by the
wall clocks.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar

from solekey_eventlog.bus import Record, TopicPartition
from solekey_eventlog.clock import Clock
from solekey_eventlog.errors import NotYetAppliedError, TrustStaleError
from solekey_eventlog.offsets import read_offsets
from solekey_eventlog.store import EventStore
from solekey_eventlog.streams import Streams
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import Json
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.heartbeat import Heartbeat, parse_heartbeat
from solekey_protocol.ids import AccountId
from solekey_protocol.services import SERVICES, TOPICS

T = TypeVar("T")
_log = logging.getLogger(__name__)

MAX_SKEW_S = 2.0
"""A heartbeat from further in the future does not count; the bound of P4 is the limit plus this."""
MAX_WAIT_S = 2.0
_FIRST_POLL_S = 0.025  # other processes of the service apply records too
_LONGEST_POLL_S = 0.2
_KEPT_PER_LIMIT = 16


@dataclass(frozen=True, slots=True)
class _Heard:
    heartbeat: Heartbeat
    arrived_s: float  # monotonic


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """A request that waits for what happens to one account; ``woken``: something has."""

    account: AccountId
    woken: threading.Event


class Freshness:
    """What one service knows about the age of its feeds. Shared by all its requests."""

    def __init__(self, store: EventStore, streams: Streams, clock: Clock, limit_s: float = 5.0) -> None:
        self._store = store
        self._streams = streams
        self._clock = clock
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._waiting: dict[Stream, deque[_Heard]] = {}
        self._covered: dict[Stream, _Heard] = {}
        self._newest: dict[Stream, Heartbeat] = {}
        self._waiters: set[_Waiter] = set()
        self._distrusted: str | None = None

    def distrust(self, reason: str | None) -> None:
        """Treat every feed as stale, for a reason that heartbeats cannot show; None ends it."""
        self._distrusted = reason

    @property
    def distrusted(self) -> str | None:
        """Why every feed is treated as stale, whatever heartbeats say; None: it is not."""
        return self._distrusted

    def observe(self, record: Record) -> None:
        """Take a record of the heartbeat topic; one that cannot be right is logged and ignored."""
        try:
            heartbeat = parse_heartbeat(record.value)
        except MalformedError as error:
            _log.warning("heartbeat ignored: %s", error)
            return
        stream = SERVICES[heartbeat.service].stream
        if stream is None or stream not in self._streams.subscribed:
            return
        if record.key != heartbeat.service:
            _log.warning("heartbeat of %s ignored: its key is another's", heartbeat.service)
            return
        ahead_s = self._find_lead_s(heartbeat)
        if ahead_s > MAX_SKEW_S:
            _log.warning("heartbeat of %s ignored: %.1f s in the future", heartbeat.service, ahead_s)
            return
        with self._lock:
            self._newest[stream] = heartbeat
            self._remember(stream, _Heard(heartbeat, self._clock.monotonic()))

    def find_claims(self) -> Mapping[TopicPartition, int]:
        """Find how far each partition is published, by what was heard and is not known to be applied."""
        claims: dict[TopicPartition, int] = {}
        with self._lock:
            heard = [(stream, each) for stream, waiting in self._waiting.items() for each in waiting]
        for stream, each in heard:
            for partition, end in each.heartbeat.positions.items():
                place = TopicPartition(TOPICS[stream], partition)
                claims[place] = max(end, claims.get(place, 0))
        return claims

    def require(self, stream: Stream, uow: UnitOfWork | None = None) -> None:
        """Demand that a feed is fresh. The service's own stream always is.

        Args:
            stream: whose feed.
            uow: the transaction that is open, if one is: whoever holds a connection must not wait for another
                one, or all that do so wait for each other.

        Raises:
            TrustStaleError: nothing was heard, or what was heard is too old or not applied here.
            LookupError: the service does not follow the stream.
        """
        age_s = self.age_s(stream, uow)
        if age_s is None or age_s > self._limit_s:
            if self._distrusted is not None:
                raise TrustStaleError(
                    f"{stream}: the event log cannot be relied on; the operator's log says why"
                )
            heard = "nothing heard yet" if age_s is None else f"known up to {age_s:.1f} s ago"
            raise TrustStaleError(f"{stream}: {heard}; limit {self._limit_s:g} s")

    def age_s(self, stream: Stream, uow: UnitOfWork | None = None) -> float | None:
        """Return up to how many seconds ago a feed is known completely, or None when it is not."""
        if stream is self._store.stream:
            return 0.0
        if stream not in self._streams.subscribed:
            raise LookupError(f"the {self._store.stream} service does not follow {stream}")
        if self._distrusted is not None:
            return None
        covered = self._covered.get(stream)
        if covered is None or self._age(covered) > self._limit_s / 2:
            covered = self._advance(stream, uow)
        return None if covered is None else self._age(covered)

    def count_behind(self, stream: Stream) -> int | None:
        """Count the events that a followed stream's last heartbeat claims and that are not applied here.

        None when nothing was heard of it yet. Raises UnavailableError when the database does not answer.
        """
        newest = self._newest.get(stream)
        if newest is None:
            return None
        with self._store.read() as uow:
            applied = read_offsets(uow.connection, self._store.tables.applied, TOPICS[stream])
        return sum(max(0, end - applied.get(p, 0)) for p, end in newest.positions.items())

    def describe(self) -> Mapping[str, Json]:
        """Return each feed's age in milliseconds, None when unknown; for health answers."""
        ages = {stream.value: self.age_s(stream) for stream in self._streams.subscribed}
        return {stream: None if age_s is None else int(age_s * 1000) for stream, age_s in ages.items()}

    def notify(self, accounts: Collection[AccountId] | None = None) -> None:
        """Wake those who wait for one of these accounts; None: all who wait. Something was committed.

        Nobody else is woken: each would look again, in a transaction of its own, and find nothing.
        """
        with self._lock:
            waiters = [each for each in self._waiters if accounts is None or each.account in accounts]
        for waiter in waiters:
            waiter.woken.set()

    def await_positions(
        self, account: AccountId, positions: Mapping[Stream, int], timeout_s: float = MAX_WAIT_S
    ) -> None:
        """Wait until the account's streams have reached these positions and none of its events is missing.

        Streams that the service neither owns nor follows cannot matter to its answer and are passed over.

        Raises:
            NotYetAppliedError: not within the timeout.
            AccountParkedError: an event of the account is missing or could not be applied.
        """

        def look() -> None:
            with self._store.read() as uow:
                self.require_positions(uow, account, positions)

        self.wait(account, look, timeout_s)

    def wait(self, account: AccountId, attempt: Callable[[], T], timeout_s: float = MAX_WAIT_S) -> T:
        """Try something again whenever events of an account came, as long as what it needs is on its way.

        Raises:
            NotYetAppliedError: still, after the timeout.
        """
        deadline_s = time.monotonic() + timeout_s  # real time: what is waited for happens in real time
        try:
            return attempt()
        except NotYetAppliedError:
            if timeout_s <= 0:
                raise
        waiter = _Waiter(account, threading.Event())
        with self._lock:
            self._waiters.add(waiter)
        try:
            return self._wait(waiter, attempt, deadline_s)
        finally:
            with self._lock:
                self._waiters.discard(waiter)

    def _wait(self, waiter: _Waiter, attempt: Callable[[], T], deadline_s: float) -> T:
        pause_s = 0.0  # it may have come between the first look and now
        while True:
            waiter.woken.wait(pause_s)
            waiter.woken.clear()
            try:
                return attempt()
            except NotYetAppliedError:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise
            pause_s = min(left_s, max(_FIRST_POLL_S, 2 * pause_s), _LONGEST_POLL_S)

    def require_positions(self, uow: UnitOfWork, account: AccountId, positions: Mapping[Stream, int]) -> None:
        """Refuse unless the account's streams have reached these positions and none of its events waits.

        Raises:
            NotYetAppliedError, AccountParkedError: see `await_positions`.
        """
        self._streams.require_free(uow, account)
        for stream, wanted in positions.items():
            if stream is not self._store.stream and stream not in self._streams.subscribed:
                continue
            reached = self._streams.position(uow, account, stream).seq
            if reached < wanted:
                raise NotYetAppliedError(f"{stream}: applied up to {reached}, asked for {wanted}")

    def _age(self, heard: _Heard) -> float:
        since_made_s = (self._clock.now() - heard.heartbeat.at.datetime).total_seconds()
        return max(self._clock.monotonic() - heard.arrived_s, since_made_s)

    def _find_lead_s(self, heartbeat: Heartbeat) -> float:
        """How far in the future a heartbeat was made, by the clock as it is now."""
        return (heartbeat.at.datetime - self._clock.now()).total_seconds()

    def _remember(self, stream: Stream, heard: _Heard) -> None:
        """Keep heartbeats that may be covered later, some apart: a busy producer sends many."""
        waiting = self._waiting.setdefault(stream, deque(maxlen=2 * _KEPT_PER_LIMIT))
        spacing_s = self._limit_s / _KEPT_PER_LIMIT
        if len(waiting) > 1 and waiting[-1].arrived_s - waiting[-2].arrived_s < spacing_s:
            waiting.pop()
        waiting.append(heard)

    def _advance(self, stream: Stream, uow: UnitOfWork | None) -> _Heard | None:
        """Find the newest heartbeat whose claims are applied; forget the older ones."""
        with self._store.read() if uow is None else nullcontext(uow) as using:
            applied = read_offsets(using.connection, self._store.tables.applied, TOPICS[stream])
        with self._lock:
            waiting = self._waiting.get(stream, deque())
            for heard in [each for each in waiting if self._find_lead_s(each.heartbeat) > MAX_SKEW_S]:
                waiting.remove(heard)  # the clocks went back since it came: it would hide all that follow
            for heard in sorted(waiting, key=lambda heard: heard.heartbeat.at, reverse=True):
                if all(applied.get(p, 0) >= end for p, end in heard.heartbeat.positions.items()):
                    before = self._covered.get(stream)
                    if before is None or self._age(heard) < self._age(before):
                        self._covered[stream] = heard
                    while waiting and waiting[0].heartbeat.at <= heard.heartbeat.at:
                        waiting.popleft()
                    break
            return self._covered.get(stream)
