"""Runs the compose file's services as processes: its commands and environment, hosts and paths mapped."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from psycopg import sql
from sqlalchemy.engine import URL, make_url

from tests.support.deployment.broker import Broker, run_broker
from tests.support.deployment.compose import DEPLOY, SERVICES, load_compose
from tests.support.deployment.database import make_database
from tests.support.deployment.nginx import Proxy, find_nginx, run_proxy
from tests.support.engines.ports import find_free_ports
from tests.support.engines.postgres import connect
from tests.support.engines.waiting import wait_until

_READY_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 20
_LOOK_S = 0.02
_PATH = "/usr/bin:/bin"

Settings = Mapping[str, dict[str, str]]


class Service:
    """One service's process. ``environment`` is all that it is given."""

    def __init__(
        self, folder: Path, name: str, settings: Mapping[str, Any], environment: dict[str, str]
    ) -> None:
        self.name = name
        self.log_file = folder / f"{name}.log"
        self.address = environment["SOLEKEY_LISTEN"]
        self.monitoring = environment["SOLEKEY_MONITORING_LISTEN"]
        self._command = [sys.executable, *settings["command"][1:]]
        self._healthcheck = self._map_healthcheck(settings["healthcheck"]["test"])
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The number of the running process."""
        assert self._process is not None
        return self._process.pid

    def add_to_environment(self, variables: Mapping[str, str]) -> None:
        """Give it more variables, from its next start on."""
        self._environment = self._environment | dict(variables)

    def run_instead(self, *program: str) -> None:
        """Run another program in its place from its next start on; its last argument is the module."""
        self._command = [sys.executable, *program, self._command[-1]]

    @property
    def has_ended(self) -> bool:
        """Whether the process is there no more, however it ended."""
        return self._process is None or self._process.poll() is not None

    def start(self) -> None:
        """Start it, without waiting until it is well."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=subprocess.STDOUT, cwd="/"
            )

    def kill(self) -> None:
        """Take it away at once: SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """Stop it as Compose would, and return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(_STOP_TIMEOUT_S)

    def health(self) -> dict[str, Any] | None:
        """Ask as the container's health check does; None when it says that the service is not well."""
        done = subprocess.run(
            self._healthcheck, env={"PATH": _PATH}, capture_output=True, text=True, check=False
        )
        return json.loads(done.stdout) if done.returncode == 0 else None

    def wait_until_healthy(self) -> dict[str, Any]:
        """Wait until the health check is content, and return what it says."""
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while (told := self.health()) is None:
            running = self._process is not None and self._process.poll() is None
            assert running, f"{self.name} has ended; see {self.log_file}: {self.log_file.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"{self.name} is not well; see {self.log_file}"
        return told

    def _map_healthcheck(self, test: list[str]) -> list[str]:
        """Ask for readiness every time: here it is not about containers that wait for each other."""
        kind, program, script, once, then, url = test
        assert (kind, program, script) == ("CMD", "python", "/opt/solekey/healthcheck.py")
        assert once == "--once-ready=/tmp/ready"
        assert then == "--then=http://127.0.0.1:9464/live"
        assert url.startswith("http://127.0.0.1:8080/")
        return [sys.executable, str(DEPLOY / "healthcheck.py"), url.replace("127.0.0.1:8080", self.address)]


@dataclass(frozen=True, slots=True)
class Platform:
    """The whole installation, running."""

    broker: Broker
    databases: Mapping[str, URL]
    services: Mapping[str, Service]
    proxy: Proxy

    def wait_until_healthy(self) -> None:
        """Wait until every service is well, as Compose does before it starts the proxy."""
        for service in self.services.values():
            service.wait_until_healthy()

    def find_requests(self, pattern: str) -> list[str]:
        """Find the proxy's answers in its access log: for each line the part that matches."""
        return re.findall(pattern, self.proxy.log_file.read_text())

    def wait_for_request(self, pattern: str, after: list[str]) -> None:
        """Wait until the proxy has answered one more such request than ``after`` holds."""

        def look() -> bool:
            time.sleep(_LOOK_S)
            return len(self.find_requests(pattern)) > len(after)

        wait_until(look)

    def find_records(self) -> list[Path]:
        """Find what is on disk of requests and events: Kafka's segments, and the logs of all processes."""
        logs = [service.log_file for service in self.services.values()]
        return [*self.broker.data.rglob("solekey.*/*.log"), self.proxy.log_file, *logs]

    def read_tables(self) -> Iterator[tuple[str, bytes]]:
        """Read every row of every service's tables, as text; bytes are in hex."""
        for name, url in self.databases.items():
            with connect(url) as db:
                tables = db.execute(
                    "SELECT tablename FROM pg_tables WHERE schemaname = %s", [name]
                ).fetchall()
                for (table,) in tables:
                    copy = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))
                    with db.cursor().copy(copy) as rows:
                        yield f"{name}.{table}", b"".join(map(bytes, rows))


@contextmanager
def run_services(
    folder: Path, postgres: URL, port: int, settings: Settings = MappingProxyType({})
) -> Iterator[tuple[Broker, Mapping[str, URL], Mapping[str, Service]]]:
    """Run broker, database and the four services, for clients that know them as ``https://localhost:<port>``.

    Args:
        folder: for logs and data.
        postgres: a superuser's URL.
        port: the proxy's.
        settings: variables by service, beside those of the compose file.

    Raises:
        EngineUnavailableError: there is no Kafka.
    """
    ports = iter(find_free_ports(2 * len(SERVICES)))  # at once: none of them is found twice
    addresses = {name: (f"127.0.0.1:{next(ports)}", f"127.0.0.1:{next(ports)}") for name in SERVICES}
    with ExitStack() as stack:
        broker = stack.enter_context(run_broker(folder, f"https://localhost:{port}"))
        databases = stack.enter_context(make_database(postgres, broker.environ))
        compose = load_compose(broker.environ)["services"]
        services = {}
        for name in SERVICES:
            environment = map_environment(
                compose[name]["environment"], folder, broker, databases[name], *addresses[name]
            )
            services[name] = Service(folder, name, compose[name], environment | settings.get(name, {}))
            stack.callback(services[name].kill)
            services[name].start()
        for service in services.values():
            service.wait_until_healthy()
        yield broker, databases, services
        assert {name: service.stop() for name, service in services.items()} == dict.fromkeys(SERVICES, 0)


@contextmanager
def run_platform(folder: Path, postgres: URL) -> Iterator[Platform]:
    """Run broker, database, the four services and the proxy.

    Raises:
        EngineUnavailableError: there is no Kafka or no nginx.
    """
    find_nginx()
    (port,) = find_free_ports(1)
    with run_services(folder, postgres, port) as (broker, databases, services):
        addresses = {name: service.address for name, service in services.items()}
        with run_proxy(folder, addresses, port) as proxy:
            yield Platform(broker, databases, services, proxy)


def map_environment(
    written: Mapping[str, str], folder: Path, broker: Broker, database: URL, address: str, monitoring: str
) -> dict[str, str]:
    """Map hosts and paths of the containers to this machine's; each must stand where it is looked for.

    ``address`` and ``monitoring`` are those for clients and for operators.
    """
    environment = {"PATH": _PATH, **written}
    _replace(environment, "SOLEKEY_LISTEN", "0.0.0.0:8080", address)
    _replace(environment, "SOLEKEY_MONITORING_LISTEN", "127.0.0.1:9464", monitoring)
    _replace(environment, "SOLEKEY_BUS_URL", "//kafka:9092?", f"//localhost:{broker.port}?")
    _replace(environment, "SOLEKEY_BUS_URL", "/run/secrets/ca_cert", str(broker.ca_file))
    if "SOLEKEY_TRUSTED_PROXIES" in environment:
        environment["SOLEKEY_TRUSTED_PROXIES"] = "127.0.0.1"
    if "SOLEKEY_OBJECT_STORE_URL" in environment:
        (folder / "objects").mkdir(exist_ok=True)
        _replace(environment, "SOLEKEY_OBJECT_STORE_URL", "/var/lib/solekey/objects", f"{folder}/objects")
    url = make_url(written["SOLEKEY_DATABASE_URL"])
    assert (url.host, url.port, url.database) == ("postgres", 5432, "solekey")
    assert (url.username, url.password) == (database.username, database.password)
    mapped = database.set(drivername=url.drivername)
    environment["SOLEKEY_DATABASE_URL"] = mapped.render_as_string(hide_password=False)
    return environment


def _replace(environment: dict[str, str], name: str, written: str, mapped: str) -> None:
    assert written in environment[name], name
    environment[name] = environment[name].replace(written, mapped)
