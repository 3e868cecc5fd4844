"""How far each partition was read or written without a hole: rows of ``applied`` and ``published``.

A row also keeps the digest of the record before its offset, its *tail*: a log that was cut and has grown
again has another record there. Spec: events.md §8.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Table, delete, insert, select

from solekey_eventlog.engine import upsert
from solekey_protocol.ids import Digest


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a partition was read or written.

    Attributes:
        next_offset: the offset that comes next.
        tail: the digest of the record before it; None where a release before this one has noted the offset.
    """

    next_offset: int
    tail: Digest | None


def read_offsets(connection: Connection, table: Table, topic: str) -> Mapping[int, int]:
    """Return the next offset of each partition that has one."""
    rows = connection.execute(select(table.c.partition, table.c.next_offset).where(table.c.topic == topic))
    return {row.partition: row.next_offset for row in rows}


def read_reached(connection: Connection, table: Table, topic: str) -> Mapping[int, Reached]:
    """Return how far each partition is that has an offset."""
    columns = (table.c.partition, table.c.next_offset, table.c.tail)
    rows = connection.execute(select(*columns).where(table.c.topic == topic))
    return {
        row.partition: Reached(row.next_offset, None if row.tail is None else Digest(row.tail))
        for row in rows
    }


def read_all_offsets(
    connection: Connection, table: Table, topics: Collection[str]
) -> Mapping[tuple[str, int], int]:
    """Return the next offset of each partition of these topics that has one, by topic and partition."""
    columns = (table.c.topic, table.c.partition, table.c.next_offset)
    rows = connection.execute(select(*columns).where(table.c.topic.in_(sorted(topics))))
    return {(row.topic, row.partition): row.next_offset for row in rows}


def advance_offset(
    connection: Connection, table: Table, topic: str, partition: int, reached: Reached
) -> None:
    """Move a partition's offset forward; never back, also when another process moves it at the same time."""
    advance_offsets(connection, table, {(topic, partition): reached})


def advance_offsets(connection: Connection, table: Table, reached: Mapping[tuple[str, int], Reached]) -> None:
    """Move the offsets of partitions forward, by topic and partition; see `advance_offset`."""
    rows = [
        {"topic": topic, "partition": partition, "next_offset": each.next_offset, "tail": each.tail}
        for (topic, partition), each in sorted(reached.items())  # in one order: none waits for another
    ]
    statement = upsert(connection, table)
    given = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.topic, table.c.partition],
            set_={"next_offset": given.next_offset, "tail": given.tail},
            where=table.c.next_offset < given.next_offset,
        ),
        rows,
    )


def replace_offsets(connection: Connection, table: Table, topic: str, reached: Mapping[int, Reached]) -> None:
    """Set all offsets of a topic to what its log was found to hold, also back: for an operator's commands."""
    connection.execute(delete(table).where(table.c.topic == topic))
    rows = [
        {"topic": topic, "partition": partition, "next_offset": each.next_offset, "tail": each.tail}
        for partition, each in reached.items()
        if each.next_offset
    ]
    if rows:
        connection.execute(insert(table), rows)
