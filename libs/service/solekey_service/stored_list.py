"""What a service has stored, as JSON of one value a line, for an auditor. Spec: audit-bundle.md §7."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, tuple_

from solekey_eventlog.store import EventStore
from solekey_protocol.ids import Timestamp
from solekey_protocol.services import Stream

FORMAT: Final = "solekey-stored/v1"
_PAGE_ROWS: Final = 500

Row = Mapping[str, Any]


def list_events(store: EventStore, stream: Stream) -> Iterator[Row]:
    """Yield a row for each event of a service's own table; its digest is that of the bytes that lie there."""
    events, last = store.tables.events, ("", 0)
    while True:
        query = (
            select(events.c.account, events.c.seq, events.c.raw)
            .where(tuple_(events.c.account, events.c.seq) > last)
            .order_by(events.c.account, events.c.seq)
            .limit(_PAGE_ROWS)
        )
        with store.read() as uow:
            rows = uow.connection.execute(query).all()
        for row in rows:
            digest = hashlib.sha256(bytes(row.raw)).hexdigest()
            yield {
                "kind": "event",
                "account": row.account,
                "stream": stream.value,
                "seq": row.seq,
                "digest": digest,
            }
        if len(rows) < _PAGE_ROWS:
            return
        last = (rows[-1].account, rows[-1].seq)


def encode_list(service: str, now: datetime, rows: Iterator[Row]) -> Iterator[str]:
    """Encode a list, a line each: its head, its rows, its end."""
    made_at = Timestamp.from_datetime(now)
    yield _encode({"kind": "list", "format": FORMAT, "service": service, "made_at": made_at})
    count = 0
    for row in rows:
        count += 1
        yield _encode(row)
    yield _encode({"kind": "end", "rows": count})


def _encode(row: Row) -> str:
    return json.dumps(row, sort_keys=True, separators=(",", ":"))
