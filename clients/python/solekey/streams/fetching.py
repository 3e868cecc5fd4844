"""Fetches records of a stream from the service that writes it: bytes, of which nothing is verified yet."""

from typing import Final

from solekey.connection.connection import Connection
from solekey.connection.transport import MAX_EVENTS_ANSWER_BYTES
from solekey_protocol.events import Stream
from solekey_protocol.services import WRITERS

PAGE_EVENTS: Final = 500


def fetch_records(
    connection: Connection, stream: Stream, after: int, *, limit: int = PAGE_EVENTS, positions: bool = True
) -> list[bytes]:
    """Fetch the records that follow a place.

    Args:
        connection: the account's.
        stream: which stream.
        after: the seq of the record before the first.
        limit: how many at most.
        positions: whether the service is to wait for what this client knows.
    """
    answer = connection.call(
        WRITERS[stream],
        "GET",
        "events",
        params={"after": after, "limit": limit},
        max_bytes=MAX_EVENTS_ANSWER_BYTES,
        positions=positions,
    )
    return [line for line in answer.body.split(b"\n") if line]
