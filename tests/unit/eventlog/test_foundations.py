"""What existing data depends on is never replaced in silence: keys, object stores, the event log."""

import logging
from dataclasses import replace

import pytest

from solekey_eventlog.bus import BusConfig, BusConfigurationError, Message
from solekey_eventlog.bus.topics import derive_topics
from solekey_eventlog.errors import ConfigError, TrustStaleError
from solekey_eventlog.foundations import require_foundation
from solekey_eventlog.log_check import LogWatch
from solekey_protocol.events import Stream, auth
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS
from tests.support.demo_service import reacting as demo
from tests.support.eventlog.services import PARTITIONS, CuttableBus, Feed


def demand(kernel, value):
    require_foundation(kernel.store, "key", value, "give the key back")


def append(kernel, person):
    with kernel.store.begin() as uow:
        uow.append(person.account, uow.head(person.account), auth.LoginFailed(auth.LoginStage.LOGIN_KEY))


@pytest.fixture
def new_bus(tmp_path):
    """Give a function that opens another, empty log."""
    opened = []

    def open_new():
        path = tmp_path / f"other-{len(opened)}.db"
        bus = CuttableBus(path, BusConfig(f"embedded://{path}"))
        bus.create_topics(derive_topics(partitions=PARTITIONS))
        opened.append(bus)
        return bus

    yield open_new
    for bus in opened:
        bus.close()


def on(kernel, bus):
    """The same service, on another log."""
    return replace(kernel, bus=bus)


def test_an_empty_database_notes_a_foundation_and_demands_it_ever_after(start):
    kernel = start()
    demand(kernel, "a")
    demand(kernel, "a")
    with pytest.raises(ConfigError, match="give the key back"):
        demand(kernel, "b")
    demand(kernel, "a")


def test_a_database_with_events_takes_no_new_foundation(start, alice):
    kernel = start()
    append(kernel, alice)
    with pytest.raises(ConfigError, match="give the key back"):
        demand(kernel, "a")


@pytest.fixture
def running(start, alice, bus):
    """Two services that have published and applied events."""
    writer, vault = start(demo.AUTH), start(demo.VAULT)
    for kernel in (writer, vault):
        kernel.check_bus()
    append(writer, alice)
    writer.publisher.publish_pending()
    Feed(bus, vault).run()
    return writer, vault


def test_the_log_that_was_used_is_accepted(running):
    for kernel in running:
        assert kernel.find_log_fault() is None
        kernel.check_bus()


def test_an_empty_log_in_the_place_of_the_old_one_is_refused(running, new_bus):
    writer, vault = running
    with pytest.raises(BusConfigurationError, match=r"auth.v1 ends at 0.*1 was reached.*Restore"):
        on(writer, new_bus()).check_bus()
    with pytest.raises(BusConfigurationError, match=r"^vault: .*Restore"):
        on(vault, new_bus()).check_bus()


def test_another_log_of_the_same_length_is_refused(running, new_bus):
    auth_service, vault = running
    other = new_bus()
    other.publish_many(
        [
            Message(record.topic, record.key, record.value)
            for record in auth_service.bus.read(TOPICS[Stream.AUTH])
        ]
    )
    for kernel in (auth_service, vault):
        with pytest.raises(BusConfigurationError, match="not the log that this database was used with"):
            on(kernel, other).check_bus()


def test_a_log_that_went_back_is_refused(start, bus, new_bus, alice):
    """Restored from a copy: the same log, with the same id, but shorter."""
    writer = start(demo.AUTH)
    writer.check_bus()
    append(writer, alice)
    writer.publisher.publish_pending()
    older = new_bus()
    older.log_id = bus.log_id
    assert "ends at 0" in (on(writer, older).find_log_fault() or "")


def test_an_empty_database_beside_a_log_of_its_events_is_refused(start, running):
    fresh = start(demo.AUTH)
    with pytest.raises(BusConfigurationError, match="its database has none"):
        fresh.check_bus()


def test_while_the_log_cannot_be_relied_on_nothing_is_fresh(start, bus):
    writer, vault = start(demo.AUTH), start(demo.VAULT)
    feed = Feed(bus, vault)
    writer.publisher.publish_pending()
    feed.run()
    vault.freshness.require(Stream.AUTH)  # positive control
    vault.freshness.distrust("solekey.auth.v1 ends at 0")
    with pytest.raises(TrustStaleError, match="cannot be relied on"):
        vault.freshness.require(Stream.AUTH)
    assert vault.health()[0] is False
    vault.freshness.distrust(None)
    vault.freshness.require(Stream.AUTH)


def test_a_running_service_notices_it_and_says_so_once(running, new_bus, caplog):
    _, vault = running
    another = new_bus()
    buses = [another, another, vault.bus]
    watch = LogWatch(
        Stream.VAULT, lambda: on(vault, buses.pop(0)).find_log_fault(), vault.freshness, vault.publisher
    )
    for record in vault.bus.read(HEARTBEAT_TOPIC):
        vault.freshness.observe(record)
    with caplog.at_level(logging.WARNING):
        watch.look()
        watch.look()
        with pytest.raises(TrustStaleError, match="cannot be relied on"):
            vault.freshness.require(Stream.AUTH)
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "Restore the log and the databases" in caplog.text
        watch.look()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert vault.freshness.age_s(Stream.AUTH) is not None
