"""The process that reads long change lists: ``python -m solekey_vault.long_lists FD``. See change_lists.py.

Functions, by number: 0 ``parse_rows``: a change list → its rows.
"""

import marshal

from solekey_protocol.change_list import Change, parse_change_list
from solekey_service.worker_process import serve

PARSE_ROWS = 0


def parse_rows(encoded: bytes) -> bytes:
    """Parse a change list into rows of plain values, marshalled. Raises MalformedError."""
    changes = parse_change_list(encoded)
    return marshal.dumps([_encode_row(change) for change in changes])


def _encode_row(change: Change) -> tuple[object, ...]:
    parts = [(str(part.digest), part.size) for part in change.parts]
    header = None if change.header is None else str(change.header)
    return str(change.item), change.version, change.epoch, header, parts


if __name__ == "__main__":
    serve([parse_rows])
