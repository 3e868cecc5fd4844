"""What a record claims to be, read leniently: so that a finding can name a record that is no event."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId, Timestamp
from solekey_protocol.limits import MAX_EVENT_BYTES
from solekey_protocol.services import Stream

_STREAMS: Final = frozenset(stream.value for stream in Stream)
_TAIL_BYTES: Final = 320
_TAIL: Final = re.compile(
    rb',"seq":([1-9][0-9]{0,9}),"source":"[a-z/]+","specversion":"1\.0","stream":"([a-z]+)",'
    rb'"subject":"([a-z0-9_]+)","time":"([0-9TZ.:-]+)","type":"[a-z0-9_.]+"\}\Z'
)
"""How every canonical record ends: a tenth of the time that parsing it takes."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The place that a record claims. Nothing of it is verified; what cannot be read is None.

    Attributes:
        account: whose event it is.
        stream: in which stream.
        seq: at which place.
        time_ms: when it was written, in milliseconds since 1970.
    """

    account: AccountId | None = None
    stream: Stream | None = None
    seq: int | None = None
    time_ms: int | None = None

    @classmethod
    def parse(cls, raw: bytes | None) -> "Claims":
        """Read what a record claims; of bytes that are no event, nothing."""
        if raw and (tail := _TAIL.search(raw, max(0, len(raw) - _TAIL_BYTES))):
            seq, stream, account, time = (value.decode() for value in tail.groups())
            return cls(_parse_account(account), _parse_stream(stream), int(seq), _parse_time_ms(time))
        document: Any = None
        if raw and len(raw) <= MAX_EVENT_BYTES:
            with suppress(ValueError, RecursionError):
                document = json.loads(raw)
        if not isinstance(document, dict):
            return cls()
        seq = document.get("seq")
        is_place = isinstance(seq, int) and not isinstance(seq, bool) and 0 < seq < 2**53
        return cls(
            _parse_account(document.get("subject")),
            _parse_stream(document.get("stream")),
            seq if is_place else None,
            _parse_time_ms(document.get("time")),
        )


def _parse_account(value: object) -> AccountId | None:
    try:
        return AccountId(value) if isinstance(value, str) else None
    except MalformedError:
        return None


def _parse_stream(value: object) -> Stream | None:
    return Stream(value) if isinstance(value, str) and value in _STREAMS else None


def _parse_time_ms(value: object) -> int | None:
    try:
        return int(Timestamp(value).datetime.timestamp() * 1000) if isinstance(value, str) else None
    except MalformedError:
        return None


def to_ms(moment: datetime) -> int:
    """Turn a moment into milliseconds since 1970, as the bus counts."""
    return int(moment.timestamp() * 1000)
