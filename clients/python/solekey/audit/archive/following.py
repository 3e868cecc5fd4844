"""A log as far as it is new: what an archive holds is not read again. Spec: audit.md §2.6."""

from collections.abc import Iterable, Iterator

from solekey.audit.archive.errors import ArchiveContinuesError
from solekey.audit.archive.verdict import Point, describe_bus
from solekey.audit.sources.log import Extent, Log, Ranges, Record
from solekey_protocol.ids import compute_digest


def follow(log: Log | Iterable[bytes], point: Point) -> Iterator[Record]:
    """Yield the records of a log that an archive does not hold.

    A bundle holds nothing else. A bus is read from where the archive ends, once it was seen that it still
    holds the last record of each partition; that it holds those before, only the whole log shows.

    Args:
        log: bundles that continue the archive's last one, a bus, or records of which nothing more is known.
        point: up to where the archive goes.

    Raises:
        ArchiveContinuesError: it does not continue what the archive holds.
    """
    if isinstance(log, Iterable):
        yield from map(Record, log)
        return
    if point.bus != describe_bus(log.bus):
        raise ArchiveContinuesError(f"{log.name} is of another bus, or has other partitions than the archive")
    if log.bundles or log.bus is None:
        yield from log.records()
        return
    verify_last(log, point)
    extents = log.bus.ranges()
    yield from log.records(
        {place: Extent(point.ends.get(place, extent.start), extent.end) for place, extent in extents.items()}
    )


def verify_last(log: Log, point: Point) -> None:
    """Verify that a bus still holds the last record of each partition that an archive has of it.

    Raises:
        ArchiveContinuesError: it does not.
    """
    kept = point.ranges
    extents = log.bus.ranges() if log.bus is not None else {}
    wanted: Ranges = {
        place: Extent(each.last, min(each.last + 1, extents[place].end))
        for each in kept
        if (place := (each.topic, each.partition)) in extents
    }
    found = {
        (each.place.topic, each.place.partition): compute_digest(each.raw or b"")
        for each in log.records(wanted)
        if each.place is not None
    }
    for each in kept:
        if found.get((each.topic, each.partition)) != each.digest:
            raise ArchiveContinuesError(
                f"{each.topic}-{each.partition}@{each.last}: {log.name} no longer holds the record that was "
                "verified here: it was cut, or written again"
            )
