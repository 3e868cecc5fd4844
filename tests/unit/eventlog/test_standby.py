"""What nobody applies, every process of the service applies: soon, once, and only then."""

import threading

import pytest
from sqlalchemy import select

from solekey_eventlog.bus import Record
from solekey_eventlog.clock import ManualClock
from solekey_eventlog.errors import TrustStaleError
from solekey_eventlog.offsets import Reached, advance_offset, read_offsets
from solekey_eventlog.standby import INTERVAL_S, PATIENCE_S, Standby
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, devices
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat
from solekey_protocol.ids import Timestamp
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS, Service
from solekey_service.kernel import Kernel
from tests.support.demo_service import reacting as demo
from tests.support.eventlog.author import Author
from tests.support.eventlog.services import CuttableBus, NewUrl, StartService
from tests.support.keys import Key

DEVICES = TOPICS[Stream.DEVICES]


@pytest.fixture
def kernel(start: StartService) -> Kernel:
    return start()


@pytest.fixture
def standby(kernel: Kernel, bus: CuttableBus) -> Standby:
    return Standby(kernel.store, bus, kernel.projector, kernel.freshness)


def hear(kernel: Kernel, clock: ManualClock, bus: CuttableBus, *, beyond: int = 0) -> None:
    """Let a heartbeat of the devices service arrive that claims what is on the bus."""
    ends = {partition: end + beyond for partition, end in bus.end_offsets(DEVICES).items()}
    value = encode_heartbeat(Heartbeat(Service.DEVICES, Timestamp.from_datetime(clock.now()), ends))
    kernel.freshness.observe(Record(HEARTBEAT_TOPIC, 0, 0, Service.DEVICES, value))


def enrol(author: Author, name: str) -> Event:
    device = Key(name)
    return author.say(devices.DeviceEnrolled(device.certificate), device=device)


def publish(bus: CuttableBus, *events: Event) -> list[Record]:
    """Publish events; return all records of the devices topic."""
    for event in events:
        bus.publish(DEVICES, event.account, event.raw)
    return list(bus.read(DEVICES))


def applied(kernel: Kernel) -> int:
    with kernel.store.read() as uow:
        return sum(read_offsets(uow.connection, kernel.store.tables.applied, DEVICES).values())


def test_what_nobody_applies_is_applied_before_the_feed_is_stale(
    kernel: Kernel, standby: Standby, bus: CuttableBus, clock: ManualClock, alice: Author
) -> None:
    publish(bus, alice.found(), enrol(alice, "phone"))
    hear(kernel, clock, bus)
    assert standby.look() == 0  # the group has its time
    clock.advance(PATIENCE_S - 0.001)
    assert standby.look() == 0
    clock.advance(0.001)
    assert standby.look() == 2
    kernel.freshness.require(Stream.DEVICES)
    publish(bus, enrol(alice, "tablet"))
    hear(kernel, clock, bus)
    assert standby.look() == 1  # it goes on without waiting, until the group is back


def test_control_without_a_standby_the_feed_is_stale(
    kernel: Kernel, bus: CuttableBus, clock: ManualClock, alice: Author
) -> None:
    publish(bus, alice.found())
    for _ in range(6):
        hear(kernel, clock, bus)
        clock.advance(1)
    with pytest.raises(TrustStaleError):
        kernel.freshness.require(Stream.DEVICES)


def test_a_member_of_the_group_that_works_is_left_alone(
    kernel: Kernel, standby: Standby, bus: CuttableBus, clock: ManualClock, alice: Author
) -> None:
    records = publish(bus, alice.found(), *(enrol(alice, f"phone {n}") for n in range(9)))
    for record in records:  # slower than it should, and behind all the time
        hear(kernel, clock, bus)
        kernel.projector.apply(record)
        assert standby.look() == 0
        clock.advance(PATIENCE_S - 0.01)


def test_what_a_member_applies_again_is_given_back_to_it(
    kernel: Kernel, standby: Standby, bus: CuttableBus, clock: ManualClock, alice: Author
) -> None:
    publish(bus, alice.found())
    hear(kernel, clock, bus)
    assert standby.look() == 0
    clock.advance(PATIENCE_S)
    assert standby.look() == 1
    kernel.projector.apply(publish(bus, enrol(alice, "phone"))[1])
    publish(bus, enrol(alice, "tablet"))
    hear(kernel, clock, bus)
    assert standby.look() == 0


def test_a_heartbeat_that_claims_more_than_there_is_costs_a_look_now_and_then(
    kernel: Kernel,
    standby: Standby,
    bus: CuttableBus,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    read = bus.read
    monkeypatch.setattr(bus, "read", lambda *given: asked.append(given) or read(*given))
    hear(kernel, clock, bus, beyond=5)
    for _ in range(int(30 / INTERVAL_S)):
        assert standby.look() == 0
        clock.advance(INTERVAL_S)
    assert 4 <= len(asked) <= 12  # two partitions, every 5.75 s


@pytest.mark.postgres
@pytest.mark.parametrize("new_database_url", ["postgres"], indirect=True)
def test_two_processes_that_apply_the_same_records_apply_each_once(
    start: StartService, new_postgres_url: NewUrl, bus: CuttableBus, alice: Author, bob: Author
) -> None:
    url = new_postgres_url()
    kernels = [start(url=url), start(url=url)]
    events = [author.found() for author in (alice, bob)]
    events += [enrol(author, f"phone {n}") for n in range(20) for author in (alice, bob)]
    records = publish(bus, *events)
    failures: list[BaseException] = []
    together = threading.Barrier(2)

    def apply_all(kernel: Kernel) -> None:
        try:
            for record in records:
                together.wait(10)
                kernel.projector.apply(record)
        except BaseException as error:
            failures.append(error)
            together.abort()
            raise

    threads = [threading.Thread(target=apply_all, args=[kernel]) for kernel in kernels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert kernels[0].projector.list_parked() == []
    assert applied(kernels[0]) == len(records)
    inbox = demo.TABLES.inbox
    with kernels[0].store.read() as uow:
        kept = uow.connection.execute(select(inbox.c.account, inbox.c.seq)).all()
    assert len(kept) == len(set(kept)) == len(records)


@pytest.mark.postgres
@pytest.mark.parametrize("new_database_url", ["postgres"], indirect=True)
def test_an_offset_never_goes_back_whoever_comes_late(start: StartService, new_postgres_url: NewUrl) -> None:
    url = new_postgres_url()
    slow, fast = start(url=url), start(url=url)
    table = demo.TABLES.applied
    with slow.store.begin() as late:
        assert read_offsets(late.connection, table, DEVICES) == {}  # what it decides on
        with fast.store.begin() as early:
            advance_offset(early.connection, table, DEVICES, 0, Reached(7, None))
        advance_offset(late.connection, table, DEVICES, 0, Reached(6, None))
    with fast.store.read() as uow:
        assert read_offsets(uow.connection, table, DEVICES) == {0: 7}
