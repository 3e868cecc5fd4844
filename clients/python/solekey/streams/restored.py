"""What a server declares about having been restored from a backup. Spec: hostile-server.md §2.2.

A declaration is the server's word: it excuses nothing, and nothing is believed for it. It tells the user
which of two stories to look into, and is kept as evidence: who restored nothing has lied in writing.
"""

import logging
from collections.abc import Sequence
from datetime import datetime

from solekey.connection.connection import Connection
from solekey.errors import SolekeyError
from solekey_protocol.encoding import Json
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.ids import Timestamp
from solekey_protocol.services import WRITERS

_log = logging.getLogger(__name__)
_MAX_DECLARED = 10

Restored = tuple[Timestamp, Timestamp]
"""As of when, and when."""


def find_declared(connection: Connection, stream: Stream) -> Sequence[Restored]:
    """Ask the service that writes a stream what it declares; nothing where it gives no usable answer."""
    try:
        answer = connection.call(WRITERS[stream], "GET", "health", positions=False).json()
        return [_parse(each) for each in _expect_list(answer.get("restored"))]
    except (SolekeyError, MalformedError, ValueError) as error:
        _log.info("%s: nothing is declared: %s", stream, type(error).__name__)
        return []


def describe(declared: Sequence[Restored], newest: datetime | None) -> str:
    """Say which restoration would explain that records up to ``newest`` are lost; nothing if none would."""
    for as_of, at in reversed(declared):
        if newest is not None and as_of.datetime < newest:
            return (
                f"; the server declares that its operator restored it on {at} from a backup of {as_of}, "
                "and this device has seen later records. That is its word: ask the operator, by another way, "
                "whether it is so"
            )
    return ""


def _expect_list(value: Json) -> list[Json]:
    if not isinstance(value, list) or len(value) > _MAX_DECLARED:
        raise MalformedError("no list of restorations")
    return value


def _parse(value: Json) -> Restored:
    if not isinstance(value, dict) or set(value) != {"as_of", "at"}:
        raise MalformedError("no restoration")
    return Timestamp(str(value["as_of"])), Timestamp(str(value["at"]))
