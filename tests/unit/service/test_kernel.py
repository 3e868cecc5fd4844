"""Building a service: migrations, the bus's topics, definitions that cannot work; the fold cache."""

from dataclasses import replace

import pytest
from sqlalchemy import Column, Integer, MetaData, Table

from solekey_eventlog.bus import BusConfigurationError
from solekey_eventlog.clock import ManualClock
from solekey_eventlog.engine import open_engine
from solekey_eventlog.errors import ConfigError
from solekey_eventlog.migrations import upgrade
from solekey_eventlog.secret import Secret
from solekey_eventlog.streams import Streams
from solekey_protocol.events import Stream
from solekey_protocol.streams import DevicesStream
from solekey_service.build import build_service
from tests.support.demo_service import reacting as demo
from tests.support.eventlog.author import Author
from tests.support.eventlog.services import CuttableBus, Deliveries, NewUrl, StartService, make_config
from tests.support.migrated_schema import find_differences


def test_a_migrated_database_is_what_the_metadata_says(new_database_url: NewUrl) -> None:
    engine = open_engine(Secret(new_database_url()))
    assert find_differences(engine, demo.METADATA) != []
    upgrade(engine, "tests.support.demo_service")
    upgrade(engine, "tests.support.demo_service")  # nothing left to do
    assert find_differences(engine, demo.METADATA) == []
    wanted = MetaData()
    for table in demo.METADATA.tables.values():
        table.to_metadata(wanted)
    Table("events", wanted, Column("surprise", Integer), extend_existing=True)
    assert len(find_differences(engine, wanted)) == 1
    engine.dispose()


def test_the_kernel_checks_the_topics_that_it_uses(start: StartService, bus: CuttableBus) -> None:
    kernel = start()
    kernel.check_bus()
    wrong = replace(kernel, config=replace(kernel.config, bus_partitions=3))
    with pytest.raises(BusConfigurationError, match="partitions"):
        wrong.check_bus()
    assert kernel.group == "solekey-auth"
    assert kernel.topics == ("solekey.devices.v1", "solekey.vault.v1", "solekey.rotation.v1")


@pytest.mark.parametrize("follows", [(Stream.VAULT,), (Stream.AUTH, Stream.DEVICES)])
def test_a_definition_that_could_not_verify_is_refused(
    bus: CuttableBus, clock: ManualClock, follows: tuple[Stream, ...]
) -> None:
    definition = replace(demo.AUTH, entry=replace(demo.AUTH.entry, follows=follows))
    with pytest.raises(ConfigError):
        build_service(definition, make_config("sqlite:////nowhere/x.db"), bus, clock=clock)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y", "sqlite://", "sqlite:////proc/none/x.db"])
def test_a_database_url_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        open_engine(Secret(url))


def test_the_cache_is_bounded_and_changes_nothing(start: StartService) -> None:
    kernel = start()
    people = [Author(f"person {number}") for number in range(5)]
    deliveries = Deliveries(kernel)
    deliveries.give(*[person.found() for person in people])
    small = Streams(kernel.store, kernel.streams.subscribed, cached_streams=2)
    with kernel.store.read() as uow:
        for person in [*people, *people]:
            assert small.fold(uow, person.account, DevicesStream).head == person.head(Stream.DEVICES)
    assert len(small._cache) == 2
    deliveries.give(people[-1].enrol())
    with kernel.store.read() as uow:
        assert small.fold(uow, people[-1].account, DevicesStream).head == people[-1].head(Stream.DEVICES)
        assert small.fold(uow, Author("nobody").account, DevicesStream).head.seq == 0
        small.forget()
        assert small.fold(uow, people[0].account, DevicesStream).head.seq == 1
