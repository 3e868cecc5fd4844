"""A broker from the official jars on the local Java, in KRaft mode, alone."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.engines.kafka.jars import find_java, resolve_jars
from tests.support.engines.ports import find_free_ports

_READY_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 20
_LOOK_S = 0.05
_CLUSTER_ID = "c29sZWtleS10ZXN0LTAwMA"  # 16 bytes, base64url

_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
log.dirs={data}
auto.create.topics.enable={auto_create_topics}
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=2
"""


@dataclass(frozen=True, slots=True)
class SecureListener:
    """A second listener with SASL/SCRAM over TLS. ``pem`` holds the private key and its chain."""

    pem: Path
    username: str
    password: str


class LocalBroker:
    """One broker process. ``stop`` and ``start`` keep its ports and data; its log is kept in ``folder``."""

    replication_factor = min_insync_replicas = 1

    def __init__(
        self,
        folder: Path,
        secure: SecureListener | None = None,
        *,
        auto_create_topics: bool = False,
        controller_port: int | None = None,
        more: str = "",
    ) -> None:
        """Format the storage of a broker.

        Args:
            folder: where its settings, data and log are.
            secure: a second listener, which wants to know who comes.
            auto_create_topics: whether a topic that is asked for is made.
            controller_port: where its controller listens, if others are to know; else any port.
            more: more settings; they count where they repeat one.
        """
        self._java = find_java()
        self._libs = resolve_jars()
        self._folder = folder
        self._settings = folder / "server.properties"
        self.log_path = folder / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._port, free_port, self._secure_port = find_free_ports(3)
        controller_port = controller_port or free_port
        listeners = [f"PLAINTEXT://127.0.0.1:{self._port}"]
        if secure:
            listeners.append(f"SASL_SSL://127.0.0.1:{self._secure_port}")
        settings = _SETTINGS.format(
            listeners=",".join([*listeners, f"CONTROLLER://127.0.0.1:{controller_port}"]),
            advertised=",".join(listeners),
            controller_port=controller_port,
            data=folder / "data",
            auto_create_topics=str(auto_create_topics).lower(),
        )
        if secure:
            settings += _derive_secure_settings(secure)
        self._settings.write_text(settings + more)
        self._format(secure)

    @property
    def servers(self) -> str:
        """Bootstrap servers, without protection."""
        return f"127.0.0.1:{self._port}"

    @property
    def secure_servers(self) -> str:
        """Bootstrap servers that want TLS and SCRAM; only for a broker made with a SecureListener."""
        return f"localhost:{self._secure_port}"

    def start(self) -> None:
        """Start it, unless it runs, and return when it answers."""
        if self.launch():
            self.wait_until_ready()

    def launch(self) -> bool:
        """Start it, and do not wait; returns False where it runs."""
        if self._process and self._process.poll() is None:
            return False
        with self.log_path.open("ab") as log:
            command = self._command("kafka.Kafka", str(self._settings))
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self._folder)
        return True

    def wait_until_ready(self) -> None:
        """Return when it answers; end it when it does not."""
        assert self._process is not None
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def pause(self) -> None:
        """Hold it back: its connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on, if it was held back."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """Stop it as an operator would; kill it when it does not obey."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Take it away at once; ``start`` brings it back with the same data."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _command(self, main: str, *arguments: str) -> list[str]:
        options = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        options += ["-Dorg.apache.logging.log4j.level=INFO", f"-Djava.io.tmpdir={self._folder}"]
        return [self._java, *options, "-cp", f"{self._libs}/*", main, *arguments]

    def _format(self, secure: SecureListener | None) -> None:
        """Format the storage, which KRaft demands before the first start."""
        command = self._command(
            "kafka.tools.StorageTool", "format", "--cluster-id", _CLUSTER_ID, "--config", str(self._settings)
        )
        if secure:
            command += ["--add-scram", f"SCRAM-SHA-512=[name={secure.username},password={secure.password}]"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._folder, check=False)
        if done.returncode:
            raise RuntimeError(
                f"formatting Kafka's storage failed: {done.stdout[-2000:]}{done.stderr[-2000:]}"
            )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        def verify_running() -> None:
            if process.poll() is not None:
                raise RuntimeError(f"Kafka ended with {process.returncode}: {self._read_log_end()}")

        try:
            wait_for_broker(self.servers, _READY_TIMEOUT_S, verify_running)
        except OSError:
            raise RuntimeError(f"Kafka did not answer: {self._read_log_end()}") from None

    def _read_log_end(self) -> str:
        return self.log_path.read_text(errors="replace")[-3000:]


def _derive_secure_settings(secure: SecureListener) -> str:
    return (
        "sasl.enabled.mechanisms=SCRAM-SHA-512\n"
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config="
        "org.apache.kafka.common.security.scram.ScramLoginModule required;\n"
        "ssl.keystore.type=PEM\n"
        f"ssl.keystore.location={secure.pem}\n"
        "ssl.enabled.protocols=TLSv1.3\n"
    )


def wait_for_broker(
    servers: str, timeout_s: float, verify_running: Callable[[], None] = lambda: None
) -> None:
    """Ask until a broker describes its cluster.

    Kafka's client comes once somebody listens: each connection that is refused it leaves to the garbage
    collector, unclosed.

    Args:
        servers: its address; of several, the first is waited for.
        timeout_s: how long.
        verify_running: raises where waiting has no use any more.

    Raises:
        OSError: nobody listens.
        KafkaTimeoutError: it does not answer.
    """
    deadline = time.monotonic() + timeout_s
    host, _, port = servers.partition(",")[0].rpartition(":")
    while True:
        verify_running()
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_S)
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(
        bootstrap_servers=servers,
        bootstrap_timeout_ms=max(deadline - time.monotonic(), 1) * 1000,
        reconnect_backoff_max_ms=200,
    )
    try:
        admin.describe_cluster()
    finally:
        admin.close()
