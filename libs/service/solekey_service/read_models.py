"""What a service derives from events beside its inbox: made from zero, compared, switched where it differs.

A read model is rebuilt in one transaction, which others do not see before its end. Where what comes of it is
what was there, or only a comparison was asked for, the transaction is rolled back and nothing has changed.
Fold snapshots are compared with a fold of all events, and deleted: they are made anew when they are wanted.
Spec: events.md §8.3.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, select

from solekey_eventlog.log_comparison import read_rows
from solekey_eventlog.store import EventStore
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId
from solekey_protocol.streams import FOLDS, encode_snapshot

OwnerT = TypeVar("OwnerT")
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ReadModel(Generic[OwnerT]):
    """Rows that follow from events.

    Attributes:
        name: what an operator reads, such as ``items``.
        rebuild: makes them from zero in a transaction; told where to report how far it is. Raises LookupError
            or MalformedError: what they are made of is not there, or damaged.
        compared: what must come out again: of each row its account, then the columns that follow from events
            alone.
    """

    name: str
    rebuild: Callable[[OwnerT, UnitOfWork, Tell], None]
    compared: tuple[Select[Any], ...]


class _UndoneError(Exception):
    """Nothing is to be changed."""


def rebuild_read_model(
    api: OwnerT, store: EventStore, model: ReadModel[OwnerT], report: Tell, *, dry_run: bool
) -> int:
    """Rebuild a read model and switch to it where it differs; return of how many accounts it did.

    Args:
        api: of the service, which does not run.
        store: its database.
        model: which one.
        report: told how far it is.
        dry_run: only compare.

    Raises:
        LookupError, MalformedError: it cannot be made; nothing was changed.
    """
    differing = 0
    with suppress(_UndoneError), store.begin() as uow:
        before = _digest(uow, model)
        model.rebuild(api, uow, report)
        after = _digest(uow, model)
        differing = sum(before.get(each) != after.get(each) for each in before.keys() | after.keys())
        _undo_unless(differing > 0 and not dry_run)
    return differing


def _undo_unless(is_wanted: bool) -> None:  # the name says it
    if not is_wanted:
        raise _UndoneError


def _digest(uow: UnitOfWork, model: ReadModel[Any]) -> dict[str, int]:
    """Sum up the rows of each account; their order does not count."""
    sums: dict[str, int] = {}
    for table, query in enumerate(model.compared):
        for account, *columns in read_rows(uow, query):
            values = [bytes(each) if isinstance(each, memoryview) else each for each in columns]
            row = hashlib.sha256(repr((table, values)).encode()).digest()
            sums[account] = sums.get(account, 0) + int.from_bytes(row)
    return sums


def count_wrong_snapshots(store: EventStore) -> int:
    """Count the fold snapshots that are not what all events amount to; a rebuild deletes all there are."""
    with store.read(with_cursor=True) as uow:
        return sum(1 for _ in _find_wrong(uow, store.stream))


def _find_wrong(uow: UnitOfWork, own: Stream) -> Iterator[AccountId]:
    table = uow.tables.fold_snapshots
    stored = uow.connection.execute(
        select(table.c.account, table.c.stream, table.c.seq, table.c.snapshot)
    ).all()
    for account, stream, seq, snapshot in stored:
        fold = FOLDS[Stream(stream)].start(AccountId(account))
        events = uow.tables.events if stream == own.value else uow.tables.inbox
        query = select(events.c.raw).where(events.c.account == account, events.c.seq <= seq)
        if stream != own.value:
            query = query.where(events.c.stream == stream)
        for (raw,) in read_rows(uow, query.order_by(events.c.seq)):
            fold = fold.evolve(parse_event(bytes(raw)))
        if fold.head.seq != seq or encode_snapshot(fold) != bytes(snapshot):
            yield AccountId(account)
