"""A database that vanishes without a word holds nobody up: not its connections, not who waits for one."""

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from solekey_eventlog.engine import open_engine
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.publisher_lock import open_publisher_lock
from solekey_eventlog.secret import Secret

URL = Secret("postgresql+psycopg://solekey@database.invalid/solekey")


@pytest.fixture
def engine():
    engine = open_engine(URL)
    yield engine
    engine.dispose()


def test_libpq_is_told_how_long_to_wait_for_an_acknowledgement(engine):
    """The kernel keeps to it: nothing here can drop packets. tests/system/deploy moves a real server."""
    given = {}

    @event.listens_for(engine, "do_connect")
    def look(dialect, record, arguments, options):
        given.update(options)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        engine.connect()
    assert 0 < given["tcp_user_timeout"] <= 5_000
    assert given["keepalives_idle"] + given["keepalives_interval"] * given["keepalives_count"] <= 10


@pytest.mark.parametrize(
    "failure", [PoolTimeoutError("no connection is free"), OperationalError("", None, Exception("down"))]
)
def test_the_publisher_waits_for_a_database_that_gives_no_connection(engine, failure):
    @event.listens_for(engine, "do_connect")
    def fail(dialect, record, arguments, options):
        raise failure

    with open_publisher_lock(engine) as lock, pytest.raises(UnavailableError):
        lock.acquire()


def test_what_is_no_outage_is_not_taken_for_one(engine):
    @event.listens_for(engine, "do_connect")
    def fail(dialect, record, arguments, options):
        raise ZeroDivisionError

    with open_publisher_lock(engine) as lock, pytest.raises(ZeroDivisionError):
        lock.acquire()
