"""A broker from the official image, where a Docker engine has it."""

from tests.support.engines.container import Container
from tests.support.engines.engine import EngineUnavailableError
from tests.support.engines.kafka.local import wait_for_broker
from tests.support.engines.ports import find_free_ports

_IMAGE = "apache/kafka:4.1.0"
_READY_TIMEOUT_S = 120


class ContainerBroker:
    """One broker in a container, on a fixed host port so that it survives stop and start."""

    def __init__(self) -> None:
        """Make none yet. Raises EngineUnavailableError: no engine answers, or it does not have the image."""
        (self._port,) = find_free_ports(1)
        self._container = Container(_IMAGE, (9092, self._port), self._derive_environment())

    @property
    def servers(self) -> str:
        """Bootstrap servers."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and return when it answers. Raises EngineUnavailableError."""
        self._container.start()
        try:
            wait_for_broker(self.servers, _READY_TIMEOUT_S)
        except Exception as error:  # whatever it is, there is a next choice
            raise EngineUnavailableError(f"Kafka in a container does not answer: {error}") from error

    def stop(self) -> None:
        """Stop it and keep its data."""
        self._container.stop()

    def close(self) -> None:
        """Remove it."""
        self._container.close()

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
