"""A log that lost its end, and a database that is older than its log, are refused."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from solekey_eventlog.bus import Bus, BusConfigurationError
from solekey_eventlog.errors import LogFaultError, TrustStaleError
from solekey_eventlog.log_check import LogWatch
from solekey_protocol.events import Stream, auth
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS
from solekey_service.kernel import Kernel
from tests.support.demo_service import reacting as demo
from tests.support.eventlog.author import Author
from tests.support.eventlog.broken_logs import cut_tail
from tests.support.eventlog.services import CuttableBus, Feed, StartService

TOPIC = TOPICS[Stream.AUTH]
FACT = auth.LoginFailed(auth.LoginStage.LOGIN_KEY)


def append(kernel: Kernel[Any], person: Author, count: int = 1) -> None:
    for _ in range(count):
        with kernel.store.begin() as uow:
            uow.append(person.account, uow.head(person.account), FACT)


@pytest.fixture
def pair(start: StartService, bus: CuttableBus, alice: Author) -> tuple[Kernel[Any], Kernel[Any]]:
    """A service that has published three events, and one that has applied them."""
    writer, vault = start(demo.AUTH), start(demo.VAULT)
    for kernel in (writer, vault):
        kernel.check_bus()
    append(writer, alice, 3)
    writer.publisher.publish_pending()
    Feed(bus, vault).run()
    return writer, vault


@pytest.fixture
def cut(tmp_path: Path) -> Callable[[int], int]:
    return lambda records: cut_tail(tmp_path / "bus.db", TOPIC, records)


def test_a_tail_that_was_cut_is_noticed_by_who_wrote_and_who_read_it(
    pair: tuple[Kernel[Any], Kernel[Any]], cut: Callable[[int], int]
) -> None:
    partition = cut(1)
    for kernel, verb in zip(pair, ("published", "applied"), strict=True):
        fault = kernel.find_log_fault() or ""
        assert f"{TOPIC} ends at 2 in partition {partition}, but 3 was reached" in fault
        assert verb in fault
        assert f"python -m solekey_{kernel.stream} check" in fault
        with pytest.raises(BusConfigurationError, match="ends at 2"):
            kernel.check_bus()


def test_a_log_that_was_cut_and_has_grown_again_is_noticed_by_its_tail(
    pair: tuple[Kernel[Any], Kernel[Any]], cut: Callable[[int], int], bus: Bus, bob: Author, alice: Author
) -> None:
    """What grew are events of the service: neither length nor id tells, only what stands at the place."""
    writer, vault = pair
    cut(2)
    append(writer, alice, 4)
    with writer.store.read() as uow:
        newer = uow.records(alice.account, after=3)
    for raw in newer:  # by a process that dies before it marks them
        bus.publish(TOPIC, alice.account, raw)
    for kernel in (writer, vault):
        fault = kernel.find_log_fault() or ""
        assert "has another record at offset 2" in fault
        assert "expected" in fault


def test_a_publisher_that_writes_onto_a_cut_log_stops_and_nobody_is_told_that_all_is_published(
    pair: tuple[Kernel[Any], Kernel[Any]],
    cut: Callable[[int], int],
    bus: CuttableBus,
    alice: Author,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Before anything looks at the log: it would have grown beyond what was published in a moment."""
    writer, _ = pair
    cut(1)
    append(writer, alice, 5)
    beats = len(list(bus.read(HEARTBEAT_TOPIC)))
    with caplog.at_level(logging.ERROR), pytest.raises(LogFaultError, match="another record at offset 2"):
        writer.publisher.publish_pending()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert writer.store.count_unpublished() == 5
    held = len(list(bus.read(TOPIC)))
    for _ in range(3):  # and it stays so, without a record more
        with pytest.raises(LogFaultError):
            writer.publisher.publish_pending()
    assert len(list(bus.read(TOPIC))) == held
    assert writer.publisher.publish_heartbeat_if_idle() is False
    assert len(list(bus.read(HEARTBEAT_TOPIC))) == beats
    with pytest.raises(TrustStaleError, match="cannot be relied on"):
        writer.freshness.require(Stream.DEVICES)
    assert "another record" in str(writer.health()[1]["distrusted"])
    assert writer.find_log_fault() is not None  # the next start refuses, too


def test_without_the_look_the_loss_would_be_forgotten(
    pair: tuple[Kernel[Any], Kernel[Any]], cut: Callable[[int], int], alice: Author
) -> None:
    """Positive control: a publisher that marks where it lands leaves nothing to compare with."""
    writer, _ = pair
    cut(1)
    append(writer, alice, 5)
    writer.publisher.watch(lambda: None, lambda _: None)
    writer.publisher.publish_pending()
    assert writer.find_log_fault() is None


def test_repetitions_of_a_crash_are_no_fault(
    pair: tuple[Kernel[Any], Kernel[Any]], bus: Bus, alice: Author
) -> None:
    writer, _ = pair
    append(writer, alice, 2)
    with writer.store.read() as uow:
        for raw in uow.records(alice.account, after=3):
            bus.publish(TOPIC, alice.account, raw)  # and dies before it marks them
    assert writer.find_log_fault() is None
    writer.publisher.publish_pending()
    assert writer.store.count_unpublished() == 0
    assert writer.find_log_fault() is None


def test_a_database_that_is_older_than_its_log_is_refused(
    pair: tuple[Kernel[Any], Kernel[Any]], alice: Author
) -> None:
    """Restored: the log holds two events that the database does not know, and would contradict."""
    writer, vault = pair
    events, published = writer.store.tables.events, writer.store.tables.published
    with writer.store.begin() as uow:
        uow.connection.execute(delete(events).where(events.c.seq > 1))
        uow.connection.execute(published.update().values(next_offset=1, tail=None))
    with pytest.raises(BusConfigurationError, match=r"at offset 1 .* that the database of this service does"):
        writer.check_bus()
    assert vault.find_log_fault() is None  # what it follows is whole


def test_a_follower_that_is_older_than_the_log_is_only_behind(
    pair: tuple[Kernel[Any], Kernel[Any]], bus: CuttableBus
) -> None:
    _, vault = pair
    inbox, applied = vault.store.tables.inbox, vault.store.tables.applied
    with vault.store.begin() as uow:
        uow.connection.execute(delete(inbox).where(inbox.c.seq > 1))
        uow.connection.execute(applied.update().values(next_offset=1, tail=None))
    assert vault.find_log_fault() is None


def test_a_forged_record_in_the_own_topic_is_noticed(
    pair: tuple[Kernel[Any], Kernel[Any]], bus: Bus, bob: Author
) -> None:
    writer, _ = pair
    bus.publish(TOPIC, bob.account, bob.say(FACT).raw)
    assert "does not have" in (writer.find_log_fault() or "")


def test_an_event_under_another_key_is_not_the_own_event(
    pair: tuple[Kernel[Any], Kernel[Any]], bus: Bus, alice: Author, bob: Author
) -> None:
    writer, _ = pair
    with writer.store.read() as uow:
        bus.publish(TOPIC, bob.account, uow.records(alice.account)[0])
    assert "does not have" in (writer.find_log_fault() or "")


def test_topics_that_vanish_while_the_service_runs_are_a_fault(
    pair: tuple[Kernel[Any], Kernel[Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, vault = pair

    def find() -> str | None:
        raise BusConfigurationError("topic solekey.auth.v1: does not exist")

    watch = LogWatch(vault.service, find, vault.freshness, vault.publisher)
    with caplog.at_level(logging.ERROR):
        watch.look()
        watch.look()
    assert len(caplog.records) == 1
    with pytest.raises(TrustStaleError, match="cannot be relied on"):
        vault.freshness.require(Stream.AUTH)


def test_who_runs_the_publisher_hears_of_it_once_and_it_goes_on_when_the_log_is_whole(
    pair: tuple[Kernel[Any], Kernel[Any]],
    cut: Callable[[int], int],
    alice: Author,
    caplog: pytest.LogCaptureFixture,
) -> None:
    writer, _ = pair
    cut(1)
    append(writer, alice, 5)
    with caplog.at_level(logging.WARNING), pytest.raises(LogFaultError):
        writer.publisher.publish_pending()
    watch = LogWatch(writer.service, writer.find_log_fault, writer.freshness, writer.publisher)
    watch.look()  # the same fault: said already
    assert len(caplog.records) == 1
    whole = replace(writer)
    watch = LogWatch(writer.service, lambda: None, whole.freshness, writer.publisher)
    watch.look()
    assert writer.freshness.distrusted is None
    stop = threading.Event()
    stop.set()
    writer.publisher.run(stop)
