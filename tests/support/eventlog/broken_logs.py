"""What becomes of a log: its end is lost in a power failure, it is restored older, its disk is lost."""

import sqlite3
from contextlib import closing
from pathlib import Path

from solekey_eventlog.bus import Bus, BusConfig
from solekey_eventlog.bus.embedded import EmbeddedBus
from solekey_eventlog.bus.topics import derive_topics


def cut_tail(path: Path, topic: str, records: int) -> int:
    """Cut the last records off the partition of a topic that has the most; return which partition.

    Kafka does so when it loses power: it acknowledges before it has written to its disk.
    """
    with closing(sqlite3.connect(path)) as db, db:
        partition, end = db.execute(
            'SELECT "partition", next_offset FROM partition_ends WHERE topic = ? ORDER BY 2 DESC', (topic,)
        ).fetchone()
        place = (topic, partition, end - records)
        db.execute('DELETE FROM records WHERE topic = ? AND "partition" = ? AND "offset" >= ?', place)
        db.execute(
            'UPDATE partition_ends SET next_offset = ? WHERE topic = ? AND "partition" = ?',
            (end - records, topic, partition),
        )
    return int(partition)


def open_empty(path: Path, partitions: int) -> Bus:
    """Open another log: topics of the same names with other ids, and without a record."""
    bus = EmbeddedBus(path, BusConfig(f"embedded://{path}"))
    bus.create_topics(derive_topics(partitions=partitions))
    return bus


def read_values(bus: Bus, topic: str) -> list[tuple[str, bytes]]:
    """Read key and value of every record."""
    return [(record.key, record.value) for record in bus.read(topic)]
