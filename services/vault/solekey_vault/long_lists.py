"""The process that reads long change lists: ``python -m solekey_vault.long_lists FD``. See change_lists.py.

Functions, by number: 0 ``parse_rows``: a change list → its rows; 1 ``compare_snapshot``: whether a snapshot
is exactly the live items.
"""

import json
import marshal

from solekey_eventlog.engine import connect_read_only, open_engine
from solekey_eventlog.secret import Secret
from solekey_protocol.change_list import Change, parse_change_list
from solekey_protocol.ids import AccountId
from solekey_service.worker_process import serve
from solekey_vault.items import read_all, read_last_commit

PARSE_ROWS = 0
COMPARE_SNAPSHOT = 1


def parse_rows(encoded: bytes) -> bytes:
    """Parse a change list into rows of plain values, marshalled. Raises MalformedError."""
    changes = parse_change_list(encoded)
    return marshal.dumps([_encode_row(change) for change in changes])


def _encode_row(change: Change) -> tuple[object, ...]:
    parts = [(str(part.digest), part.size) for part in change.parts]
    header = None if change.header is None else str(change.header)
    return str(change.item), change.version, change.epoch, header, parts


def compare_snapshot(argument: bytes) -> bytes:
    """Compare a snapshot with the live items, both as of one moment.

    *Wire format.* One line of JSON ``{"database", "account"}``, then the change list. Answer: JSON
    ``{"commit", "count", "bytes", "differing", "example"}``.

    Raises:
        MalformedError: it is no change list.
    """
    line, _, encoded = argument.partition(b"\n")
    told = json.loads(line)
    account = AccountId(told["account"])
    stated = {change.item: change for change in parse_change_list(encoded)}
    engine = open_engine(Secret(told["database"]))
    try:
        with connect_read_only(engine) as connection, connection.begin():
            commit = read_last_commit(connection, account)
            live = read_all(connection, account)
    finally:
        engine.dispose()
    differing = [item for item in live.keys() | stated.keys() if live.get(item) != stated.get(item)]
    size = sum(change.size for change in stated.values())
    answer = {"commit": commit, "count": len(stated), "bytes": size, "differing": len(differing)}
    return json.dumps({**answer, "example": min(differing, default=None)}).encode()


if __name__ == "__main__":
    serve([parse_rows, compare_snapshot])
