"""The store: appending, the optimistic lock, idempotency, rollback."""

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from solekey_eventlog.clock import ManualClock
from solekey_eventlog.engine import is_sqlite, open_engine
from solekey_eventlog.errors import StalePositionError, UnavailableError
from solekey_eventlog.migrations import upgrade
from solekey_eventlog.secret import Secret
from solekey_eventlog.store import EventStore
from solekey_protocol.errors import SchemaError
from solekey_protocol.events import Stream, auth
from solekey_protocol.schemas import verify_schema
from solekey_protocol.statements import EMPTY_HEAD, Head
from solekey_protocol.streams import AuthStream, VaultStream
from solekey_service.kernel import Kernel
from tests.support.demo_service import reacting as demo
from tests.support.eventlog.author import Author
from tests.support.eventlog.services import StartService

REGISTERED = auth.AccountRegistered(1)
FAILED = auth.LoginFailed(auth.LoginStage.LOGIN_KEY)


def test_events_of_one_append_are_chained_and_share_their_moment(
    start: StartService, alice: Author, clock: ManualClock
) -> None:
    store = start().store
    with store.begin() as uow:
        appended = uow.append(alice.account, EMPTY_HEAD, REGISTERED, FAILED)
        clock.advance(10)
        appended += uow.append(alice.account, appended[-1].head, FAILED)
    with store.read() as uow:
        assert uow.events(alice.account) == appended
        assert uow.events(alice.account, after=1, limit=1) == [appended[1]]
        assert uow.head(alice.account) == appended[-1].head
        assert uow.head(Author("bob").account) == EMPTY_HEAD
    assert [event.seq for event in appended] == [1, 2, 3]
    assert [event.prev for event in appended[1:]] == [event.digest for event in appended[:-1]]
    assert {event.time for event in appended} == {"2026-11-23T12:00:00.000Z"}
    assert [verify_schema(event.raw) for event in appended]


def test_an_append_that_does_not_continue_the_head_is_refused(start: StartService, alice: Author) -> None:
    store = start().store
    with store.begin() as uow:
        (first,) = uow.append(alice.account, EMPTY_HEAD, REGISTERED)
    for wrong in (Head(2, first.digest), Head(1, EMPTY_HEAD.digest), EMPTY_HEAD):
        with pytest.raises(StalePositionError) as refused, store.begin() as uow:
            uow.append(alice.account, wrong, FAILED)
    assert refused.value.extras == {"head": {"seq": 1, "digest": first.digest}}


def test_of_two_who_append_at_once_one_is_refused(start: StartService, alice: Author) -> None:
    kernel = start()
    refusals: list[StalePositionError] = []

    def append_later() -> None:
        try:
            with kernel.store.begin() as uow:
                uow.append(alice.account, EMPTY_HEAD, FAILED)
        except StalePositionError as refusal:
            refusals.append(refusal)

    second = threading.Thread(target=append_later)
    with kernel.store.begin() as uow:
        (first,) = uow.append(alice.account, EMPTY_HEAD, REGISTERED)
        second.start()
        _wait_until_blocked(kernel)
    second.join(10)
    assert [refusal.head for refusal in refusals] == [first.head]
    with kernel.store.read() as uow:
        assert uow.events(alice.account) == [first]


def _wait_until_blocked(kernel: Kernel) -> None:
    """On PostgreSQL: until the other transaction waits at the unique index. SQLite's never got that far."""
    if is_sqlite(kernel.engine):
        return
    deadline = time.monotonic() + 10
    with kernel.engine.connect() as watcher:
        while not watcher.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar():
            assert time.monotonic() < deadline
            watcher.rollback()


def test_a_statement_is_found_again_by_its_digest(start: StartService, alice: Author, bob: Author) -> None:
    store = start(demo.VAULT).store
    alice.found()
    signed = alice.sign(alice.wrapped())
    with store.begin() as uow:
        assert uow.find_statement(alice.account, signed.digest) is None
        (event,) = uow.append(alice.account, EMPTY_HEAD, signed)
    with store.read() as uow:
        assert uow.find_statement(alice.account, signed.digest) == event
        assert uow.find_statement(bob.account, signed.digest) is None
    assert event.signed == signed


def test_a_body_that_needs_a_statement_is_refused(start: StartService, alice: Author) -> None:
    store = start(demo.VAULT).store
    with pytest.raises(SchemaError, match="signed statement"), store.begin() as uow:
        uow.append(alice.account, EMPTY_HEAD, alice.wrapped())
    with pytest.raises(ValueError, match="does not belong"), store.begin() as uow:
        uow.append(alice.account, EMPTY_HEAD, REGISTERED)


def test_a_failure_takes_events_and_rows_back_together(start: StartService, alice: Author) -> None:
    kernel = start()
    woken: list[bool] = []
    kernel.store.on_append(lambda: woken.append(True))

    def fail() -> None:
        with kernel.store.begin() as uow:
            uow.append(alice.account, EMPTY_HEAD, REGISTERED)
            uow.connection.execute(insert(demo.NOTES).values(event="lost"))
            assert kernel.streams.fold(uow, alice.account, AuthStream).credential_version == 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with kernel.store.read() as uow:
        assert uow.head(alice.account) == EMPTY_HEAD
        assert uow.connection.execute(select(demo.NOTES)).all() == []
        assert kernel.streams.fold(uow, alice.account, AuthStream).credential_version == 0
    assert not woken
    assert not kernel.streams._cache  # what was rolled back is kept nowhere
    with kernel.store.begin() as uow:
        uow.append(alice.account, EMPTY_HEAD, REGISTERED)
    assert woken == [True]


def test_reading_does_not_wait_for_a_writer(start: StartService, alice: Author) -> None:
    store = start().store
    with store.begin() as writer:
        writer.append(alice.account, EMPTY_HEAD, REGISTERED)
        with store.read() as reader:
            assert reader.head(alice.account) == EMPTY_HEAD


def test_a_fold_is_as_of_its_own_transaction(start: StartService, alice: Author) -> None:
    kernel = start()
    with kernel.store.begin() as uow:
        (first,) = uow.append(alice.account, EMPTY_HEAD, REGISTERED)
    with kernel.store.read() as before:
        assert kernel.streams.fold(before, alice.account, AuthStream).head == first.head
        with kernel.store.begin() as uow:
            (second,) = uow.append(alice.account, first.head, auth.AccountClosed(1))
        with kernel.store.read() as after:
            assert kernel.streams.fold(after, alice.account, AuthStream).closed
        if is_sqlite(kernel.engine):  # one snapshot a transaction; PostgreSQL's is one a query
            assert not kernel.streams.fold(before, alice.account, AuthStream).closed
    with kernel.store.read() as after:
        assert kernel.streams.fold(after, alice.account, AuthStream).head == second.head


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_database_that_is_gone_is_a_refusal_to_try_again(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    gone = {"sqlite": f"sqlite:///{folder}/x.db", "postgres": "postgresql://solekey:x@127.0.0.1:1/solekey"}
    engine = open_engine(Secret(gone[kind]))
    folder.rmdir() if kind == "sqlite" else None
    store = EventStore(engine, Stream.AUTH, demo.TABLES, ManualClock())
    for transaction in (store.begin, store.read):
        with pytest.raises(UnavailableError) as refused, transaction():
            pass
        assert refused.value.retry_after_s == 1
    with pytest.raises(UnavailableError):
        upgrade(engine, "tests.support.demo_service")


def test_a_defect_in_sql_is_no_refusal(start: StartService) -> None:
    with pytest.raises(DBAPIError), start().store.begin() as uow:
        uow.connection.execute(text("SELECT nothing FROM nowhere"))


def test_the_streams_of_a_service_are_its_own_and_those_it_follows(
    start: StartService, alice: Author
) -> None:
    kernel = start()
    with kernel.store.read() as uow:
        assert kernel.streams.fold(uow, alice.account, VaultStream).epoch == 0
        assert kernel.streams.position(uow, alice.account, Stream.VAULT) == EMPTY_HEAD
