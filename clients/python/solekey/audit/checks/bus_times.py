"""BUS-06: events are published when they are written. Spec: audit.md §3."""

from bisect import bisect_right
from datetime import UTC, datetime
from typing import Final

from solekey.audit.bounds import EARLIEST, Bounds
from solekey.audit.checks.claims import Claims, to_ms
from solekey.audit.report import Tally
from solekey.audit.sources.log import BusPlace, Record

_MINUTE_MS: Final = 60_000


class PublishTimes:
    """Holds when records were published against when they were written, and against each other."""

    def __init__(
        self,
        bounds: Bounds,
        tally: Tally,
        last_ms: dict[tuple[str, int], int],
        minutes: dict[tuple[str, int], list[int]],
    ) -> None:
        self._tally = tally
        self._clocks_ms = int(bounds.clocks.total_seconds() * 1000)
        self._late_ms = int(bounds.publication.total_seconds() * 1000)
        self._earliest_ms = to_ms(EARLIEST)
        self._now_ms = to_ms(bounds.now or datetime.now(UTC))
        self._last_ms = last_ms
        self._minutes = minutes

    def see(self, record: Record, place: BusPlace, claims: Claims, *, is_new: bool) -> None:
        """Look at a record; ``is_new`` says that it is the first copy of its event."""
        published_ms = record.timestamp_ms
        if published_ms is None:
            return
        self._tally.look("BUS-06")
        for code, detail in (
            self._check_alone(published_ms),
            self._check_before(place, published_ms),
            self._check_event(place, published_ms, claims, is_new=is_new),
        ):
            if code:
                where = (claims.account, claims.stream or "?", claims.seq)
                self._tally.find("BUS-06", code, *where, detail, place)
        self._note(place, published_ms)

    def _check_alone(self, published_ms: int) -> tuple[str, str]:
        if self._earliest_ms <= published_ms <= self._now_ms + self._clocks_ms:
            return "", ""
        return "publish_time_impossible", f"published at {_tell(published_ms)}"

    def _check_before(self, place: BusPlace, published_ms: int) -> tuple[str, str]:
        before_ms = self._last_ms.get((place.topic, place.partition), published_ms)
        if published_ms >= before_ms - self._clocks_ms:
            return "", ""
        return "publish_time_backwards", (
            f"published at {_tell(published_ms)}, behind one of {_tell(before_ms)}"
        )

    def _check_event(
        self, place: BusPlace, published_ms: int, claims: Claims, *, is_new: bool
    ) -> tuple[str, str]:
        if claims.time_ms is None:
            return "", ""
        if published_ms < claims.time_ms - self._clocks_ms:
            return "published_before_written", (
                f"published at {_tell(published_ms)}, written at {_tell(claims.time_ms)}"
            )
        # a publisher that was at work meanwhile would have published it: it was not there yet
        minutes = self._minutes.get((place.topic, place.partition), [])
        next_one = bisect_right(minutes, claims.time_ms + self._clocks_ms)
        if is_new and next_one < len(minutes) and minutes[next_one] < published_ms - self._late_ms:
            return "published_late", (
                f"written at {_tell(claims.time_ms)}, published at {_tell(published_ms)}, although others "
                f"were published at {_tell(minutes[next_one])}"
            )
        return "", ""

    def _note(self, place: BusPlace, published_ms: int) -> None:
        log = (place.topic, place.partition)
        self._last_ms[log] = max(self._last_ms.get(log, published_ms), published_ms)
        minutes = self._minutes.setdefault(log, [])
        if not minutes or published_ms >= minutes[-1] + _MINUTE_MS:
            minutes.append(published_ms)


def _tell(ms: int) -> str:
    """Write a moment for a person; a number that is none stays a number."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"
