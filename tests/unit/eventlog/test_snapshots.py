"""Fold snapshots at a service: they save reading long streams, and never say what the events do not."""

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, select, update

from solekey_eventlog import snapshots, streams
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.streams import Streams
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Body, Stream, auth
from solekey_protocol.ids import AccountId, SessionId, compute_digest
from solekey_protocol.services import TOPICS
from solekey_protocol.streams import AuthStream, DevicesStream, VaultStream, derive_fold_version
from solekey_service.kernel import Kernel
from tests.support.demo_service import reacting as demo
from tests.support.eventlog.author import NOON, Author
from tests.support.eventlog.services import CuttableBus, Feed, NewUrl, StartService

SNAPSHOTS = demo.TABLES.fold_snapshots
SNAPSHOT_EVENTS = 20
FAILED = auth.LoginFailed(auth.LoginStage.LOGIN_KEY)


def open_session(author: Author, number: int) -> Body:
    session = SessionId.from_raw(number.to_bytes(16, "big"))
    return auth.SessionOpened(session, author.laptop.device, auth.Factor.TOTP, NOON)


def append(kernel: Kernel, account: AccountId, *facts: Body) -> None:
    with kernel.store.begin() as uow:
        uow.append(account, uow.head(account), *facts)


def fold_anew(kernel: Kernel, account: AccountId) -> AuthStream:
    """Fold as a process does that has just begun."""
    with kernel.store.read() as uow:
        return Streams(kernel.store, kernel.streams.subscribed).fold_parked(uow, account, AuthStream)


def fold_from_zero(kernel: Kernel, account: AccountId) -> AuthStream:
    with kernel.store.read() as uow:
        events = uow.events(account)
    state = AuthStream.start(account)
    for event in events:
        state = state.evolve(event)
    return state


def read_row(kernel: Kernel, account: AccountId) -> tuple[int, bytes] | None:
    with kernel.store.read() as uow:
        query = select(SNAPSHOTS.c.seq, SNAPSHOTS.c.snapshot).where(SNAPSHOTS.c.account == account)
        row = uow.connection.execute(query).first()
    return None if row is None else (row.seq, bytes(row.snapshot))


def write_row(kernel: Kernel, account: AccountId, snapshot: bytes) -> None:
    with kernel.store.begin() as uow:
        where = update(SNAPSHOTS).where(SNAPSHOTS.c.account == account)
        assert uow.connection.execute(where.values(snapshot=snapshot)).rowcount == 1


@contextmanager
def counting_reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count the stored events that are read in order to fold them."""
    read: list[int] = []

    def parse(raw: bytes) -> Event:
        event = parse_event(raw)
        read.append(event.seq)
        return event

    with monkeypatch.context() as patch:
        patch.setattr(streams, "parse_event", parse)
        yield read


@pytest.fixture(autouse=True)
def _short_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SNAPSHOT_EVENTS", SNAPSHOT_EVENTS)


@pytest.fixture
def kernel(start: StartService) -> Kernel:
    return start()


@pytest.fixture
def long(kernel: Kernel, alice: Author) -> AccountId:
    """An account with a snapshot, and ten events after it."""
    append(kernel, alice.account, *[open_session(alice, n) for n in range(SNAPSHOT_EVENTS)])
    fold_anew(kernel, alice.account)
    append(kernel, alice.account, *[FAILED] * 9, open_session(alice, SNAPSHOT_EVENTS))
    row = read_row(kernel, alice.account)
    assert row is not None
    assert row[0] == SNAPSHOT_EVENTS
    return alice.account


def test_a_short_stream_has_none(kernel: Kernel, alice: Author) -> None:
    append(kernel, alice.account, *[FAILED] * (SNAPSHOT_EVENTS - 1))
    fold_anew(kernel, alice.account)
    assert read_row(kernel, alice.account) is None


def test_only_what_follows_the_snapshot_is_read(
    kernel: Kernel, long: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counting_reads(monkeypatch) as read:
        folded = fold_anew(kernel, long)
    assert read == list(range(SNAPSHOT_EVENTS + 1, SNAPSHOT_EVENTS + 11))
    assert folded == fold_from_zero(kernel, long)
    assert len(folded.sessions) == SNAPSHOT_EVENTS + 1


def test_a_running_service_saves_one_now_and_then(
    kernel: Kernel, long: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counting_reads(monkeypatch) as read:
        for _ in range(3 * SNAPSHOT_EVENTS):
            append(kernel, long, FAILED)
            with kernel.store.read() as uow:
                kernel.streams.fold(uow, long, AuthStream)
    assert len(read) == 3 * SNAPSHOT_EVENTS + 10  # each event once
    row = read_row(kernel, long)
    assert row is not None
    assert 0 <= kernel.streams._cache[(long, Stream.AUTH)].fold.head.seq - row[0] < SNAPSHOT_EVENTS


def test_what_is_read_is_a_page_at_a_time_and_lets_others_go_on(kernel: Kernel, alice: Author) -> None:
    append(kernel, alice.account, *[FAILED] * 1100)
    pauses: list[int] = []
    fresh = Streams(kernel.store, kernel.streams.subscribed, pause=lambda: pauses.append(1))
    with kernel.store.read() as uow:
        assert fresh.fold_parked(uow, alice.account, AuthStream).head.seq == 1100
    assert len(pauses) == 2


DAMAGES = {
    "a flipped bit of the checksum": lambda row: bytes([row[0] ^ 1]) + row[1:],
    "a flipped bit of the state": lambda row: row[:200] + bytes([row[200] ^ 1]) + row[201:],
    "a flipped bit at the end": lambda row: row[:-1] + bytes([row[-1] ^ 1]),
    "cut": lambda row: row[: len(row) // 2],
    "empty": lambda _: b"",
    "other bytes": lambda row: row[::-1],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_snapshot_is_made_anew(kernel: Kernel, long: AccountId, damage: str) -> None:
    row = read_row(kernel, long)
    assert row is not None
    write_row(kernel, long, DAMAGES[damage](row[1]))
    assert fold_anew(kernel, long) == fold_from_zero(kernel, long)
    mended = read_row(kernel, long)
    assert mended is not None
    assert mended[0] == SNAPSHOT_EVENTS + 10


def test_a_snapshot_with_a_right_checksum_is_what_is_read(kernel: Kernel, long: AccountId) -> None:
    """The control: without it the tests of damage could pass because no snapshot is used at all."""
    row = read_row(kernel, long)
    assert row is not None
    version, state = json.loads(row[1][32:])
    state[1] = 77  # the credential's version
    rest = json.dumps([version, state], separators=(",", ":")).encode()
    write_row(kernel, long, hashlib.sha256(rest).digest() + rest)
    assert fold_anew(kernel, long).credential_version == 77


def test_a_row_that_was_rolled_back_is_a_snapshot_of_then(kernel: Kernel, long: AccountId) -> None:
    old = read_row(kernel, long)
    assert old is not None
    append(kernel, long, *[FAILED] * SNAPSHOT_EVENTS)
    fold_anew(kernel, long)
    assert read_row(kernel, long) != old
    write_row(kernel, long, old[1])
    assert fold_anew(kernel, long) == fold_from_zero(kernel, long)


def test_another_accounts_row_is_not_believed(
    kernel: Kernel, long: AccountId, bob: Author, caplog: pytest.LogCaptureFixture
) -> None:
    append(kernel, bob.account, *[FAILED] * SNAPSHOT_EVENTS)
    fold_anew(kernel, bob.account)
    row = read_row(kernel, long)
    assert row is not None
    write_row(kernel, bob.account, row[1])
    caplog.set_level(logging.ERROR)
    assert fold_anew(kernel, bob.account) == fold_from_zero(kernel, bob.account)
    assert "another stream's" in caplog.text


def test_a_snapshot_of_another_version_is_made_anew(
    kernel: Kernel, long: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_row(kernel, long)
    derive_fold_version.cache_clear()
    monkeypatch.setattr(AuthStream, "VERSION", AuthStream.VERSION + 1)
    try:
        assert fold_anew(kernel, long) == fold_from_zero(kernel, long)
        after = read_row(kernel, long)
    finally:
        derive_fold_version.cache_clear()
    assert before is not None
    assert after is not None
    assert after[1][34:98] != before[1][34:98]


@pytest.mark.parametrize("place", [SNAPSHOT_EVENTS - 1, SNAPSHOT_EVENTS])
def test_a_snapshot_that_does_not_stand_on_the_stored_event_is_refused(
    kernel: Kernel, long: AccountId, place: int
) -> None:
    """The events came from an older copy, and went on otherwise."""
    with kernel.store.begin() as uow:
        table = uow.tables.events
        uow.connection.execute(delete(table).where(table.c.seq > place - 1))
    if place == SNAPSHOT_EVENTS:
        append(kernel, long, auth.MfaEnrolled(auth.Factor.TOTP, compute_digest(b"factor")))
    assert fold_anew(kernel, long) == fold_from_zero(kernel, long)


def test_a_service_goes_on_without_when_none_can_be_saved(
    kernel: Kernel, alice: Author, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise UnavailableError("the disk is full")

    append(kernel, alice.account, *[FAILED] * SNAPSHOT_EVENTS)
    monkeypatch.setattr(streams, "save_snapshot", fail)
    assert fold_anew(kernel, alice.account) == fold_from_zero(kernel, alice.account)
    assert read_row(kernel, alice.account) is None
    assert "no snapshot saved" in caplog.text


def test_what_is_not_committed_is_in_no_snapshot(kernel: Kernel, alice: Author) -> None:
    append(kernel, alice.account, *[FAILED] * (SNAPSHOT_EVENTS - 1))
    with pytest.raises(ZeroDivisionError), kernel.store.begin() as uow:  # noqa: PT012  # one transaction
        uow.append(alice.account, uow.head(alice.account), FAILED)
        assert kernel.streams.fold_parked(uow, alice.account, AuthStream).head.seq == SNAPSHOT_EVENTS
        raise ZeroDivisionError
    assert read_row(kernel, alice.account) is None
    with kernel.store.begin() as uow:
        uow.append(alice.account, uow.head(alice.account), FAILED)
        kernel.streams.fold_parked(uow, alice.account, AuthStream)
    assert read_row(kernel, alice.account) is None  # the next that asks saves it


def test_a_long_stream_is_folded_before_the_transaction_that_writes(
    kernel: Kernel, long: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.streams.forget()
    with counting_reads(monkeypatch) as read:
        kernel.streams.prepare((long, AuthStream))
        assert len(read) == 10
        kernel.streams.prepare((long, AuthStream))
        with kernel.store.begin() as uow:
            kernel.streams.fold(uow, long, AuthStream)
    assert len(read) == 10


def test_followed_streams_have_them_too_and_a_rebuild_makes_them_anew(
    start: StartService, bus: CuttableBus, alice: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SNAPSHOT_EVENTS", 3)
    kernel = start()
    alice.found(), alice.enrol(), alice.trust(), alice.revoke()
    for version in range(1, 6):
        alice.say(alice.wrapped(version))
    for stream in (Stream.DEVICES, Stream.VAULT):
        for event in alice.events[stream]:
            bus.publish(TOPICS[stream], event.account, event.raw)
    Feed(bus, kernel).run()
    kinds = (DevicesStream, VaultStream)

    def read_all() -> tuple[set[str], list[object]]:
        fresh = Streams(kernel.store, kernel.streams.subscribed)
        with kernel.store.read() as uow:
            folds: list[object] = [fresh.fold(uow, alice.account, kind) for kind in kinds]
            return set(uow.connection.execute(select(SNAPSHOTS.c.stream)).scalars()), folds

    _, live = read_all()
    saved, _ = read_all()
    assert saved == {"devices", "vault"}
    kernel.make_rebuild().run()
    left, again = read_all()
    assert left == set()
    assert again == live
    assert read_all()[0] == saved
    assert live[1] == _fold_all(alice, Stream.VAULT)


def _fold_all(author: Author, stream: Stream) -> VaultStream:
    state = VaultStream.start(author.account)
    for event in author.events[stream]:
        state = state.evolve(event)
    return state


def test_two_processes_may_save_at_once(start: StartService, alice: Author, new_database_url: NewUrl) -> None:
    url = new_database_url()
    first, second = start(url=url), start(url=url)
    append(first, alice.account, *[FAILED] * SNAPSHOT_EVENTS)
    folded = fold_from_zero(first, alice.account)
    for kernel in (first, second, first):
        with kernel.store.begin() as uow:
            snapshots.save_snapshot(uow, folded)
    assert fold_anew(second, alice.account) == folded
