"""Kafka, and then PostgreSQL, restored from an older copy: refused, and brought together by the commands."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.bus import Bus, BusConfigurationError, derive_topics, open_bus
from solekey_eventlog.secret import Secret
from solekey_protocol.events import Stream
from solekey_protocol.events.devices import DeviceRevoked, RevocationReason
from solekey_protocol.streams import DevicesStream, DeviceStatus
from solekey_rotation.definition import DEFINITION as ROTATION
from solekey_service.build import build_service
from solekey_service.command_line import parse_command_line, run_command_on
from solekey_service.definition import ServiceDefinition
from solekey_service.kernel import Kernel
from tests.support.actors import Actor
from tests.support.engines.engine import required
from tests.support.engines.kafka.local import LocalBroker

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

LAPTOP, PHONE = Actor("ana", "laptop"), Actor("ana", "phone")
SERVICES = (DEVICES, ROTATION)


class Restorable:
    """Two services on real engines, of which each can be put back to what it was."""

    def __init__(self, folder: Path, broker: LocalBroker, urls: dict[Stream, str]) -> None:
        self.folder = folder
        self.broker = broker
        self.urls = urls
        self.bus: Bus = open_bus(f"kafka://{broker.servers}")
        self.kernels: dict[Stream, Kernel[Any]] = {}

    def start(self) -> None:
        """Build the services, as their next start does."""
        for definition in SERVICES:
            self.kernels[definition.stream] = build_service(
                definition, self.config(definition), self.bus
            ).kernel

    def config(self, definition: ServiceDefinition[Any, Any]) -> Any:
        return definition.config(
            database_url=Secret(self.urls[definition.stream]),
            bus_url=f"kafka://{self.broker.servers}",
            origin="https://solekey.test",
        )

    def say(self, actor: Actor, body: Any, **keys: Any) -> None:
        with self.kernels[Stream.DEVICES].store.begin() as uow:
            head = uow.head(actor.account)
            uow.append(actor.account, head, actor.sign(body, head, **keys))

    def settle(self) -> None:
        """Publish and apply until nothing new follows."""
        while sum([kernel.publisher.publish_pending() for kernel in self.kernels.values()]):
            for kernel in self.kernels.values():
                for topic in kernel.topics:
                    for record in self.bus.read(topic):
                        kernel.projector.apply(record)

    def operate_all(self, *command: str) -> list[int]:
        """Run a command of each service; return the exit codes."""
        return [
            run_command_on(each, self.config(each), parse_command_line(each, list(command)))
            for each in SERVICES
        ]

    def stop(self) -> None:
        for kernel in self.kernels.values():
            kernel.close()
        self.bus.close()

    def copy_log(self, copy: Path) -> None:
        """Copy the broker's disk while it runs, as a snapshot of a volume does."""
        shutil.copytree(self.folder / "data", copy)

    def put_log_back(self, copy: Path) -> None:
        """Restore the broker's disk."""
        self.stop()
        self.broker.stop()
        shutil.rmtree(self.folder / "data")
        shutil.copytree(copy, self.folder / "data")
        self.broker.start()
        self.bus = open_bus(f"kafka://{self.broker.servers}")
        self.start()

    def dump(self) -> dict[Stream, list[tuple[Any, list[dict[str, Any]]]]]:
        """Back up the databases."""
        dumps = {}
        for definition in SERVICES:
            with self.kernels[definition.stream].engine.connect() as connection:
                dumps[definition.stream] = [
                    (table, [dict(row) for row in connection.execute(table.select()).mappings()])
                    for table in definition.metadata.sorted_tables
                ]
        return dumps

    def put_databases_back(self, dumps: dict[Stream, list[tuple[Any, list[dict[str, Any]]]]]) -> None:
        """Restore the databases from a backup."""
        for definition in SERVICES:
            with self.kernels[definition.stream].engine.begin() as connection:
                for table, rows in dumps[definition.stream]:
                    connection.execute(table.delete())
                    if rows:
                        connection.execute(table.insert(), rows)

    def require_sound(self) -> None:
        """Demand what each start demands."""
        for kernel in self.kernels.values():
            kernel.check_bus()

    def require_refused(self, why: str) -> None:
        """Demand that no service starts."""
        for kernel in self.kernels.values():
            with pytest.raises(BusConfigurationError, match=why):
                kernel.check_bus()

    def read_status(self) -> set[DeviceStatus]:
        """Read what the services think of the phone."""
        found = set()
        for kernel in self.kernels.values():
            kernel.streams.forget()
            with kernel.store.read() as uow:
                fold = kernel.streams.fold(uow, LAPTOP.account, DevicesStream)
                found.add(fold.devices[PHONE.device].status)
        return found


@contextmanager
def run_jars(folder: Path) -> Iterator[LocalBroker]:
    """Run a broker whose disk is here. Raises EngineUnavailableError."""
    broker = LocalBroker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def platform(tmp_path: Path, new_migrated_postgres_url: Callable[[str], str]) -> Iterator[Restorable]:
    with required(run_jars(tmp_path)) as broker:
        urls = {definition.stream: new_migrated_postgres_url(definition.package) for definition in SERVICES}
        platform = Restorable(tmp_path, broker, urls)
        platform.bus.create_topics(derive_topics())
        platform.start()
        yield platform
        platform.stop()


def read_log(bus: Bus) -> list[tuple[str, str, bytes]]:
    topics = [settings.name for settings in derive_topics() if "heartbeat" not in settings.name]
    return sorted((topic, record.key, record.value) for topic in topics for record in bus.read(topic))


def test_log_and_databases_are_brought_together_after_either_was_restored_older(
    platform: Restorable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.require_sound()
    platform.say(LAPTOP, LAPTOP.founded())
    platform.say(PHONE, PHONE.enrolled())
    platform.say(PHONE, PHONE.trusted(), account=LAPTOP.user_key.signing)
    platform.settle()
    dumps = platform.dump()
    platform.copy_log(tmp_path / "older")
    platform.say(LAPTOP, DeviceRevoked(PHONE.device, RevocationReason.LOST))
    platform.settle()
    whole = read_log(platform.bus)
    assert len(whole) == 6  # and two that rotation has stated

    # Kafka is older (F4): the revocation is not in the log, and both have heard of it.
    platform.put_log_back(tmp_path / "older")
    platform.require_refused(r"ends at \d+ in partition \d+, but \d+ was reached")
    assert platform.operate_all("check") == [1, 1]
    assert "python -m solekey_devices republish" in capsys.readouterr().out
    assert platform.operate_all("rebuild") == [1, 1]  # it would forget the revocation
    for command in ("republish", "rebuild", "check"):
        assert platform.operate_all(command) == [0, 0], capsys.readouterr()
    assert read_log(platform.bus) == whole
    platform.require_sound()
    assert platform.read_status() == {DeviceStatus.REVOKED}

    # PostgreSQL is older (F5): both services would trust the phone, and contradict what was published.
    platform.put_databases_back(dumps)
    assert platform.read_status() == {DeviceStatus.TRUSTED}
    platform.require_refused("the database of this service does not have|its database has none")
    assert platform.operate_all("republish") == [1, 1]
    for command in (("recover-own", "--yes"), ("republish",), ("rebuild",), ("check",)):
        assert platform.operate_all(*command) == [0, 0], capsys.readouterr()
    assert read_log(platform.bus) == whole
    platform.require_sound()
    assert platform.read_status() == {DeviceStatus.REVOKED}
