"""Signs of life that do not depend on the requests: ``python -m solekey_eventlog.heartbeats FD``.

A process beside the services of a runner says once a second how far each of them has published. So a loop
that is held up for a while makes nobody else refuse (promise P4's other side), and what it says is as true as
the publisher's own: everything that was appended before the moment is on the bus, or no heartbeat is sent.
Decision: docs/decisions/0045.

*Wire format.* A socket pair. The parent sends one line of JSON, ``{"log_format", "sources"}`` with a list of
services ``{"stream", "database_url", "bus_url", "bus_password", "client_id"}``, and closes its end when it
ends.
"""

import json
import logging
import select
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import MetaData

from solekey_eventlog.bus import BusError, open_bus
from solekey_eventlog.bus.config import BusConfig
from solekey_eventlog.bus.interface import Bus
from solekey_eventlog.child_process import ChildProcess, open_parent
from solekey_eventlog.clock import SystemClock
from solekey_eventlog.engine import open_engine
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.log_lines import LogFormat, make_formatter
from solekey_eventlog.publisher import INTERVAL_S, Publisher
from solekey_eventlog.secret import Secret
from solekey_eventlog.store import EventStore
from solekey_eventlog.tables import define_event_tables
from solekey_eventlog.trouble import Trouble
from solekey_protocol.events import Stream

_log = logging.getLogger(__name__)
_MAX_LINE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class HeartbeatSource:
    """A service whose signs of life the process gives: its stream, its database, and the bus they go to."""

    stream: Stream
    database_url: Secret
    bus: BusConfig


class HeartbeatProcess:
    """The process, as its parent sees it."""

    def __init__(self, sources: Sequence[HeartbeatSource], log_format: LogFormat = LogFormat.TEXT) -> None:
        told = {"log_format": log_format.value, "sources": [_describe(source) for source in sources]}
        self._told = json.dumps(told).encode() + b"\n"
        self._child = ChildProcess(__name__)

    def keep_running(self) -> None:
        """Start it, or start it anew when it has ended."""
        if not self._child.is_running:
            self._child.start().sendall(self._told)

    def stop(self) -> None:
        """End it."""
        self._child.end()


def run(connection: socket.socket) -> None:
    """Publish heartbeats until the parent closes its end."""
    told = json.loads(connection.makefile("rb").readline(_MAX_LINE_BYTES))
    _set_up_logging(LogFormat(told["log_format"]))
    sources = told["sources"]
    trouble = Trouble(_log, "no heartbeats, trying again", level=logging.WARNING)
    while not _has_ended(connection, 0):
        try:
            with ExitStack() as stack:
                publishers = [
                    Publisher(_open_store(source), stack.enter_context(_open_bus(source)))
                    for source in sources
                ]
                while not _has_ended(connection, INTERVAL_S):
                    for publisher in publishers:
                        publisher.publish_heartbeat_if_idle()
                    trouble.end()
        except (BusError, UnavailableError) as error:
            trouble.meet(error)
            _has_ended(connection, INTERVAL_S)


def _describe(source: HeartbeatSource) -> dict[str, str | None]:
    return {
        "stream": source.stream.value,
        "database_url": source.database_url.reveal(),
        "bus_url": source.bus.url,
        "bus_password": source.bus.password,
        "client_id": source.bus.client_id,
    }


def _open_store(source: dict[str, Any]) -> EventStore:
    tables = define_event_tables(MetaData())
    return EventStore(
        open_engine(Secret(source["database_url"])), Stream(source["stream"]), tables, SystemClock()
    )


def _open_bus(source: dict[str, Any]) -> Bus:
    return open_bus(
        BusConfig(source["bus_url"], password=source["bus_password"], client_id=source["client_id"])
    )


def _set_up_logging(log_format: LogFormat) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(make_formatter(log_format))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    library = logging.getLogger("kafka")  # heard by our adapter, which names the cause; many lines a second
    library.addHandler(logging.NullHandler())
    library.propagate = False


def _has_ended(connection: socket.socket, wait_s: float) -> bool:
    readable, _, _ = select.select([connection], [], [], wait_s)
    return bool(readable) and not connection.recv(1)


if __name__ == "__main__":
    with open_parent() as parent:
        run(parent)
