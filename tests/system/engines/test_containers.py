"""Where a Docker engine answers but cannot help, tests go on to their next choice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engines.container import docker_answers
from tests.support.engines.engine import EngineUnavailableError, first_of
from tests.support.engines.kafka.broker import StoppableKafka
from tests.support.engines.kafka.broker import run_broker as run_kafka
from tests.support.engines.kafka.container import ContainerBroker
from tests.support.engines.kafka.local import LocalBroker, wait_for_broker
from tests.support.engines.postgres import connect, run_postgres
from tests.system.engines.fake_docker import FakeDocker, run_fake_docker


@pytest.fixture(params=[False, True], ids=["without the image", "that starts nothing"])
def fake_docker(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeDocker]:
    with run_fake_docker(tmp_path, images=request.param) as fake:
        monkeypatch.setenv("DOCKER_HOST", fake.host)
        assert docker_answers()
        yield fake


def check_requests(fake: FakeDocker) -> None:
    """Nothing was pulled, no other image than the engine's own asked for, nothing left behind."""
    assert "POST /images/create" not in fake.requests
    assert not any("ryuk" in request for request in fake.requests)
    made = fake.requests.count("POST /containers/create")
    assert made == sum(request.startswith("DELETE /containers/") for request in fake.requests)


def start_container() -> None:
    """Start a broker in a container, and remove what came of it."""
    broker = ContainerBroker()
    try:
        broker.start()
    finally:
        broker.close()


def test_a_container_that_cannot_be_had_is_no_engine(fake_docker: FakeDocker) -> None:
    with pytest.raises(EngineUnavailableError, match=r"apache/kafka:4\.1\.0"):
        start_container()
    check_requests(fake_docker)
    assert any(request.startswith("GET /images/apache/kafka:4.1.0") for request in fake_docker.requests)


@pytest.mark.kafka
@pytest.mark.slow
def test_kafka_comes_from_the_jars(fake_docker: FakeDocker, tmp_path: Path, kafka_servers: str) -> None:
    """``kafka_servers`` gives up where there is no Kafka at all."""
    with run_kafka(tmp_path) as broker:
        assert isinstance(broker, LocalBroker)
        wait_for_broker(broker.servers, 10)
    check_requests(fake_docker)


@pytest.mark.postgres
@pytest.mark.slow
def test_postgresql_comes_from_the_wheel(fake_docker: FakeDocker) -> None:
    with run_postgres() as url, connect(url) as db:
        assert db.execute("SELECT 1").fetchone() == (1,)
        assert url.query["host"].startswith("/")  # a socket: no container's port
    check_requests(fake_docker)


def test_where_no_choice_is_left_each_says_why() -> None:
    class Missing:
        def __init__(self, why: str) -> None:
            self.why = why

        def __enter__(self) -> StoppableKafka:
            raise EngineUnavailableError(self.why)

        def __exit__(self, *_: object) -> None:
            raise AssertionError("never entered")

    choices = first_of(lambda: Missing("no container"), lambda: Missing("no jars"))
    with pytest.raises(EngineUnavailableError, match=r"^no container; no jars$"), choices:
        pass
