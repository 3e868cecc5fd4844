"""A broker from the official image, where a Docker engine answers."""

import os
import socket

from engines import EngineUnavailableError
from engines.kafka.local import find_free_ports, wait_for_broker

_IMAGE = "apache/kafka:4.1.0"
_READY_TIMEOUT_S = 120


def docker_answers() -> bool:
    """Tell whether a Docker engine is there to be used."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if host.startswith("unix://") and not _accepts(host.removeprefix("unix://")):
        return False  # asked here, because the docker package leaves its socket open when it fails
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        return False
    try:
        client = docker.from_env()
    except DockerException:
        return False
    client.close()
    return True


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


class ContainerBroker:
    """One broker in a container, on a fixed host port so that it survives stop and start."""

    def __init__(self) -> None:
        from testcontainers.core.container import DockerContainer

        (self._port,) = find_free_ports(1)
        self._container = DockerContainer(_IMAGE).with_bind_ports(9092, self._port)
        for name, value in self._derive_environment().items():
            self._container.with_env(name, value)
        self._made = False

    @property
    def servers(self) -> str:
        """Bootstrap servers."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and return when it answers. Raises EngineUnavailableError when the image cannot be had."""
        from docker.errors import APIError

        if self._made:
            self._container.get_wrapped_container().start()
        else:
            try:
                self._container.start()
            except APIError as error:
                raise EngineUnavailableError(f"no Kafka: {_IMAGE} does not start: {error}") from error
            self._made = True
        wait_for_broker(self.servers, _READY_TIMEOUT_S)

    def stop(self) -> None:
        """Stop it and keep its data."""
        self._container.get_wrapped_container().stop()

    def close(self) -> None:
        """Remove it."""
        if self._made:
            self._container.stop()

    def _derive_environment(self) -> dict[str, str]:
        return {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{self.servers}",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        }
