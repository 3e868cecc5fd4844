"""deploy/kafka makes a broker that lets each service write its own topic and nobody anything else.

The broker is Apache Kafka from its official jars, started by the very script and settings of the container;
only ports and paths are mapped.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from deploy.compose import DEPLOY, SERVICES, load_compose, make_installation
from engines import required
from engines.kafka.jars import find_java, resolve_jars
from engines.kafka.local import find_free_ports, wait_for_broker

from solekey_eventlog.bus import BusConfig, BusConfigurationError, BusError, derive_topics, open_bus
from solekey_eventlog.bus.topics import AUTH_TOPIC, EVENT_TOPICS, HEARTBEAT_TOPIC

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_READY_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 20
_TOPICS = dict(zip(SERVICES, EVENT_TOPICS, strict=True))
_TOOLS = {"kafka-storage.sh": "kafka.tools.StorageTool", "kafka-server-start.sh": "kafka.Kafka"}


@dataclass(frozen=True, slots=True)
class Installation:
    """A prepared broker, and what its users need."""

    port: int
    ca_file: Path
    environ: dict[str, str]

    def bus_config(self, user: str, password: str | None = None) -> BusConfig:
        """Configure the bus as the compose file does for a service."""
        url = f"kafka://localhost:{self.port}?security=sasl_tls&username={user}&ca_file={self.ca_file}"
        password = password or self.environ[f"{user.upper()}_BUS_PASSWORD"]
        return BusConfig(url, password=password, client_id="test", publish_timeout_s=5, request_timeout_s=5)


def write_tools(folder: Path) -> None:
    """Write the scripts that start.sh calls, as thin as can be."""
    folder.mkdir()
    java, jars = find_java(), resolve_jars()
    options = f"-Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir={folder}"
    for name, main in _TOOLS.items():
        script = folder / name
        script.write_text(f'#!/bin/bash\nexec {java} {options} -cp "{jars}/*" {main} "$@"\n')
        script.chmod(0o755)


def map_settings(folder: Path, ports: list[int]) -> Path:
    """Write server.properties with this machine's ports and paths; each replaced text must stand there."""
    settings = (DEPLOY / "kafka" / "server.properties").read_text()
    clients, controller, local = ports
    for written, mapped in {
        "CLIENTS://0.0.0.0:9092": f"CLIENTS://127.0.0.1:{clients}",
        "CLIENTS://kafka:9092": f"CLIENTS://localhost:{clients}",
        "127.0.0.1:9093": f"127.0.0.1:{controller}",
        "127.0.0.1:9094": f"127.0.0.1:{local}",
        "/var/lib/kafka/data": str(folder / "data"),
        "/run/secrets/kafka_pem": str(folder / "kafka-localhost.pem"),
    }.items():
        assert written in settings
        settings = settings.replace(written, mapped)
    path = folder / "server.properties"
    path.write_text(settings)
    return path


def start_broker(folder: Path, settings: Path, cluster_id: str) -> subprocess.Popen[bytes]:
    """Start the broker as the container's entry point does."""
    environ = {
        "PATH": os.environ["PATH"],
        "KAFKA_BIN": str(folder / "bin"),
        "KAFKA_SETTINGS": str(settings),
        "KAFKA_CLUSTER_ID": cluster_id,
    }
    with (folder / "broker.log").open("ab") as log:
        command = ["bash", str(DEPLOY / "kafka" / "start.sh")]
        return subprocess.Popen(command, env=environ, stdout=log, stderr=subprocess.STDOUT, cwd=folder)


def prepare(environ: dict[str, str], port: int) -> None:
    """Run the init container's program with exactly its environment, the port mapped."""
    settings = load_compose(environ)["services"]["kafka-init"]
    assert settings["command"][1].rpartition("/")[2] == "prepare_kafka.py"
    given = {**settings["environment"], "KAFKA_SERVERS": f"127.0.0.1:{port}"}
    command = [sys.executable, str(DEPLOY / "kafka" / "prepare_kafka.py")]
    done = subprocess.run(command, env=given, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "Prepared 5 users and 5 topics.\n"


@contextmanager
def run_installation(folder: Path) -> Iterator[Installation]:
    """Run a prepared broker. Raises EngineUnavailableError."""
    write_tools(folder / "bin")
    environ = make_installation(folder / "installation")
    certificates = folder / "installation" / "secrets"
    # The container's certificate is for the host "kafka"; here it is localhost, which the proxy's is for.
    chain = (certificates / "proxy-key.pem").read_bytes() + (certificates / "proxy-cert.pem").read_bytes()
    (folder / "kafka-localhost.pem").write_bytes(chain)
    ports = find_free_ports(3)
    settings = map_settings(folder, ports)
    process = start_broker(folder, settings, environ["KAFKA_CLUSTER_ID"])
    try:
        wait_for_broker(f"127.0.0.1:{ports[2]}", _READY_TIMEOUT_S)
        prepare(environ, ports[2])
        prepare(environ, ports[2])  # an init container runs at every start
        yield Installation(ports[0], certificates / "ca-cert.pem", environ)
    finally:
        process.terminate()
        process.wait(_STOP_TIMEOUT_S)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with required(run_installation(tmp_path_factory.mktemp("broker"))) as running:
        yield running


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_finds_its_topics_right_and_writes_its_own(
    installation: Installation, service: str
) -> None:
    with open_bus(installation.bus_config(service)) as bus:
        bus.check(derive_topics())
        bus.publish(_TOPICS[service], "account", f"by {service}".encode())
        bus.publish(HEARTBEAT_TOPIC, service, b"{}")
        assert f"by {service}".encode() in {record.value for record in bus.read(_TOPICS[service])}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_writes_no_other_topic(installation: Installation, service: str) -> None:
    with open_bus(installation.bus_config(service)) as bus:
        for topic in set(EVENT_TOPICS) - {_TOPICS[service]}:
            with pytest.raises(BusConfigurationError):
                bus.publish(topic, "account", b"forged")


def test_a_service_follows_the_others_in_its_own_group_only(installation: Installation) -> None:
    with open_bus(installation.bus_config("auth")) as bus:
        bus.publish(AUTH_TOPIC, "account", b"to be followed")
    with open_bus(installation.bus_config("vault")) as bus:
        with bus.consumer("solekey-vault", [AUTH_TOPIC]) as consumer:
            assert consumer.poll(30)
        with (
            bus.consumer("solekey-auth", [AUTH_TOPIC]) as consumer,
            pytest.raises(BusError),
        ):
            consumer.poll(10)


def test_an_auditor_reads_everything_and_writes_nothing(installation: Installation) -> None:
    with open_bus(installation.bus_config("auth")) as bus:
        bus.publish(AUTH_TOPIC, "account", b"to be audited")
    with open_bus(installation.bus_config("auditor")) as bus:
        assert b"to be audited" in {record.value for record in bus.read(AUTH_TOPIC)}
        for topic in EVENT_TOPICS:
            before = bus.end_offsets(topic)
            with pytest.raises(BusError):
                bus.publish(topic, "account", b"forged")
            assert bus.end_offsets(topic) == before


def test_a_wrong_password_gets_nowhere(installation: Installation) -> None:
    config = installation.bus_config("auth", password="wrong")
    with pytest.raises(BusError), open_bus(config) as bus:
        bus.end_offsets(AUTH_TOPIC)
