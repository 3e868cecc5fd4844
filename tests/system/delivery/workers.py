"""What is killed: a publisher of device events, and followers that react to them; each a forked process.

The parts are the services' own: event store, publisher, projector, consumer group. Only the loop of a
follower is written anew, since the real one lives in a web framework. A flaw is what a test plants.
"""

import os
import secrets
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import MetaData

from solekey_eventlog.batch import MAX_BATCH_RECORDS
from solekey_eventlog.bus import Bus, BusConfig, BusError, Consumer, Message, Position, Record, open_bus
from solekey_eventlog.clock import SystemClock
from solekey_eventlog.engine import open_engine
from solekey_eventlog.errors import StalePositionError, UnavailableError
from solekey_eventlog.migrations import upgrade
from solekey_eventlog.publisher import Publisher
from solekey_eventlog.secret import Secret
from solekey_eventlog.store import EventStore
from solekey_eventlog.tables import define_event_tables
from solekey_protocol.events import Stream
from solekey_service.build import build_service, start_service
from solekey_service.config import ServiceConfig
from solekey_service.kernel import Kernel
from tests.support.demo_service import reacting as demo

PACKAGE = "tests.support.demo_service"
SESSION_S = 1.0  # the broker of these tests allows it: a member that was killed is missed soon
_POLL_S = 0.2
_AGAIN_S = 0.1
_ODDS = 12
"""One in so many acts ends its process half-way."""
_TABLES = define_event_tables(MetaData())


def open_outbox(folder: Path) -> EventStore:
    """Open the database of the service that publishes."""
    engine = open_engine(Secret(f"sqlite:///{folder}/devices.db"))
    upgrade(engine, PACKAGE)
    return EventStore(engine, Stream.DEVICES, _TABLES, SystemClock())


def open_inbox(folder: Path) -> EventStore:
    """Open the database of the service that follows, to count its rows."""
    return EventStore(
        open_engine(Secret(f"sqlite:///{folder}/auth.db")), Stream.AUTH, demo.TABLES, SystemClock()
    )


def open_follower(folder: Path, bus: Bus) -> Kernel[Any]:
    """Open the service that follows; several processes may."""
    config = ServiceConfig(
        database_url=Secret(f"sqlite:///{folder}/auth.db"),
        bus_url="embedded:///unused.db",
        origin="https://solekey.example",
    )
    kernel: Kernel[Any] = start_service(demo.AUTH, build_service(demo.AUTH, config, bus)).kernel
    return kernel


def publish(folder: Path, url: str, flaw: str | None) -> None:
    """Publish what is committed, until killed."""
    with open_bus(BusConfig(url, publish_timeout_s=2, request_timeout_s=2)) as bus:
        deadly = HastyBus(bus) if flaw == "marks-early" else DeadlyBus(bus)
        publisher = Publisher(open_outbox(folder), deadly)  # type: ignore[arg-type]  # what it has not, the bus has
        timer = threading.Thread(target=_wake_often, args=[publisher], daemon=True)
        timer.start()
        publisher.run(threading.Event())


def _wake_often(publisher: Publisher) -> None:
    while not threading.Event().wait(_AGAIN_S / 2):
        publisher.notify()


def die_sometimes() -> None:
    """Die here, as by a kill from outside: at the point where the next step is still to be done."""
    if secrets.randbelow(_ODDS) == 0:
        os.kill(os.getpid(), signal.SIGKILL)


class DeadlyBus:
    """A bus on which its process may die when records are durable and not marked."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def publish_many(self, messages: Sequence[Message]) -> list[Position]:
        """Publish, and perhaps not return."""
        positions = self._bus.publish_many(messages)
        die_sometimes()
        return positions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)


class HastyBus(DeadlyBus):
    """The defect: says that records are durable before they are sent, so that they are marked."""

    def publish_many(self, messages: Sequence[Message]) -> list[Position]:
        """Send a moment later."""
        threading.Thread(target=self._send, args=[messages], daemon=True).start()
        return [Position(0, 0) for _ in messages]

    def _send(self, messages: Sequence[Message]) -> None:
        threading.Event().wait(_AGAIN_S)
        die_sometimes()
        self._bus.publish_many(messages)


def follow(folder: Path, url: str, flaw: str | None) -> None:
    """Follow as a member of the group, until killed."""
    with open_bus(BusConfig(url, request_timeout_s=2, session_timeout_s=SESSION_S)) as bus:
        kernel = open_follower(folder, bus)
        while True:
            try:
                with bus.consumer("solekey-auth", kernel.topics) as consumer:
                    while True:
                        _take(kernel, consumer, consumer.poll(_POLL_S), flaw)
            except (BusError, UnavailableError, StalePositionError):
                threading.Event().wait(_AGAIN_S)


def _take(kernel: Kernel[Any], consumer: Consumer, records: Sequence[Record], flaw: str | None) -> None:
    """Apply and commit as the service does, many at a time; a control one by one, so that it dies often."""
    size = MAX_BATCH_RECORDS if flaw is None else 1
    for start in range(0, len(records), size):
        page = records[start : start + size]
        last = {(record.topic, record.partition): record for record in page}
        steps = [partial(kernel.projector.apply_all, page), partial(consumer.commit, *last.values())]
        first, then = reversed(steps) if flaw == "commits-early" else steps
        first()
        die_sometimes()
        then()


def fork(work: Callable[[Path, str, str | None], None], folder: Path, url: str, flaw: str | None) -> int:
    """Start a worker; returns the number of its process. The driver has neither threads nor connections."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _run(work, folder, url, flaw)
    return child


def _run(work: Callable[..., None], folder: Path, url: str, flaw: str | None) -> NoReturn:
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        work(folder, url, flaw)
    except BaseException:  # noqa: BLE001 - whatever it is, the driver must not go on as two
        traceback.print_exc()
    os._exit(1)


def has_died(process: int) -> bool:
    """Tell whether a worker has ended by itself."""
    return os.waitpid(process, os.WNOHANG) != (0, 0)


def kill(process: int) -> None:
    """Take a worker away at once."""
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
