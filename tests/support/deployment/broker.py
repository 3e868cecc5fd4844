"""Runs the broker of deploy/kafka: official jars, started by the container's script and settings.

Only ports and paths are mapped; it has a listener for auditors, too. ``kill`` and ``start`` keep its ports
and data.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from solekey_eventlog.bus import BusConfig
from tests.support.deployment.compose import DEPLOY, load_compose, make_installation
from tests.support.engines.kafka.jars import find_java, resolve_jars
from tests.support.engines.kafka.local import wait_for_broker
from tests.support.engines.ports import find_free_ports

_READY_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 20
_LOOK_S = 0.005
_TOOLS = {"kafka-storage.sh": "kafka.tools.StorageTool", "kafka-server-start.sh": "kafka.Kafka"}


class Broker:
    """A prepared broker, and what its users need. ``environ`` is the installation's."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.environ = environ
        self.ca_file = folder / "installation" / "secrets" / "ca-cert.pem"
        self.data = folder / "data"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self.auditors_port, self._controller_port, self._local_port = find_free_ports(4)
        self._settings = self._map_settings()

    def bus_config(self, user: str, password: str | None = None) -> BusConfig:
        """Configure the bus as the compose file does for a service."""
        url = f"kafka://localhost:{self.port}?security=sasl_tls&username={user}&ca_file={self.ca_file}"
        password = password or self.environ[f"{user.upper()}_BUS_PASSWORD"]
        return BusConfig(url, password=password, client_id="test", publish_timeout_s=5, request_timeout_s=5)

    def auditors_config(self, user: str, mechanism: str = "SCRAM-SHA-256") -> BusConfig:
        """Configure the bus for the listener for auditors."""
        options = f"security=sasl_tls&username={user}&mechanism={mechanism}&ca_file={self.ca_file}"
        password = self.environ[f"{user.upper()}_BUS_PASSWORD"]
        url = f"kafka://localhost:{self.auditors_port}?{options}"
        return BusConfig(url, password=password, client_id="test", publish_timeout_s=5, request_timeout_s=5)

    @property
    def local_servers(self) -> str:
        """Where the broker answers without protection: on its own host alone."""
        return f"127.0.0.1:{self._local_port}"

    @property
    def pid(self) -> int:
        """The number of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log_file(self) -> Path:
        """What the broker has logged."""
        return self._folder / "broker.log"

    def start(self) -> None:
        """Start the broker as the container's entry point does, and return when it answers."""
        environ = {
            "PATH": os.environ["PATH"],
            "KAFKA_BIN": str(self._folder / "bin"),
            "KAFKA_SETTINGS": str(self._settings),
            "TMPDIR": str(self._folder),
            "KAFKA_MORE_LISTENERS": f",AUDITORS://127.0.0.1:{self.auditors_port}",
            "KAFKA_MORE_ADDRESSES": f",AUDITORS://localhost:{self.auditors_port}",
            "KAFKA_CLUSTER_ID": self.environ["KAFKA_CLUSTER_ID"],
        }
        with self.log_file.open("ab") as log:
            command = ["bash", str(DEPLOY / "kafka" / "start.sh")]
            self._process = subprocess.Popen(
                command, env=environ, stdout=log, stderr=subprocess.STDOUT, cwd=self._folder
            )
        wait_for_broker(f"127.0.0.1:{self._local_port}", _READY_TIMEOUT_S)

    def kill(self) -> None:
        """Take it away at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Let it hang: its connections stay open, and nothing comes of them. Returns when it does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self._process.pid}/stat")
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(_LOOK_S)

    def thaw(self) -> None:
        """Let it go on after ``freeze``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop it as an operator would."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOP_TIMEOUT_S)

    def prepare(self) -> None:
        """Run the init container's program with exactly its environment, the port mapped."""
        settings = load_compose(self.environ)["services"]["kafka-init"]
        assert settings["command"][1].rpartition("/")[2] == "prepare_kafka.py"
        given = {**settings["environment"], "KAFKA_URL": f"kafka://127.0.0.1:{self._local_port}"}
        command = [sys.executable, str(DEPLOY / "kafka" / "prepare_kafka.py")]
        done = subprocess.run(command, env=given, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout == "Prepared 5 users and 5 topics.\n"

    def _map_settings(self) -> Path:
        """Write server.properties with this machine's ports and paths; what is replaced must stand there."""
        settings = (DEPLOY / "kafka" / "server.properties").read_text()
        for written, mapped in {
            "CLIENTS://0.0.0.0:9092": f"CLIENTS://127.0.0.1:{self.port}",
            "CLIENTS://kafka:9092": f"CLIENTS://localhost:{self.port}",
            "127.0.0.1:9093": f"127.0.0.1:{self._controller_port}",
            "127.0.0.1:9094": f"127.0.0.1:{self._local_port}",
            "/var/lib/kafka/data": str(self.data),
            "/run/secrets/kafka_pem": str(self._folder / "kafka-localhost.pem"),
        }.items():
            assert written in settings
            settings = settings.replace(written, mapped)
        folder = self._folder / "settings"
        (folder / "more").mkdir(parents=True)
        (folder / "server.properties").write_text(settings)
        auditors = (DEPLOY / "kafka" / "auditors.properties").read_text()
        auditors = auditors.replace("/run/secrets/auditors_pem", str(self._folder / "kafka-localhost.pem"))
        (folder / "more" / "auditors.properties").write_text(auditors)
        return folder


def _write_tools(folder: Path) -> None:
    """Write the scripts that start.sh calls, as thin as can be."""
    folder.mkdir()
    java, jars = find_java(), resolve_jars()
    options = f"-Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir={folder}"
    for name, main in _TOOLS.items():
        script = folder / name
        script.write_text(f'#!/bin/bash\nexec {java} {options} -cp "{jars}/*" {main} "$@"\n')
        script.chmod(0o755)


@contextmanager
def run_broker(folder: Path, origin: str = "https://localhost:8443") -> Iterator[Broker]:
    """Make an installation in ``folder/installation`` and run its prepared broker.

    Raises:
        EngineUnavailableError: there is no Java, or the jars cannot be had.
    """
    _write_tools(folder / "bin")
    environ = make_installation(folder / "installation", origin)
    certificates = folder / "installation" / "secrets"
    # The container's certificate is for the host "kafka"; here it is localhost, which the proxy's is for.
    chain = (certificates / "proxy-key.pem").read_bytes() + (certificates / "proxy-cert.pem").read_bytes()
    (folder / "kafka-localhost.pem").write_bytes(chain)
    broker = Broker(folder, environ)
    try:
        broker.start()
        broker.prepare()
        yield broker
    finally:
        broker.stop()
