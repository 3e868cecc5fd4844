"""Who is told of each event as it passes through a service, such as a tracer. Never a part of the work."""

from datetime import datetime
from typing import Protocol

from solekey_eventlog.log_context import Facts
from solekey_protocol.event import Event
from solekey_protocol.ids import Digest


class EventObserver(Protocol):
    """Is told once what it is told is durable. Neither raises nor waits.

    ``began`` is when that work on the event began; it has just ended.
    """

    def note_appended(self, event: Event, began: datetime, facts: Facts) -> None:
        """Take note of an own event, and of the request or event that it was appended for."""
        ...

    def note_published(self, place: str, digest: Digest, began: datetime) -> None:
        """Take note of an own event (ACCOUNT/STREAM/SEQ) that the bus has; appended at ``began``."""
        ...

    def note_applied(self, event: Event, began: datetime) -> None:
        """Take note of a foreign event that was verified, kept and reacted to."""
        ...
