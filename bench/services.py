"""How much the services answer, on real Kafka and PostgreSQL, beside bare nameko with one SQL select.

Broker, database and services are those of docker-compose.yml, run as processes by tests/support/deployment,
with the deployed settings but for the limits on registrations and challenges of one source; PostgreSQL syncs
each commit. They are asked over HTTP without TLS, as behind the proxy. All requests come from one process of
its own (`bench.services_people`), over 1, 8 and 32 connections that stay open, each request sent as soon as
the one before it is answered; reads and uploads are signed, 500 at a time, while the clock stands still.

The machine is shared with the load, the database, the broker and whoever else uses it. So each rate is given
twice: a second of the clock, and *a processor second*: of the processor time that the processes of the
services took, as the kernel counts it. Bare nameko takes its turns between ours.

32 clients that send their next request at once are a queue of 32. By Little's law they wait 32 divided by
the rate on average: 32 times what one client waits, where that one keeps the processor busy. So the p99 of 32
clients stands beside that mean, too; what it has above the mean is unevenness, and bare nameko has that, too.

Run it with `make bench-services`; `--quick` is a short run that judges nothing, `--processes 2` runs each
service in two processes. The load's share of a processor tells whether the load is what is slow.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.measure import Row, find_quantile, make_row, print_rows, write_rows
from bench.services_people import BARE
from solekey_protocol.services import Service
from tests.support.deployment.platform import Service as Process
from tests.support.deployment.platform import run_services
from tests.support.engines.ports import find_free_ports
from tests.support.engines.postgres import connect, run_postgres
from tests.support.engines.waiting import wait_until

CLIENTS: Final = (1, 8, 32)
_SETTINGS: Final = {
    "auth": {"SOLEKEY_REGISTRATIONS_PER_SOURCE": "100000", "SOLEKEY_CHALLENGES_PER_SOURCE": "100000"}
}
_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
_NOBODY: Final = "0" * 32
_LOOK_S: Final = 0.05
_TAIL: Final = 10
_SIGNED_AT_ONCE: Final = 500
"""So many reads and uploads are signed, then sent: at ten a second before the first proof is too old."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of operation.

    Attributes:
        name: how the load calls it.
        title: what a row calls it.
        services: whose processor time it takes.
        counts: how many are done with 1, 8 and 32 clients.
        goal: how many a second there are to be, at least; 0: as many as can be.
        is_compared: whether it is compared with bare nameko.
    """

    name: str
    title: str
    services: Sequence[str]
    counts: tuple[int, ...]
    goal: int = 0
    is_compared: bool = False


ALL: Final = tuple(service.value for service in Service)
VAULT: Final = (Service.VAULT.value,)
KINDS: Final = (
    Kind("sign_up", "sign-up", ALL, (30, 80, 160), 40),
    Kind("log_in", "login", (Service.AUTH.value,), (100, 200, 200), 150),
    Kind("put_object", "PUT of 4 KiB", VAULT, (300, 600, 600), 500),
    Kind("bare", BARE, (BARE,), (2000, 4000, 4000)),
    Kind("get_events", "GET of an event and the head", VAULT, (1000, 2000, 2000), 1000, is_compared=True),
    Kind("get_object", "GET of 4 KiB", VAULT, (1000, 2000, 2000), 1000, is_compared=True),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """So many operations with so many clients.

    Attributes:
        seconds: of each operation.
        wall_s: from the first to the last.
        service_cpu_s: processor time of the services' processes.
        load_cpu_s: processor time of the process that sent the requests.
        busy: how many were answered 503, and are counted in no rate and no time.
    """

    seconds: Sequence[float]
    wall_s: float
    service_cpu_s: float
    load_cpu_s: float
    busy: int = 0

    @property
    def per_second(self) -> float:
        """Operations a second."""
        return len(self.seconds) / self.wall_s

    @property
    def per_cpu_second(self) -> float:
        """Operations a second of processor time of the services."""
        return len(self.seconds) / max(self.service_cpu_s, _TICK_S)

    def find_ms(self, quantile: float) -> float:
        """Milliseconds that so large a part of the operations did not exceed."""
        return 1000 * find_quantile(self.seconds, quantile)


Results = Mapping[tuple[str, int], Measured]


class Load:
    """The process that sends the requests."""

    def __init__(self, origin: str, bare_path: str, addresses: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "bench.services_people", origin, bare_path, json.dumps(addresses)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def run(self, kind: str, clients: int, count: int, pids: Sequence[int]) -> Measured:
        """Run operations, and see what processor time these processes and their children take for it.

        Some at a time: a proof is good for a minute after it was signed.
        """
        most = [_SIGNED_AT_ONCE] * (count // _SIGNED_AT_ONCE) + [count % _SIGNED_AT_ONCE]
        parts = [self._run_signed(kind, clients, part, pids) for part in most if part]
        return Measured(
            [seconds for part in parts for seconds in part.seconds],
            sum(part.wall_s for part in parts),
            sum(part.service_cpu_s for part in parts),
            sum(part.load_cpu_s for part in parts),
            sum(part.busy for part in parts),
        )

    def _run_signed(self, kind: str, clients: int, count: int, pids: Sequence[int]) -> Measured:
        self._say(json.dumps({"kind": kind, "clients": clients, "count": count}))
        self._read()  # ready: signed, and no clock has started
        before_s = read_cpu_s(pids)
        self._say("go")
        told = json.loads(self._read())
        spent_s = read_cpu_s(pids) - before_s
        return Measured(told["seconds"], told["wall_s"], spent_s, told["cpu_s"], told["busy"])

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("the load has ended; see above")
        return line


def read_cpu_s(pids: Sequence[int]) -> float:
    """Read the processor time of processes and of all their children, in seconds."""
    parents, ticks = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            parents[int(folder.name)] = int(fields[1])
            ticks[int(folder.name)] = int(fields[11]) + int(fields[12])  # user, system
    counted = set(pids)
    while more := {child for child, parent in parents.items() if parent in counted} - counted:
        counted |= more
    return sum(ticks.get(pid, 0) for pid in counted) * _TICK_S


@contextmanager
def run_bare(database: str) -> Iterator[tuple[str, int]]:
    """Run bare nameko, and give its address and its process."""
    address = f"127.0.0.1:{find_free_ports(1)[0]}"
    process = subprocess.Popen([sys.executable, "-m", "bench.services_bare", address, database])
    try:
        wait_until(lambda: _answers(address))
        yield address, process.pid
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        time.sleep(_LOOK_S)
        return False
    return True


def measure(folder: Path, kinds: Sequence[Kind], processes: int = 1) -> Results:
    """Run the platform, each service in so many processes, and all kinds of operations."""
    (port,) = find_free_ports(1)
    many = {"SOLEKEY_PROCESSES": str(processes)}
    settings: dict[str, dict[str, str]] = {name: many | _SETTINGS.get(name, {}) for name in ALL}
    with (
        run_postgres() as postgres,
        run_services(folder, postgres, port, settings) as (_, databases, services),
        run_bare(databases["vault"].render_as_string(hide_password=False)) as (bare, bare_pid),
    ):
        with connect(postgres) as db:
            db.execute("ALTER SYSTEM SET fsync = on")
            db.execute("SELECT pg_reload_conf()")
        addresses = {BARE: bare, **{name: service.address for name, service in services.items()}}
        load = Load(f"https://localhost:{port}", f"/heads/{_NOBODY}", addresses)
        try:
            return dict(_measure_all(load, kinds, services, bare_pid))
        finally:
            load.close()


def _measure_all(
    load: Load, kinds: Sequence[Kind], services: Mapping[str, Process], bare_pid: int
) -> Iterator[tuple[tuple[str, int], Measured]]:
    pids = {BARE: bare_pid, **{name: service.pid for name, service in services.items()}}
    for kind in kinds:
        for clients, count in zip(CLIENTS, kind.counts, strict=True):
            measured = load.run(kind.name, clients, count, [pids[name] for name in kind.services])
            yield (kind.name, clients), measured


def make_rows(results: Results, kinds: Sequence[Kind]) -> list[Row]:
    """Make the rows of all kinds: rates, times, and the share of the process that sent the requests."""
    return [row for kind in kinds for row in _make_rows_of(kind, results)]


def _make_rows_of(kind: Kind, results: Results) -> Iterator[Row]:
    ours = {clients: results[kind.name, clients] for clients in CLIENTS}
    for clients, measured in ours.items():
        bare = results["bare", clients] if kind.is_compared else None
        compared: Any = {"reference": BARE, "goal": "ratio >= 0.25"} if bare else {}
        where = f"{kind.title}, {clients} clients"
        yield make_row(
            f"{where}: a second",
            measured.per_second,
            "/s",
            against=bare.per_second if bare else None,
            **compared,
        )
        yield make_row(
            f"{where}: a processor second",
            measured.per_cpu_second,
            "/s",
            against=bare.per_cpu_second if bare else None,
            **compared,
        )
        yield make_row(f"{where}: p50", measured.find_ms(0.5), "ms")
        yield make_row(f"{where}: p99", measured.find_ms(0.99), "ms")
        yield make_row(f"{where}: the load's share of a processor", measured.load_cpu_s / measured.wall_s, "")
        if measured.busy:
            yield make_row(f"{where}: answered 503", measured.busy, "operations")
    if kind.goal:
        best = max(ours.values(), key=lambda measured: measured.per_second)
        yield make_row(
            f"{kind.title}, the best: a second", best.per_second, "/s", goal=f"value >= {kind.goal}"
        )
    if kind.name != "bare":
        yield make_row(
            f"{kind.title}: p99 of 32 clients",
            ours[32].find_ms(0.99),
            "ms",
            reference="p50 of one",
            against=ours[1].find_ms(0.5),
            goal=f"ratio <= {_TAIL}",
        )
    yield make_row(
        f"{kind.title}: p99 of 32 clients",
        ours[32].find_ms(0.99),
        "ms",
        reference="their mean: 32 / a second",
        against=32_000 / ours[32].per_second,
    )


def shorten(kinds: Sequence[Kind], count: int) -> list[Kind]:
    """The same kinds, so often each."""
    return [Kind(k.name, k.title, k.services, (count,) * len(CLIENTS), k.goal, k.is_compared) for k in kinds]


def main() -> None:
    """Measure, print a table, write build/bench/services.json."""
    parser = argparse.ArgumentParser(prog="bench-services")
    parser.add_argument("--output", type=Path, default=Path("build/bench/services.json"))
    parser.add_argument("--quick", action="store_true", help="so few requests that no number means anything")
    parser.add_argument("--processes", type=int, default=1, help="of each service (SOLEKEY_PROCESSES)")
    options = parser.parse_args()
    kinds = shorten(KINDS, 8) if options.quick else KINDS
    rows = [make_row(f"others' load of {os.cpu_count()} processors, before", os.getloadavg()[0], "processes")]
    with tempfile.TemporaryDirectory() as folder:
        rows += make_rows(measure(Path(folder), kinds, options.processes), kinds)
    write_rows(options.output, rows)
    print_rows("The services, and bare nameko with one SQL select", rows)
    missed = sum(row.met is False for row in rows)
    print(f"{options.output}: {missed} of {sum(row.met is not None for row in rows)} goals missed")


if __name__ == "__main__":
    main()
