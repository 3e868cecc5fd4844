"""How far many streams go, and which of their accounts wait: one query, whatever is asked for."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Select, String, bindparam, cast, literal, null, select, union_all

from solekey_eventlog.tables import EventTables
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Digest
from solekey_protocol.statements import EMPTY_HEAD, Head

Place = tuple[AccountId, Stream]

_SHAPES: Final = 256


def read_heads(
    connection: Connection, tables: EventTables, own: Stream, places: Sequence[Place]
) -> tuple[dict[Place, Head], set[AccountId]]:
    """Read how far streams go (EMPTY_HEAD: nothing is known), and of which accounts an event waits."""
    query = _build_query(tables, own, tuple(stream for _, stream in places))
    rows = connection.execute(query, {f"account_{n}": account for n, (account, _) in enumerate(places)}).all()
    heads = dict.fromkeys(places, EMPTY_HEAD)
    for row in rows:
        if row.stream is not None:
            heads[AccountId(row.account), Stream(row.stream)] = Head(row.seq, Digest(row.digest))
    return heads, {AccountId(row.account) for row in rows if row.stream is None}


@lru_cache(_SHAPES)
def _build_query(tables: EventTables, own: Stream, streams: tuple[Stream, ...]) -> Any:
    """Build the query for places of these streams: SQLAlchemy takes longer for that than to run it."""
    parts = [_select_head(tables, own, stream, n) for n, stream in enumerate(streams)]
    parked = tables.parked.c
    waiting = select(
        parked.account,
        cast(null(), String).label("stream"),
        literal(0).label("seq"),
        literal("").label("digest"),
    ).where(parked.account.in_([bindparam(f"account_{n}", type_=String) for n in range(len(streams))]))
    return union_all(*parts, waiting)


def _select_head(tables: EventTables, own: Stream, stream: Stream, n: int) -> Select[Any]:
    table = tables.events if stream is own else tables.inbox
    found = select(table.c.account, table.c.seq, table.c.digest).where(
        table.c.account == bindparam(f"account_{n}", type_=String)
    )
    if stream is not own:
        found = found.where(table.c.stream == stream.value)
    last = found.order_by(table.c.seq.desc()).limit(1).subquery()
    return select(last.c.account, literal(stream.value).label("stream"), last.c.seq, last.c.digest)
