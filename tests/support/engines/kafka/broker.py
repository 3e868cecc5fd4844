"""Apache Kafka 4: SOLEKEY_TEST_KAFKA else a container, else the official jars on Java 17."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from solekey_standalone.certificates import load_or_make_certificates
from tests.support.engines.engine import first_of, required
from tests.support.engines.kafka.container import ContainerBroker
from tests.support.engines.kafka.local import LocalBroker, SecureListener


class StoppableKafka(Protocol):
    """A broker that a test may take away and bring back: same port, same data."""

    @property
    def servers(self) -> str:
        """Bootstrap servers."""
        ...

    def stop(self) -> None:
        """Stop it and return when it is gone."""
        ...

    def start(self) -> None:
        """Start it, unless it runs, and return when it answers."""
        ...


@contextmanager
def run_broker(folder: Path) -> Iterator[StoppableKafka]:
    """Run a broker: a container where a Docker engine has the image, else the jars.

    Raises:
        EngineUnavailableError: neither can be had.
    """
    with first_of(_run_container, lambda: _run_jars(folder)) as broker:
        yield broker


@contextmanager
def _run_container() -> Iterator[StoppableKafka]:
    broker = ContainerBroker()
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


@contextmanager
def _run_jars(folder: Path) -> Iterator[StoppableKafka]:
    broker = LocalBroker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="session")
def kafka_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the bootstrap servers of a broker that the whole session shares: use topics of your own."""
    if named := os.environ.get("SOLEKEY_TEST_KAFKA"):
        yield named
        return
    with required(run_broker(tmp_path_factory.mktemp("kafka"))) as broker:
        yield broker.servers


@pytest.fixture(scope="session")
def _second_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoppableKafka]:
    with required(run_broker(tmp_path_factory.mktemp("stoppable-kafka"))) as broker:
        yield broker


@pytest.fixture
def stoppable_kafka(_second_kafka: StoppableKafka) -> Iterator[StoppableKafka]:
    """Give a running broker that the test may stop; it is brought back for the next one."""
    yield _second_kafka
    _second_kafka.start()


@dataclass(frozen=True, slots=True)
class SecureKafka:
    """Where a protected broker is, and what it takes to get in."""

    servers: str
    ca_file: Path
    username: str
    password: str = field(repr=False)


@pytest.fixture(scope="session")
def secure_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """Give a broker that wants SASL/SCRAM over TLS 1.3. Always from the jars: it needs files of its own."""
    folder = tmp_path_factory.mktemp("secure-kafka")
    with required(_run_secure_broker(folder)) as kafka:
        yield kafka


@contextmanager
def _run_secure_broker(folder: Path) -> Iterator[SecureKafka]:
    certificates = load_or_make_certificates(folder, "localhost")
    key_store = folder / "key-store.pem"  # Kafka wants the key and its chain in one file
    key_store.write_bytes(certificates.server_key.read_bytes() + certificates.server.read_bytes())
    listener = SecureListener(key_store, username="solekey-test", password=secrets.token_hex(16))
    broker = LocalBroker(folder, listener)
    broker.start()
    try:
        yield SecureKafka(broker.secure_servers, certificates.authority, listener.username, listener.password)
    finally:
        broker.stop()
