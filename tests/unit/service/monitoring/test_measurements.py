"""Gauges are read from running services; what cannot be known is left out, and nothing names an account."""

import math
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from solekey_eventlog.bus import Record
from solekey_eventlog.clock import ManualClock
from solekey_eventlog.errors import UnavailableError
from solekey_protocol.events import Stream
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat
from solekey_protocol.ids import Timestamp
from solekey_protocol.services import HEARTBEAT_TOPIC, Service
from solekey_service.kernel import Kernel
from solekey_service.monitoring.exposition import Exposition
from solekey_service.monitoring.gauge import Gauge, single
from solekey_service.monitoring.readiness import Readiness, is_answering
from solekey_service.monitoring.request_metrics import RequestMetrics
from solekey_service.monitoring.started import Started
from solekey_service.stream_api import StreamApi
from tests.support.demo_service import reacting as demo
from tests.support.eventlog.author import Author
from tests.support.eventlog.services import CuttableBus, Deliveries, Feed, StartService

Series = dict[tuple[str, ...], float]


@pytest.fixture
def kernel(start: StartService) -> Kernel[Any]:
    return start()


def describe(kernel: Kernel[Any], *gauges: Gauge[Any], bus: bool = True) -> Started:
    return Started(StreamApi(kernel), gauges, lambda: bus)


def write(*services: Started) -> str:
    return Exposition(RequestMetrics(), is_answering).write(services).decode()


def read(*services: Started) -> Series:
    """The numbers by name and the values of their labels beside ``service``, which is auth."""
    found: Series = {}
    for family in text_string_to_metric_families(write(*services)):
        for sample in family.samples:
            if sample.labels.pop("service", None):
                assert (sample.name, *sample.labels.values()) not in found
                found[sample.name, *sample.labels.values()] = sample.value
    return found


def beat(kernel: Kernel[Any], clock: ManualClock, positions: dict[int, int]) -> None:
    at = Timestamp.from_datetime(clock.now())
    value = encode_heartbeat(Heartbeat(Service.DEVICES, at, positions))
    kernel.freshness.observe(Record(HEARTBEAT_TOPIC, 0, 0, "devices", value))


def test_the_age_of_a_feed_grows_until_it_is_heard_again(kernel: Kernel[Any], clock: ManualClock) -> None:
    assert read(describe(kernel))["solekey_feed_age_seconds", "devices"] == math.inf
    beat(kernel, clock, {})
    clock.advance(1.5)
    found = read(describe(kernel))
    assert found["solekey_feed_age_seconds", "devices"] == 1.5
    assert found["solekey_feed_age_seconds", "vault"] == math.inf
    assert found["solekey_feed_limit_seconds",] == 5


def test_lag_is_what_was_published_and_is_not_applied(
    kernel: Kernel[Any], clock: ManualClock, alice: Author
) -> None:
    assert ("solekey_feed_lag_events", "devices") not in read(describe(kernel))
    beat(kernel, clock, {0: 3, 1: 4})
    assert read(describe(kernel))["solekey_feed_lag_events", "devices"] == 7
    Deliveries(kernel).give(alice.found(), alice.enrol())
    assert read(describe(kernel))["solekey_feed_lag_events", "devices"] == 5


def test_the_outbox_is_full_while_the_bus_is_away(
    start: StartService, bus: CuttableBus, alice: Author
) -> None:
    kernel = start()
    Deliveries(kernel).give(alice.found(), alice.enrol(), alice.revoke())
    assert read(describe(kernel))["solekey_outbox_events",] == 1  # its reaction
    kernel.publisher.publish_pending()
    assert read(describe(kernel))["solekey_outbox_events",] == 0


def test_parked_accounts_are_counted_and_not_named(kernel: Kernel[Any], alice: Author, bob: Author) -> None:
    for author in (alice, bob):
        author.found()
        Deliveries(kernel).give(author.enrol())  # the event before it is missing
    text = write(describe(kernel))
    assert read(describe(kernel))["solekey_parked_accounts",] == 2
    assert alice.account not in text
    assert bob.account not in text


def test_a_log_that_went_back_is_a_fault(kernel: Kernel[Any]) -> None:
    assert read(describe(kernel))["solekey_log_fault",] == 0
    kernel.freshness.distrust("it ends at 3, but 5 was reached before")
    found = read(describe(kernel))
    assert found["solekey_log_fault",] == 1
    assert found["solekey_feed_age_seconds", "devices"] == math.inf


def test_connections_in_use_are_counted(kernel: Kernel[Any]) -> None:
    before = read(describe(kernel))["solekey_database_connections", "used"]
    with kernel.store.read():
        assert read(describe(kernel))["solekey_database_connections", "used"] == before + 1
    assert read(describe(kernel))["solekey_database_connections_limit",] == kernel.config.database_pool


def test_without_a_database_what_is_in_memory_is_still_told(kernel: Kernel[Any]) -> None:
    own: Gauge[Any] = Gauge("solekey_shelves", "Shelves", lambda _: single(3), from_memory=True)
    whole = read(describe(kernel, own))
    text = Exposition(RequestMetrics(), lambda _: False).write([describe(kernel, own)]).decode()
    for name in ("solekey_shelves", "solekey_log_fault", "solekey_feed_limit_seconds"):
        assert f'{name}{{service="auth"}}' in text
    assert 'solekey_database_up{service="auth"} 0.0' in text
    assert "solekey_outbox_events{" not in text
    assert whole["solekey_database_up",] == 1
    assert whole["solekey_outbox_events",] == 0


def test_one_number_that_cannot_be_read_hides_no_other(
    kernel: Kernel[Any], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> Any:
        raise RuntimeError("defective")

    def be_away(_: object) -> Any:
        raise UnavailableError

    gauges: list[Gauge[Any]] = [Gauge("solekey_a", "A", fail), Gauge("solekey_b", "B", be_away)]
    found = read(describe(kernel, *gauges, Gauge("solekey_c", "C", lambda _: single(1))))
    assert found["solekey_c",] == 1
    assert not {("solekey_a",), ("solekey_b",)} & found.keys()
    assert [record.message for record in caplog.records] == ["solekey_a cannot be read"]


def test_two_services_share_a_family(start: StartService) -> None:
    text = write(describe(start()), describe(start(demo.VAULT)))
    assert text.count("# TYPE solekey_outbox_events ") == 1
    assert {'solekey_outbox_events{service="auth"} 0.0', 'solekey_outbox_events{service="vault"} 0.0'} <= set(
        text.splitlines()
    )


def test_a_process_is_ready_while_it_serves_with_its_database_and_bus(kernel: Kernel[Any]) -> None:
    answers = True
    ready = Readiness(lambda _: answers)
    assert not ready.look()[0]
    ready.begin([describe(kernel, bus=False)])
    assert ready.look() == (
        False,
        {"ready": False, "serving": True, "database": {"auth": True}, "bus": {"auth": False}},
    )
    ready.begin([describe(kernel)])
    assert ready.look()[0]
    answers = False
    assert not ready.look()[0]
    answers = True
    ready.end()
    assert not ready.look()[0]


def test_trust_is_no_part_of_readiness(kernel: Kernel[Any]) -> None:
    """Nothing was ever heard here: what depends on trust is refused, and a start anew would not help."""
    assert kernel.health()[0] is False
    ready = Readiness(is_answering)
    ready.begin([describe(kernel)])
    assert ready.look()[0]


def test_a_database_that_does_not_answer_is_no_database(kernel: Kernel[Any], alice: Author) -> None:
    assert is_answering(kernel)
    away = replace(kernel, store=_Away())
    assert not is_answering(away)


class _Away:
    def read(self) -> Any:
        raise UnavailableError("the database does not answer")


def test_feeds_are_heard_from_the_bus(start: StartService, bus: CuttableBus, clock: ManualClock) -> None:
    """The same numbers by the real way: a publisher's heartbeats, and what came of its events."""
    auth, vault = start(), start(demo.VAULT)
    feed = Feed(bus, vault)
    auth.publisher.publish_pending()
    feed.run()
    clock.advance(0.5)
    found = read(describe(vault))
    assert found["solekey_feed_age_seconds", Stream.AUTH.value] == 0.5
    assert found["solekey_feed_lag_events", Stream.AUTH.value] == 0
