"""Whether the topics still keep what they are given, looked at while a service runs. Spec: events.md §8.

A service refuses to start on topics whose settings would lose or reorder events. Where they are changed
later, nothing is lost at that moment, so nothing is refused: whoever runs the broker is told, and has time.
"""

import logging
from collections.abc import Callable

from solekey_eventlog.bus import BusConfigurationError, BusError
from solekey_protocol.services import Service

_log = logging.getLogger(__name__)


class TopicWatch:
    """Reports each change of the topics' settings once."""

    def __init__(self, service: Service, check: Callable[[], None]) -> None:
        self._service = service
        self._check = check
        self._faults: str | None = None

    def look(self) -> None:
        """Compare the topics with what the configuration expects of them."""
        try:
            self._check()
            faults = None
        except BusConfigurationError as error:
            faults = str(error)
        except BusError:
            return  # a silent bus is noticed elsewhere
        if faults == self._faults:
            return
        self._faults = faults
        if faults is None:
            _log.warning("%s: the topics are set up as expected again", self._service)
            return
        for fault in faults.splitlines():
            _log.error("%s: changed while running, events may be lost: %s", self._service, fault)
