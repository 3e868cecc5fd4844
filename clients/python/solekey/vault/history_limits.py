"""The operator's limits of a history: what they have deleted is told from what is withheld.

The server states its limits, those of before too. Nothing signs them: they bind the server to what it states.
A version that they do not cover is lost or withheld, whatever the server says. Spec: vault.md §7.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from solekey.connection.connection import Connection
from solekey.errors import BadAnswerError
from solekey_protocol.encoding import Json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Timestamp
from solekey_protocol.limits import MAX_STATED_LIMITS
from solekey_protocol.services import Service

_MAX_NUMBER: Final = 2**31 - 1
_DAY_S: Final = 86_400
_CLOCKS_DIFFER_S: Final = 3600
"""So much later than this device's the server's clock may be."""
_NUMBERS: Final = ("versions", "days", "grace_days")


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """How long the operator keeps replaced versions of live items.

    Attributes:
        since: when these limits came into force.
        versions: how many of an item are kept; 0: no limit.
        days: for how many days each is kept once it is replaced; 0: no limit.
        grace_days: how long what is over a limit can still be read.
    """

    since: datetime
    versions: int
    days: int
    grace_days: int

    def describe(self) -> str:
        """Say in words what the operator keeps."""
        versions = f"{self.versions:,} replaced version{'' if self.versions == 1 else 's'} of an item"
        days = f"for {self.days:,} day{'' if self.days == 1 else 's'}"
        match bool(self.versions), bool(self.days):
            case True, True:
                return f"the operator keeps {versions}, each {days}"
            case True, False:
                return f"the operator keeps {versions}"
            case False, True:
                return f"the operator keeps replaced versions {days}"
        return "the operator keeps every version"


def find_collected(
    stated: Sequence[HistoryLimits], recorded: Sequence[datetime], *, removed: datetime | None, now: datetime
) -> HistoryLimits | None:
    """Find the limits under which the server may have deleted a version; None: it must have it.

    Args:
        stated: the server's limits, the earliest first.
        recorded: when the versions after it were recorded, in their order, without the item's removal.
        removed: when the item was removed: from then on nothing of it is collected.
        now: by this device.
    """
    ends = [limits.since.timestamp() for limits in stated[1:]]
    for number, limits in enumerate(stated):
        over = _find_moment(limits, recorded)
        if over is None:
            continue
        collected = max(over, limits.since.timestamp())
        until = [*ends[number : number + 1], *([removed.timestamp()] if removed else [])]
        grace_days = min(later.grace_days for later in stated[number:])
        deleted = collected + grace_days * _DAY_S
        if all(collected < end for end in until) and deleted <= now.timestamp() + _CLOCKS_DIFFER_S:
            return limits
    return None


def fetch_history_limits(connection: Connection) -> list[HistoryLimits]:
    """Fetch the limits that the server states, the earliest first. Raises BadAnswerError."""
    return parse_history_limits(connection.call_json(Service.VAULT, "GET", "limits"))


def parse_history_limits(answer: Mapping[str, Json]) -> list[HistoryLimits]:
    """Parse the answer that states the limits. Raises BadAnswerError."""
    rows = answer.get("history")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_STATED_LIMITS:
        raise BadAnswerError(f"limits: expected 1 to {MAX_STATED_LIMITS} of a history")
    stated = [_parse_row(row) for row in rows]
    if any(later.since <= before.since for before, later in pairwise(stated)):
        raise BadAnswerError("limits: expected the earliest first")
    return stated


def _find_moment(limits: HistoryLimits, recorded: Sequence[datetime]) -> float | None:
    """Find when, in seconds since 1970, a version came to be over a limit, if it had been in force always."""
    moments = []
    if limits.versions and len(recorded) > limits.versions:
        moments.append(recorded[limits.versions].timestamp())
    if limits.days and recorded:
        moments.append(recorded[0].timestamp() + limits.days * _DAY_S)
    return min(moments, default=None)


def _parse_row(row: Json) -> HistoryLimits:
    if not isinstance(row, Mapping):
        raise BadAnswerError("limits: expected an object")
    numbers = {}
    for name in _NUMBERS:
        number = row.get(name)
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _MAX_NUMBER:
            raise BadAnswerError(f"limits: {name} must be an integer from 0 to {_MAX_NUMBER}")
        numbers[name] = number
    try:
        since = Timestamp(str(row.get("since"))).datetime
    except MalformedError as error:
        raise BadAnswerError(f"limits: since is no moment: {error}") from error
    return HistoryLimits(since, **numbers)
