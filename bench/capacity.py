"""How much room accounts, items and events take: PostgreSQL, Kafka and objects; and what a service needs.

Broker, database, services and proxy are those of docker-compose.yml, run as processes by
tests/support/deployment. A step is done many times by the library; before and after it, the tables and their
indexes are counted, schema by schema, and the segments of Kafka's topics. Each number is the difference for
one step. Each page of a table counts whole, so few steps look dearer than many.

Run it with `make bench-capacity`; docs/operations/sizing.md has the figures.
"""

import argparse
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import solekey
from bench.measure import Row, make_row, print_rows, write_rows
from solekey_protocol.services import HEARTBEAT_TOPIC
from tests.support.deployment.nginx import Proxy, run_proxy
from tests.support.deployment.platform import Service, run_services
from tests.support.engines.ports import find_free_ports
from tests.support.engines.postgres import connect, run_postgres
from tests.support.people.library_user import LibraryUser

_SETTINGS: Final = {
    "auth": {"SOLEKEY_REGISTRATIONS_PER_SOURCE": "100000", "SOLEKEY_CHALLENGES_PER_SOURCE": "100000"}
}
_KIB: Final = 1024
_MIB: Final = 1024 * 1024
_SETTLED_S: Final = 2.0
_IDLE_S: Final = 20.0
_HOUR_S: Final = 3600
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Use:
    """What is used at one moment: bytes by place, and events."""

    bytes: Mapping[str, int]
    events: int


class Platform:
    """The running platform, measured."""

    def __init__(self, folder: Path, broker: Any, databases: Any, services: Any, proxy: Proxy) -> None:
        self.site = SimpleNamespace(url=proxy.origin, ca=proxy.ca_file)
        self._folder, self._broker, self._databases, self._services = folder, broker, databases, services

    def measure(self) -> Use:
        """Measure once what was done is published and applied everywhere."""
        self._settle()
        found = {"Kafka": self.count_log(lambda topic: topic != HEARTBEAT_TOPIC), "objects": self._objects()}
        events = 0
        for schema, url in self._databases.items():
            with connect(url) as db:
                db.execute("VACUUM")
                (size,) = db.execute(
                    "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c "
                    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'",
                    [schema],
                ).fetchone() or (0,)
                (count,) = db.execute("SELECT count(*) FROM events").fetchone() or (0,)
            found[schema] = int(size)
            events += int(count)
        return Use(found, events)

    def count_log(self, wanted: Callable[[str], bool]) -> int:
        """Count the bytes of records in the segments of Solekey's topics."""
        segments = self._broker.data.rglob("solekey.*/*.log")
        return sum(path.stat().st_size for path in segments if wanted(path.parent.name.rpartition("-")[0]))

    def measure_idle(self) -> float:
        """Measure what part of a processor the four services need for nothing but their heartbeats."""
        self._settle()
        before, begun = self._read_processor_s(), time.monotonic()
        time.sleep(_IDLE_S)
        return (self._read_processor_s() - before) / (time.monotonic() - begun)

    def list_memory(self) -> Iterator[tuple[str, int]]:
        """List the memory of each service's process."""
        for name, service in self._services.items():
            status = Path(f"/proc/{service.pid}/status").read_text()
            yield name, int(status.split("VmRSS:")[1].split()[0]) * _KIB

    def _read_processor_s(self) -> float:
        return sum(_read_processor_s(service) for service in self._services.values())

    def _objects(self) -> int:
        return sum(path.stat().st_size for path in (self._folder / "objects").rglob("*") if path.is_file())

    def _settle(self) -> None:
        while any(service.wait_until_healthy()["unpublished"] for service in self._services.values()):
            time.sleep(0.1)
        time.sleep(_SETTLED_S)


def _read_processor_s(service: Service) -> float:
    fields = Path(f"/proc/{service.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def run_platform(folder: Path) -> Iterator[Platform]:
    """Run everything, with limits that let one source sign everybody up."""
    (port,) = find_free_ports(1)
    with (
        run_postgres() as postgres,
        run_services(folder, postgres, port, _SETTINGS) as (broker, databases, services),
    ):
        addresses = {name: service.address for name, service in services.items()}
        with run_proxy(folder, addresses, port) as proxy:
            yield Platform(folder, broker, databases, services, proxy)


def measure(folder: Path, accounts: int, items: int) -> list[Row]:
    """Do each step often, and return what one of it takes."""
    with run_platform(folder) as platform:
        user = _sign_up(platform, folder / "first")
        begun, heartbeats = time.monotonic(), platform.count_log(HEARTBEAT_TOPIC.__eq__)
        rows: list[Row] = []

        def step(name: str, count: int, work: Callable[[], object]) -> None:
            before = platform.measure()
            work()
            rows.extend(make_rows(name, count, before, platform.measure()))

        step("an account (one device)", accounts, lambda: _sign_up_many(platform, folder, accounts))
        key = user.key()
        with key, solekey.open(user.folder / "laptop", key=key) as account:
            vault = account.items
            note = secrets.token_hex(_KIB // 2)
            many = {f"many {number}": note for number in range(items)}
            step("an item of 1 KiB, alone", items // 4, lambda: _put(vault, "alone", items // 4, note))
            step("an item of 1 KiB, with others", items, lambda: vault.put_many(many))
            step("an edit of 1 KiB", items // 4, lambda: _put(vault, "alone", items // 4, note))
            film = secrets.token_bytes(_MIB)
            step("an item of 1 MiB", 10, lambda: _put(vault, "film", 10, film))
        beaten = platform.count_log(HEARTBEAT_TOPIC.__eq__) - heartbeats
        per_hour = beaten / (time.monotonic() - begun) * _HOUR_S
        rows.append(make_row("heartbeats in Kafka, kept for an hour", per_hour, "B/h"))
        rows.append(make_row("four idle services", 100 * platform.measure_idle(), "% of a processor"))
        rows += [make_row(f"memory of {name}", size / _MIB, "MiB") for name, size in platform.list_memory()]
    return rows


def _sign_up(platform: Platform, folder: Path) -> LibraryUser:
    user = LibraryUser(platform.site, folder)  # type: ignore[arg-type]  # it needs the address alone
    user.sign_up().close()
    return user


def _sign_up_many(platform: Platform, folder: Path, count: int) -> None:
    for number in range(count):
        _sign_up(platform, folder / f"user {number}")


def _put(vault: Any, name: str, count: int, content: bytes | str) -> None:
    for number in range(count):
        vault.put(f"{name} {number}", content)


def make_rows(name: str, count: int, before: Use, after: Use) -> Iterator[Row]:
    """Divide what has grown by how often the step was done."""
    for place in after.bytes:
        grown = after.bytes[place] - before.bytes[place]
        if grown:
            yield make_row(f"{name}: {place}", grown / count, "B")
    yield make_row(f"{name}: events", (after.events - before.events) / count, "")


def main() -> None:
    """Measure, print a table, write build/bench/capacity.json."""
    parser = argparse.ArgumentParser(prog="bench-capacity")
    parser.add_argument("--output", type=Path, default=Path("build/bench/capacity.json"))
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--items", type=int, default=400)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options.accounts, options.items)
    write_rows(options.output, rows)
    print_rows(f"What one takes ({options.accounts} accounts, {options.items} items)", rows)


if __name__ == "__main__":
    main()
