"""A member of the group keeps its partitions and does not work, on Kafka: the other process is never stale.

As after a crash that the broker has not noticed yet. The control does not stand by and refuses, as every
process did before ADR 0137.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from solekey_eventlog.bus import BusConfig, Record, derive_topics, open_bus
from solekey_eventlog.clock import SystemClock
from solekey_eventlog.errors import TrustStaleError
from solekey_eventlog.secret import Secret
from solekey_eventlog.standby import Standby
from solekey_protocol.events import Stream, devices
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat
from solekey_protocol.ids import Timestamp
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS, Service
from solekey_service.build import build_service
from solekey_service.config import ServiceConfig
from solekey_service.kernel import Kernel
from tests.support.demo_service import reacting as demo
from tests.support.engines.waiting import wait_until
from tests.support.eventlog.author import Author
from tests.support.keys import Key

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

DEVICES = TOPICS[Stream.DEVICES]
LIMIT_S = 2.5
ROUNDS = 25
ROUND_S = 0.2


class Person:
    """An account whose events go to the bus, and what a heartbeat says of it."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus
        self._author = Author("somebody")
        self._ends: dict[int, int] = {}
        self._publish(self._author.found())

    def enrol(self, number: int) -> None:
        phone = Key(f"phone {number}")
        self._publish(self._author.say(devices.DeviceEnrolled(phone.certificate), device=phone))

    def make_heartbeat(self) -> Record:
        at = Timestamp.from_datetime(SystemClock().now())
        value = encode_heartbeat(Heartbeat(Service.DEVICES, at, self._ends))
        return Record(HEARTBEAT_TOPIC, 0, 0, Service.DEVICES, value)

    def _publish(self, event: Any) -> None:
        place = self._bus.publish(DEVICES, event.account, event.raw)
        self._ends[place.partition] = place.offset + 1


@pytest.fixture
def bus(kafka_servers: str) -> Iterator[Any]:
    with open_bus(BusConfig(f"kafka://{kafka_servers}")) as bus:
        bus.create_topics(derive_topics())
        yield bus


def is_stale(kernel: Kernel[Any]) -> bool:
    try:
        kernel.freshness.require(Stream.DEVICES)
    except TrustStaleError:
        return True
    return False


def test_a_process_applies_what_a_member_that_is_stuck_holds(bus: Any, tmp_path: Path) -> None:
    with ExitStack() as stack:
        kernels = []
        for name in ("standing by", "control"):
            config = ServiceConfig(
                database_url=Secret(f"sqlite:///{tmp_path}/{name}.db"),
                bus_url="embedded:///unused.db",
                origin="https://solekey.example",
                freshness_s=LIMIT_S,
            )
            kernels.append(build_service(demo.AUTH, config, bus).kernel)
            stack.callback(kernels[-1].close)
        kernel = kernels[0]
        stuck = stack.enter_context(bus.consumer(kernel.group, [DEVICES]))
        person = Person(bus)
        wait_until(
            lambda: bool(stuck.poll(0.2))
        )  # it is in the group, has been given records, and sits on them

        stop = threading.Event()
        standby = Standby(kernel.store, bus, kernel.projector, kernel.freshness)
        thread = threading.Thread(target=standby.run, args=[stop])
        thread.start()
        stack.callback(thread.join)
        stack.callback(stop.set)
        stale: dict[str, list[bool]] = {"standing by": [], "control": []}
        for number in range(ROUNDS):
            person.enrol(number)
            for each, name in zip(kernels, stale, strict=True):
                each.freshness.observe(person.make_heartbeat())
                if number * ROUND_S > LIMIT_S:  # from here on the stuck member would be felt
                    stale[name].append(is_stale(each))
            stop.wait(ROUND_S)
        assert all(stale["control"])
        assert not any(stale["standing by"])
