"""Spans of time, of which one asks whether a moment is in them."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

FOREVER: Final = datetime.max.replace(tzinfo=UTC)
"""The end of a span that has not ended."""
NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""Before every moment."""


def shift(moment: datetime, by: timedelta) -> datetime:
    """Shift a moment; one that would leave the calendar stays at its end: a log may hold any year."""
    if by >= timedelta(0):
        return moment + by if by <= FOREVER - moment else FOREVER
    return moment + by if -by <= moment - NEVER else NEVER


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans of time, joined where they overlap, so that one look finds whether a moment is in one."""

    starts: Sequence[datetime]
    ends: Sequence[datetime]

    @classmethod
    def join(cls, spans: Iterable[tuple[datetime, datetime]]) -> Self:
        """Join spans (from, to), in any order."""
        starts: list[datetime] = []
        ends: list[datetime] = []
        for start, end in sorted(spans):
            if ends and start <= ends[-1]:
                ends[-1] = max(ends[-1], end)
            else:
                starts.append(start)
                ends.append(end)
        return cls(starts, ends)

    def cover(self, moment: datetime) -> bool:
        """Whether a moment is in one of the spans."""
        place = bisect_right(self.starts, moment) - 1
        return place >= 0 and moment <= self.ends[place]

    def meet(self, since: datetime, until: datetime) -> bool:
        """Whether one of the spans has a moment in common with another span."""
        place = bisect_right(self.starts, until) - 1
        return place >= 0 and since <= self.ends[place]

    def find_loss(self, others: Self) -> datetime | None:
        """Find the first moment that other spans cover and these do not; None where they cover all of it."""
        for start, end in zip(others.starts, others.ends, strict=True):
            place = bisect_right(self.starts, start) - 1
            covered = self.ends[place] if place >= 0 else NEVER
            if covered < end:
                return max(start, covered)
        return None
