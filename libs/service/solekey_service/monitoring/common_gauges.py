"""The gauges that every service has."""

import math
from typing import Any, Final

from sqlalchemy.pool import QueuePool

from solekey_protocol.events import Stream
from solekey_service.kernel import Kernel
from solekey_service.monitoring.gauge import Gauge, Values, single
from solekey_service.stream_api import StreamApi


def _read_ages(api: StreamApi[Any]) -> Values:
    freshness = api.kernel.freshness
    ages = {stream: freshness.age_s(stream) for stream in _followed(api.kernel)}
    return {(stream.value,): math.inf if age_s is None else age_s for stream, age_s in ages.items()}


def _read_lags(api: StreamApi[Any]) -> Values:
    lags = {stream: api.kernel.freshness.count_behind(stream) for stream in _followed(api.kernel)}
    return {(stream.value,): lag for stream, lag in lags.items() if lag is not None}


def _read_connections(api: StreamApi[Any]) -> Values:
    pool = api.kernel.engine.pool
    if not isinstance(pool, QueuePool):
        return {}
    return {("used",): pool.checkedout(), ("idle",): pool.checkedin()}


def _followed(kernel: Kernel[Any]) -> tuple[Stream, ...]:
    return tuple(kernel.streams.subscribed)


COMMON_GAUGES: Final[tuple[Gauge[StreamApi[Any]], ...]] = (
    Gauge(
        "solekey_feed_age_seconds",
        "Up to how long ago a followed stream is known completely; +Inf: not at all",
        _read_ages,
        ("stream",),
    ),
    Gauge(
        "solekey_feed_limit_seconds",
        "The age of auth or devices beyond which requests are refused (SOLEKEY_FRESHNESS_S)",
        lambda api: single(api.kernel.config.freshness_s),
        from_memory=True,
    ),
    Gauge(
        "solekey_feed_lag_events",
        "Events of a followed stream that were published and are not applied here, by its last heartbeat",
        _read_lags,
        ("stream",),
    ),
    Gauge(
        "solekey_outbox_events",
        "Own events that are not published yet",
        lambda api: single(api.kernel.store.count_unpublished()),
    ),
    Gauge(
        "solekey_parked_accounts",
        "Accounts that are refused because an event of theirs could not be applied",
        lambda api: single(api.kernel.projector.count_parked()),
    ),
    Gauge(
        "solekey_log_fault",
        "Whether the event log went back or is another one: 1, or 0",
        lambda api: single(api.kernel.freshness.distrusted is not None),
        from_memory=True,
    ),
    Gauge(
        "solekey_database_connections",
        "Connections to the database, by whether a transaction has them (used) or none does (idle)",
        _read_connections,
        ("state",),
        from_memory=True,
    ),
    Gauge(
        "solekey_database_connections_limit",
        "How many connections to the database the process may have (SOLEKEY_DATABASE_POOL)",
        lambda api: single(api.kernel.config.database_pool),
        from_memory=True,
    ),
)
