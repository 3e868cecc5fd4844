"""The engines are what they claim to be: real, separate, and loud when missing."""

import socket
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, text

from tests.support.engines.engine import EngineUnavailableError, required
from tests.support.engines.kafka.broker import StoppableKafka
from tests.support.engines.kafka.local import wait_for_broker
from tests.support.engines.ports import find_free_ports
from tests.support.engines.postgres import NewPostgresUrl


@pytest.mark.postgres
def test_each_database_is_fresh_and_owned_by_an_ordinary_role(new_postgres_url: NewPostgresUrl) -> None:
    urls = [new_postgres_url(), new_postgres_url()]
    assert urls[0] != urls[1]
    for url in urls:
        engine = create_engine(url)
        with engine.begin() as db:
            db.execute(text("CREATE TABLE same_name (id integer)"))
            assert "PostgreSQL" in db.execute(text("SELECT version()")).scalar_one()
            superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
            assert db.execute(text(superuser)).scalar_one() is False
        engine.dispose()


@pytest.mark.postgres
def test_copies_of_a_migrated_database_are_apart(new_migrated_postgres_url: Callable[[str], str]) -> None:
    engines = [create_engine(new_migrated_postgres_url("solekey_devices")) for _ in range(2)]
    with engines[0].begin() as db:
        db.execute(text("INSERT INTO foundations (name, value) VALUES ('mine', 'x')"))
    counted = []
    for engine in engines:
        with engine.begin() as db:
            counted.append(db.execute(text("SELECT count(*) FROM foundations")).scalar_one())
        engine.dispose()
    assert counted == [1, 0]


@pytest.mark.kafka
def test_a_stopped_broker_is_gone_and_comes_back_at_the_same_address(stoppable_kafka: StoppableKafka) -> None:
    servers = stoppable_kafka.servers
    wait_for_broker(servers, 10)
    stoppable_kafka.stop()
    host, port = servers.split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=1)
    stoppable_kafka.start()
    assert stoppable_kafka.servers == servers
    wait_for_broker(servers, 10)


def test_who_waits_for_a_broker_knocks_before_kafkas_client_comes() -> None:
    """It leaves each connection that is refused unclosed: hundreds, until a broker listens."""
    (port,) = find_free_ports(1)
    with pytest.raises(ConnectionRefusedError):
        wait_for_broker(f"127.0.0.1:{port}", 0)


class _Missing:
    def __enter__(self) -> None:
        raise EngineUnavailableError("there is none")

    def __exit__(self, *_: object) -> None:
        raise AssertionError("never entered")


@pytest.mark.parametrize(("setting", "outcome"), [("0", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_a_missing_engine_skips_or_fails(
    monkeypatch: pytest.MonkeyPatch, setting: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("SOLEKEY_REQUIRE_REAL", setting)
    with pytest.raises(outcome, match="there is none"), required(_Missing()):
        pass
