"""The event log's error tree. Each error has a stable snake_case ``code``; none knows HTTP.

::

    EventLogError                   event_log_error
    ├── StalePositionError          stale_position       an append that does not continue its stream
    ├── UnavailableError            unavailable          what is needed does not answer; nothing was changed
    │   ├── NotYetAppliedError      not_yet_applied      positions or events that are on their way
    │   ├── TrustStaleError         trust_stale          a feed that trust depends on is silent
    │   └── AccountParkedError      account_parked       an event of the account could not be applied
    ├── ConfigError                 configuration        a setting cannot work: a person must change it
    ├── LogFaultError               log_fault            log and database do not hold the same any more
    └── BusError                    bus_error            bus/errors.py
        ├── BusUnavailableError     bus_unavailable      not confirmed in the time allowed: try again later
        ├── BusConfigurationError   bus_configuration    a setting is wrong: a person must change it
        └── PartitionLostError      bus_partition_lost   another member of the group owns the partition now

``solekey_service.refusals`` says how those that a request can meet are answered.
"""

from collections.abc import Mapping
from typing import ClassVar

from solekey_protocol.encoding import Json
from solekey_protocol.events.fields import encode_body
from solekey_protocol.statements import Head


class EventLogError(Exception):
    """Base of everything that the event log raises. ``str(error)`` tells no secret.

    Attributes:
        extras: what a program needs besides the code, such as the head that a position was compared with.
        retry_after_s: when the same may succeed; None if nobody can say, or never.
    """

    code: ClassVar[str] = "event_log_error"

    def __init__(
        self, detail: str = "", *, extras: Mapping[str, Json] | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.extras: Mapping[str, Json] = extras or {}
        self.retry_after_s = retry_after_s


class StalePositionError(EventLogError):
    """What was to be appended does not continue the head of its stream."""

    code = "stale_position"

    def __init__(self, head: Head, detail: str = "") -> None:
        text = detail or f"the head is seq {head.seq}; read the events after yours, and say it again"
        super().__init__(text, extras={"head": encode_body(head)})
        self.head = head


class UnavailableError(EventLogError):
    """Something that is needed does not answer now; nothing was changed, and the same may succeed later."""

    code = "unavailable"

    def __init__(self, detail: str = "", *, retry_after_s: int = 1) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)


class NotYetAppliedError(UnavailableError):
    """Something that is needed is on its way to this service."""

    code = "not_yet_applied"


class TrustStaleError(UnavailableError):
    """A feed that trust depends on has been silent for too long (promise P4)."""

    code = "trust_stale"


class AccountParkedError(UnavailableError):
    """An event of the account could not be applied; until it can, nothing is decided about the account."""

    code = "account_parked"


class LogFaultError(EventLogError):
    """The log went back or is another one, or the database did; the message says what is missing where."""

    code = "log_fault"


class ConfigError(EventLogError):
    """The configuration cannot work; ``problems`` lists all that is wrong, without any secret."""

    code = "configuration"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("configuration: " + "; ".join(problems))
        self.problems = problems
