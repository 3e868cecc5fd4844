"""Fold snapshots: rows of ``fold_snapshots`` that save reading a long stream from its first event.

Never a source of truth: a row that is damaged, of another version, or that does not stand on the event stored
at its place is not used, and replaced. It can be deleted at any time. Spec: events.md §6.1.
"""

import logging
from typing import TypeVar

from sqlalchemy import select

from solekey_eventlog.engine import upsert
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId
from solekey_protocol.streams import Fold, decode_snapshot, encode_snapshot

F = TypeVar("F", bound=Fold)

_log = logging.getLogger(__name__)


def load_snapshot(uow: UnitOfWork, account: AccountId, kind: type[F]) -> F | None:
    """Load the snapshot of a stream; None when there is none that can be used.

    Who calls compares its head with the stored event at that place.
    """
    table = uow.tables.fold_snapshots
    stored = uow.connection.execute(
        select(table.c.snapshot).where(table.c.account == account, table.c.stream == kind.STREAM.value)
    ).scalar()
    if stored is None:
        return None
    try:
        fold = decode_snapshot(kind, bytes(stored))
    except MalformedError as error:
        _log.info("%s/%s: folded anew: %s", account, kind.STREAM, error)
        return None
    if (fold.chain.account, fold.chain.stream) != (account, kind.STREAM):
        _log.error("%s/%s: folded anew: its snapshot is another stream's", account, kind.STREAM)
        return None
    return fold


def save_snapshot(uow: UnitOfWork, fold: Fold) -> None:
    """Save the snapshot of a stream in place of the one before."""
    table, chain = uow.tables.fold_snapshots, fold.chain
    values = {"seq": fold.head.seq, "snapshot": encode_snapshot(fold)}
    row = {"account": chain.account, "stream": chain.stream.value, **values}
    uow.connection.execute(
        upsert(uow.connection, table)
        .values(row)
        .on_conflict_do_update(index_elements=[table.c.account, table.c.stream], set_=values)
    )
