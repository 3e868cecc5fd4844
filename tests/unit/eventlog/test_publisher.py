"""The publisher: nothing is skipped, nothing is lost, order per account, one at a time."""

import threading
import time

import pytest
from sqlalchemy import select

from solekey_eventlog.bus import BusUnavailableError
from solekey_eventlog.clock import ManualClock
from solekey_eventlog.engine import is_sqlite
from solekey_eventlog.publisher_lock import open_publisher_lock
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Body, Stream, auth
from solekey_protocol.heartbeat import parse_heartbeat
from solekey_protocol.ids import AccountId
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS
from solekey_protocol.streams import AuthStream
from solekey_service.kernel import Kernel
from tests.support.demo_service import reacting as demo
from tests.support.eventlog.author import Author
from tests.support.eventlog.services import CuttableBus, Feed, NewUrl, StartService

FAILED = auth.LoginFailed(auth.LoginStage.LOGIN_KEY)


def append(kernel: Kernel, account: AccountId, *bodies: Body) -> list[Event]:
    with kernel.store.begin() as uow:
        return uow.append(account, uow.head(account), *bodies)


def published(bus: CuttableBus) -> list[Event]:
    return [parse_event(record.value) for record in bus.read(TOPICS[Stream.AUTH])]


def test_exact_bytes_reach_the_bus_once_and_in_order(
    start: StartService, bus: CuttableBus, alice: Author, bob: Author
) -> None:
    kernel = start()
    first = append(kernel, alice.account, FAILED, FAILED)
    other = append(kernel, bob.account, FAILED)
    assert kernel.store.count_unpublished() == 3
    assert kernel.publisher.publish_pending() == 3
    later = append(kernel, alice.account, FAILED)
    assert kernel.publisher.publish_pending() == 1
    assert kernel.publisher.publish_pending() == 0
    assert kernel.store.count_unpublished() == 0
    assert [e for e in published(bus) if e.account == alice.account] == first + later
    assert [e for e in published(bus) if e.account == bob.account] == other
    assert all(record.key == parse_event(record.value).account for record in bus.read(TOPICS[Stream.AUTH]))


def test_a_heartbeat_follows_what_is_published_and_one_of_an_idle_service_only_when_wanted(
    start: StartService, bus: CuttableBus, alice: Author, clock: ManualClock
) -> None:
    kernel = start()
    [event] = append(kernel, alice.account, FAILED)
    kernel.publisher.publish_pending(even_if_idle=False)
    [first] = [parse_heartbeat(record.value) for record in bus.read(HEARTBEAT_TOPIC)]
    assert sum(first.positions.values()) == event.seq
    clock.advance(10)  # they are not given closely
    kernel.publisher.publish_pending(even_if_idle=False)
    assert len(list(bus.read(HEARTBEAT_TOPIC))) == 1
    kernel.publisher.publish_pending()
    assert len(list(bus.read(HEARTBEAT_TOPIC))) == 2


def test_of_two_writers_the_one_who_commits_last_is_not_skipped(
    start: StartService, bus: CuttableBus, alice: Author, bob: Author, clock: ManualClock
) -> None:
    kernel = start()
    with kernel.store.begin() as slow:
        slow.append(alice.account, slow.head(alice.account), FAILED)
        clock.advance(1)
        fast = threading.Thread(target=append, args=(kernel, bob.account, FAILED))
        fast.start()
        if not is_sqlite(kernel.engine):  # SQLite has one writer: the fast one waits for the slow one
            fast.join(10)
            assert kernel.publisher.publish_pending() == 1
    fast.join(10)
    kernel.publisher.publish_pending()
    assert {event.account for event in published(bus)} == {alice.account, bob.account}
    if not is_sqlite(kernel.engine):  # the control: what a publisher with `id > last` would have skipped
        order = [event.account for event in sorted(published(bus), key=lambda event: event.time)]
        assert order == [alice.account, bob.account]


def test_a_crash_between_publishing_and_marking_repeats_and_loses_nothing(
    start: StartService, bus: CuttableBus, alice: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = start()
    events = append(kernel, alice.account, FAILED, FAILED)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as crashing:
        crashing.setattr(kernel.publisher, "_mark", crash)
        with pytest.raises(KeyboardInterrupt):
            kernel.publisher.publish_pending()
    assert kernel.store.count_unpublished() == 2
    kernel.publisher.publish_pending()
    assert published(bus) == events + events
    follower = start(demo.VAULT)
    assert Feed(bus, follower).run() == 4
    with follower.store.read() as uow:
        assert follower.streams.fold(uow, alice.account, AuthStream).head == events[-1].head


def test_a_write_succeeds_while_the_bus_is_down_and_follows_later(
    start: StartService, bus: CuttableBus, alice: Author
) -> None:
    kernel = start()
    bus.cut = True
    events = append(kernel, alice.account, FAILED)
    with pytest.raises(BusUnavailableError):
        kernel.publisher.publish_pending()
    assert list(bus.read(HEARTBEAT_TOPIC)) == []
    bus.cut = False
    assert kernel.publisher.publish_pending() == 1
    assert published(bus) == events


def test_more_than_a_page_is_published_in_order(
    start: StartService, bus: CuttableBus, alice: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solekey_eventlog.publisher._PAGE_EVENTS", 2)
    kernel = start()
    events = append(kernel, alice.account, *[FAILED] * 5)
    assert kernel.publisher.publish_pending() == 5
    assert published(bus) == events


def test_a_heartbeat_says_up_to_when_and_where_all_is_published(
    start: StartService, bus: CuttableBus, alice: Author, clock: ManualClock
) -> None:
    kernel = start()
    append(kernel, alice.account, FAILED, FAILED)
    kernel.publisher.publish_pending()
    kernel.publisher.publish_pending()  # too soon for another one
    clock.advance(1)
    kernel.publisher.publish_pending()
    records = list(bus.read(HEARTBEAT_TOPIC))
    beats = [parse_heartbeat(record.value) for record in records]
    assert [beat.at for beat in beats] == ["2026-11-23T12:00:00.000Z", "2026-11-23T12:00:01.000Z"]
    assert {record.key for record in records} == {"auth"}
    assert {beat.service for beat in beats} == {Stream.AUTH}
    ends = {p: end for p, end in bus.end_offsets(TOPICS[Stream.AUTH]).items() if end}
    assert [dict(beat.positions) for beat in beats] == [ends, ends]


def test_what_commits_during_the_select_is_not_claimed(
    start: StartService, bus: CuttableBus, alice: Author, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = start()
    select_page = kernel.publisher._select_page

    def select_slowly() -> object:
        page = select_page()
        clock.advance(3)
        append(kernel, alice.account, FAILED)
        return page

    monkeypatch.setattr(kernel.publisher, "_select_page", select_slowly)
    kernel.publisher.publish_pending()
    (beat,) = [parse_heartbeat(record.value) for record in bus.read(HEARTBEAT_TOPIC)]
    with kernel.store.read() as uow:
        events = demo.TABLES.events
        assert beat.at.datetime < uow.connection.execute(select(events.c.appended_at)).scalar_one()


def test_one_publishes_at_a_time(start: StartService, new_database_url: NewUrl) -> None:
    url = new_database_url()
    first, second = start(url=url), start(url=url)
    with open_publisher_lock(second.engine) as waiting:
        with open_publisher_lock(first.engine) as held:
            assert held.acquire()
            assert held.acquire()
            assert not waiting.acquire()
        assert waiting.acquire()


def test_the_loop_publishes_after_a_commit_survives_the_bus_and_stops(
    start: StartService, bus: CuttableBus, alice: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solekey_eventlog.publisher.INTERVAL_S", 0.05)
    kernel = start()
    stop = threading.Event()
    bus.cut = True
    events = append(kernel, alice.account, FAILED)
    loop = threading.Thread(target=kernel.publisher.run, args=(stop,))
    loop.start()
    try:
        bus.cut = False
        events += append(kernel, alice.account, FAILED)
        deadline = time.monotonic() + 10
        while published(bus) != events:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        stop.set()
        kernel.publisher.notify()
        loop.join(10)
    assert not loop.is_alive()
