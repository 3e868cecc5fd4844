"""Freshness: a service that cannot know refuses, within its limit (P4)."""

import threading
from datetime import timedelta

import pytest

from solekey_eventlog.bus import Record
from solekey_eventlog.clock import ManualClock
from solekey_eventlog.errors import AccountParkedError, NotYetAppliedError, TrustStaleError
from solekey_protocol.encoding import encode_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream, auth
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat, parse_heartbeat
from solekey_protocol.ids import Timestamp
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS, WRITERS, Service
from solekey_protocol.statements import EMPTY_HEAD
from solekey_service.kernel import Kernel
from tests.support.demo_service import reacting as demo
from tests.support.eventlog.author import Author
from tests.support.eventlog.services import CuttableBus, Deliveries, Feed, StartService


@pytest.fixture
def kernel(start: StartService) -> Kernel:
    return start()


def beat(
    kernel: Kernel, clock: ManualClock, *, ahead_s: float = 0, key: str = "devices", **positions: int
) -> None:
    """Let a heartbeat of the devices service arrive; positions as p0=…, p1=…"""
    at = Timestamp.from_datetime(clock.now() + timedelta(seconds=ahead_s))
    claimed = {int(partition[1:]): offset for partition, offset in positions.items()}
    value = encode_heartbeat(Heartbeat(Service.DEVICES, at, claimed))
    kernel.freshness.observe(Record(HEARTBEAT_TOPIC, 0, 0, key, value))


def test_silence_from_the_start_is_stale(kernel: Kernel) -> None:
    with pytest.raises(TrustStaleError, match="nothing heard"):
        kernel.freshness.require(Stream.DEVICES)
    kernel.freshness.require(Stream.AUTH)  # its own stream


def test_a_feed_is_fresh_as_long_as_it_is_heard_and_stale_within_the_limit(
    kernel: Kernel, clock: ManualClock
) -> None:
    for _ in range(20):
        beat(kernel, clock)
        kernel.freshness.require(Stream.DEVICES)
        clock.advance(1)
    clock.advance(4)
    kernel.freshness.require(Stream.DEVICES)
    clock.advance(0.001)
    with pytest.raises(TrustStaleError, match="limit 5 s") as refused:
        kernel.freshness.require(Stream.DEVICES)
    assert refused.value.retry_after_s == 1
    beat(kernel, clock)
    kernel.freshness.require(Stream.DEVICES)
    with pytest.raises(TrustStaleError):
        kernel.freshness.require(Stream.VAULT)


def test_a_heartbeat_from_the_future_does_not_count(kernel: Kernel, clock: ManualClock) -> None:
    beat(kernel, clock, ahead_s=2.001)
    with pytest.raises(TrustStaleError):
        kernel.freshness.require(Stream.DEVICES)
    beat(kernel, clock, ahead_s=2)
    kernel.freshness.require(Stream.DEVICES)
    clock.advance(5.001)  # by the clock of the heartbeat only 3 s old, but it arrived 5 s ago
    with pytest.raises(TrustStaleError):
        kernel.freshness.require(Stream.DEVICES)


def test_clocks_that_were_ahead_for_a_moment_do_not_make_a_feed_stale(
    kernel: Kernel, clock: ManualClock
) -> None:
    right = clock.now()
    clock.set_wall(right + timedelta(days=400))
    beat(kernel, clock)
    kernel.freshness.require(Stream.DEVICES)
    clock.set_wall(right)
    for _ in range(3):
        clock.advance(5)
        beat(kernel, clock)
        kernel.freshness.require(Stream.DEVICES)


def test_a_heartbeat_that_was_held_back_is_as_old_as_it_says(kernel: Kernel, clock: ManualClock) -> None:
    beat(kernel, clock, ahead_s=-5.001)
    with pytest.raises(TrustStaleError):
        kernel.freshness.require(Stream.DEVICES)
    beat(kernel, clock, ahead_s=-5)
    kernel.freshness.require(Stream.DEVICES)


def test_a_wall_clock_that_goes_back_keeps_nothing_fresh(kernel: Kernel, clock: ManualClock) -> None:
    beat(kernel, clock)
    clock.advance(5.001)
    clock.set_wall(clock.now() - timedelta(hours=1))
    with pytest.raises(TrustStaleError):
        kernel.freshness.require(Stream.DEVICES)


def test_what_a_heartbeat_claims_must_be_applied_here(
    kernel: Kernel, clock: ManualClock, alice: Author
) -> None:
    bus_of = Deliveries(kernel)
    first = alice.found()
    bus_of.give(first)
    with kernel.store.read() as uow:
        ((partition),) = uow.connection.execute(demo.TABLES.applied.select()).all()
    name = f"p{partition.partition}"
    beat(kernel, clock, **{name: 2})
    with pytest.raises(TrustStaleError):
        kernel.freshness.require(Stream.DEVICES)
    bus_of.give(alice.enrol())
    kernel.freshness.require(Stream.DEVICES)
    clock.advance(4)
    beat(kernel, clock, **{name: 3})  # younger, but its claim is not applied: the older one goes on counting
    kernel.freshness.require(Stream.DEVICES)
    clock.advance(2)
    with pytest.raises(TrustStaleError, match="known up to 6"):
        kernel.freshness.require(Stream.DEVICES)
    bus_of.give(alice.trust())
    kernel.freshness.require(Stream.DEVICES)


def test_records_that_were_skipped_keep_the_feed_stale(
    kernel: Kernel, clock: ManualClock, alice: Author, caplog: pytest.LogCaptureFixture
) -> None:
    founded = alice.found()
    kernel.projector.apply(Record(TOPICS[Stream.DEVICES], 0, 7, founded.account, founded.raw))
    assert "rebuild the inbox" in caplog.text
    beat(kernel, clock, p0=8)
    with pytest.raises(TrustStaleError):
        kernel.freshness.require(Stream.DEVICES)


def test_a_busy_producer_pushes_no_heartbeat_out_before_it_is_covered(
    kernel: Kernel, clock: ManualClock, alice: Author
) -> None:
    for claim in range(200):
        beat(kernel, clock, p0=claim)
        clock.advance(0.01)
    kernel.freshness.require(Stream.DEVICES)  # nothing is applied; the first heartbeat claimed nothing


def test_a_cut_bus_makes_every_follower_stale_and_its_return_fresh(
    start: StartService, bus: CuttableBus, clock: ManualClock, alice: Author
) -> None:
    producer, follower = start(demo.AUTH), start(demo.VAULT)
    feed = Feed(bus, follower)
    with producer.store.begin() as uow:
        uow.append(alice.account, EMPTY_HEAD, auth.AccountRegistered(1))
    producer.publisher.publish_pending()
    feed.run()
    follower.freshness.require(Stream.AUTH)
    bus.cut = True
    clock.advance(5.001)
    feed.run()
    with pytest.raises(TrustStaleError):
        follower.freshness.require(Stream.AUTH)
    bus.cut = False
    producer.publisher.publish_pending()
    feed.run()
    follower.freshness.require(Stream.AUTH)


def test_after_a_restart_one_heartbeat_is_enough(
    start: StartService, bus: CuttableBus, clock: ManualClock, alice: Author, new_database_url: object
) -> None:
    url = new_database_url()  # type: ignore[operator]
    kernel = start(url=url)
    Deliveries(kernel).give(alice.found())
    kernel.close()
    again = start(url=url)
    beat(again, clock, p0=0, p1=0)
    again.freshness.require(Stream.DEVICES)
    with again.store.read() as uow:
        (row,) = uow.connection.execute(demo.TABLES.applied.select()).all()
    clock.advance(10)
    beat(again, clock, **{f"p{row.partition}": 1})
    again.freshness.require(Stream.DEVICES)


@pytest.mark.parametrize(
    "value",
    [
        b"junk",
        encode_json({"service": "devices"}),
        encode_json({"service": "nobody", "at": "2026-11-23T12:00:00.000Z", "positions": {}}),
        encode_json({"service": "devices", "at": "2026-13-40T12:00:00.000Z", "positions": {}}),
        encode_json({"service": "devices", "at": "2026-11-23T12:00:00.000Z", "positions": {"0": -1}}),
        encode_json({"service": "devices", "at": "2026-11-23T12:00:00.000Z", "positions": {"x": 1}}),
        encode_json({"service": "devices", "at": "2026-11-23T12:00:00.000Z", "positions": []}),
    ],
)
def test_a_malformed_heartbeat_is_left_aside(kernel: Kernel, value: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_heartbeat(value)
    kernel.freshness.observe(Record(HEARTBEAT_TOPIC, 0, 0, "devices", value))
    with pytest.raises(TrustStaleError):
        kernel.freshness.require(Stream.DEVICES)


def test_a_heartbeat_under_anothers_key_is_left_aside(kernel: Kernel, clock: ManualClock) -> None:
    beat(kernel, clock, key="vault")
    with pytest.raises(TrustStaleError):
        kernel.freshness.require(Stream.DEVICES)


def test_a_heartbeat_round_trips() -> None:
    heartbeat = Heartbeat(Service.AUTH, Timestamp("2026-11-23T12:00:00.000Z"), {0: 5, 11: 0})
    assert parse_heartbeat(encode_heartbeat(heartbeat)) == heartbeat


def test_waiting_ends_when_the_position_is_applied(kernel: Kernel, alice: Author) -> None:
    bus_of = Deliveries(kernel)
    bus_of.give(alice.found())
    kernel.freshness.await_positions(alice.account, {Stream.DEVICES: 1}, timeout_s=0)
    with pytest.raises(NotYetAppliedError, match="applied up to 1, asked for 2"):
        kernel.freshness.await_positions(alice.account, {Stream.DEVICES: 2}, timeout_s=0.1)
    with pytest.raises(NotYetAppliedError):
        kernel.freshness.await_positions(alice.account, {Stream.AUTH: 1}, timeout_s=0)
    later = threading.Timer(0.1, bus_of.give, args=(alice.enrol(),))
    later.start()
    kernel.freshness.await_positions(alice.account, {Stream.DEVICES: 2}, timeout_s=10)
    later.join()


def test_who_waits_for_an_account_is_woken_by_its_events_alone(
    kernel: Kernel, alice: Author, bob: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solekey_eventlog.freshness._FIRST_POLL_S", 60.0)  # nobody looks by himself
    monkeypatch.setattr("solekey_eventlog.freshness._LONGEST_POLL_S", 60.0)
    bus_of = Deliveries(kernel)
    looks: list[int] = []

    def look(given: Author, *, is_there: bool) -> None:
        looks.append(len(looks))
        if len(looks) == 2:  # the first look was in vain, and now it is known who waits
            bus_of.give(given.found())
        elif len(looks) == 3 and is_there:
            return
        raise NotYetAppliedError("not yet")

    with pytest.raises(NotYetAppliedError):
        kernel.freshness.wait(alice.account, lambda: look(bob, is_there=False), timeout_s=0.05)
    assert len(looks) <= 3  # the third when time is up
    looks.clear()
    kernel.freshness.wait(alice.account, lambda: look(alice, is_there=True), timeout_s=30.0)  # the control


def test_waiting_covers_events_on_their_way_but_not_parked_ones(kernel: Kernel, alice: Author) -> None:
    bus_of = Deliveries(kernel)
    founded = alice.found()
    bus_of.give(alice.say(alice.wrapped()))
    with pytest.raises(NotYetAppliedError, match="on their way"):
        kernel.freshness.await_positions(alice.account, {}, timeout_s=0.1)
    bus_of.give(founded)
    kernel.freshness.await_positions(alice.account, {Stream.VAULT: 1}, timeout_s=0)
    alice.enrol()
    bus_of.give(alice.trust())
    with pytest.raises(AccountParkedError):
        kernel.freshness.await_positions(alice.account, {}, timeout_s=10)


def test_positions_of_streams_that_do_not_matter_here_are_passed_over(
    start: StartService, alice: Author
) -> None:
    definition = demo.AUTH
    kernel = start(definition)
    object.__setattr__(kernel.streams, "subscribed", (Stream.DEVICES,))
    kernel.freshness.await_positions(alice.account, {Stream.VAULT: 7}, timeout_s=0)


def test_health_tells_what_is_stale(kernel: Kernel, clock: ManualClock) -> None:
    well, members = kernel.health()
    assert not well
    assert members == {
        "status": "stale",
        "stream": "auth",
        "fresh": {"devices": None, "vault": None, "rotation": None},
        "unpublished": 0,
        "parked": 0,
        "distrusted": None,
        "restored": [],
    }
    for service in map(WRITERS.__getitem__, kernel.streams.subscribed):
        value = encode_heartbeat(Heartbeat(service, Timestamp.from_datetime(clock.now()), {}))
        kernel.freshness.observe(Record(HEARTBEAT_TOPIC, 0, 0, service.value, value))
    clock.advance(1)
    well, members = kernel.health()
    assert well
    assert members["fresh"] == {"devices": 1000, "vault": 1000, "rotation": 1000}
