"""How far many streams go, which of their accounts wait, and whether a proof was used: one query for all.

A few places, as a request asks for, are a query of their own shape. For many, as a batch of records asks for,
PostgreSQL is given arrays; SQLite, to which a query is a function call, is asked account by account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Row,
    Select,
    String,
    bindparam,
    cast,
    exists,
    literal,
    null,
    select,
    text,
    union_all,
)

from solekey_eventlog.tables import EventTables
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Digest
from solekey_protocol.statements import EMPTY_HEAD, Head

Place = tuple[AccountId, Stream]

_SHAPES: Final = 256
_FEW: Final = 8
_NO_HEAD: Final = (cast(null(), String).label("stream"), literal(0).label("seq"), literal("").label("digest"))
_MANY: Final = text(
    """
    SELECT place.account, place.stream, head.seq, head.digest
    FROM unnest(CAST(:accounts AS varchar[]), CAST(:streams AS varchar[])) AS place (account, stream)
    CROSS JOIN LATERAL (
        SELECT seq, digest FROM inbox
        WHERE inbox.account = place.account AND inbox.stream = place.stream ORDER BY seq DESC LIMIT 1
    ) AS head
    UNION ALL
    SELECT own.account, CAST(:own AS varchar), head.seq, head.digest
    FROM unnest(CAST(:owners AS varchar[])) AS own (account)
    CROSS JOIN LATERAL (
        SELECT seq, digest FROM events WHERE events.account = own.account ORDER BY seq DESC LIMIT 1
    ) AS head
    UNION ALL
    SELECT account, NULL, 0, '' FROM parked WHERE account = ANY(CAST(:all AS varchar[]))
    """
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the query has found.

    Attributes:
        heads: how far each stream goes; EMPTY_HEAD where nothing is known of it.
        waiting: the accounts of which an event waits.
        is_used: whether the note of the proof that was asked about is committed.
    """

    heads: dict[Place, Head]
    waiting: set[AccountId]
    is_used: bool


def read_heads(
    connection: Connection,
    tables: EventTables,
    own: Stream,
    places: Sequence[Place],
    proof: Digest | None = None,
) -> Found:
    """Read how far streams go, of which of their accounts an event waits, and whether a proof was used.

    A proof is asked about with a few places only.
    """
    if len(places) <= _FEW:
        rows = _read_few(connection, tables, own, places, proof)
    elif connection.dialect.name == "postgresql":
        rows = _read_many(connection, own, places)
    else:
        accounts = dict.fromkeys(account for account, _ in places)
        mine = ([place for place in places if place[0] == account] for account in accounts)
        rows = [row for each in mine for row in _read_few(connection, tables, own, each)]
    heads, waiting, is_used = dict.fromkeys(places, EMPTY_HEAD), set(), False
    for row in rows:
        if row.stream is not None:
            heads[AccountId(row.account), Stream(row.stream)] = Head(row.seq, Digest(row.digest))
        elif row.account is not None:
            waiting.add(AccountId(row.account))
        else:
            is_used = True
    return Found(heads, waiting, is_used)


def _read_few(
    connection: Connection,
    tables: EventTables,
    own: Stream,
    places: Sequence[Place],
    proof: Digest | None = None,
) -> Sequence[Row[Any]]:
    query = _build_query(tables, own, tuple(stream for _, stream in places), with_proof=proof is not None)
    values: dict[str, str] = {f"account_{n}": account for n, (account, _) in enumerate(places)}
    if proof is not None:
        values["proof"] = proof
    return connection.execute(query, values).all()


def _read_many(connection: Connection, own: Stream, places: Sequence[Place]) -> Sequence[Row[Any]]:
    foreign = [place for place in places if place[1] is not own]
    asked = {
        "accounts": [account for account, _ in foreign],
        "streams": [stream.value for _, stream in foreign],
        "own": own.value,
        "owners": [account for account, stream in places if stream is own],
        "all": list(dict.fromkeys(account for account, _ in places)),
    }
    return connection.execute(_MANY, asked).all()


@lru_cache(_SHAPES)
def _build_query(tables: EventTables, own: Stream, streams: tuple[Stream, ...], *, with_proof: bool) -> Any:
    """Build the query for places of these streams: SQLAlchemy takes longer for that than to run it."""
    parts: list[Any] = [_select_head(tables, own, stream, n) for n, stream in enumerate(streams)]
    accounts = [bindparam(f"account_{n}", type_=String) for n in range(len(streams))]
    parked = tables.parked.c
    parts.append(select(parked.account, *_NO_HEAD).where(parked.account.in_(accounts)))
    if with_proof:
        proof = tables.dpop_proofs.c.proof
        used = select(cast(null(), String).label("account"), *_NO_HEAD)
        parts.append(used.where(exists().where(proof == bindparam("proof", type_=String))))
    return union_all(*parts)


def _select_head(tables: EventTables, own: Stream, stream: Stream, n: int) -> Select[Any]:
    table = tables.events if stream is own else tables.inbox
    found = select(table.c.account, table.c.seq, table.c.digest).where(
        table.c.account == bindparam(f"account_{n}", type_=String)
    )
    if stream is not own:
        found = found.where(table.c.stream == stream.value)
    last = found.order_by(table.c.seq.desc()).limit(1).subquery()
    return select(last.c.account, literal(stream.value).label("stream"), last.c.seq, last.c.digest)
