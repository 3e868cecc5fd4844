"""How far each partition was read or written without a hole: rows of ``applied`` and ``published``."""

from collections.abc import Mapping

from sqlalchemy import Connection, Table, insert, select, update


def read_offsets(connection: Connection, table: Table, topic: str) -> Mapping[int, int]:
    """Return the next offset of each partition that has one."""
    rows = connection.execute(select(table.c.partition, table.c.next_offset).where(table.c.topic == topic))
    return {row.partition: row.next_offset for row in rows}


def advance_offset(
    connection: Connection, table: Table, topic: str, partition: int, next_offset: int
) -> None:
    """Move a partition's offset forward; never back."""
    place = (table.c.topic == topic, table.c.partition == partition)
    known = connection.execute(select(table.c.next_offset).where(*place)).scalar()
    if known is None:
        row = {"topic": topic, "partition": partition, "next_offset": next_offset}
        connection.execute(insert(table).values(row))
    elif known < next_offset:
        connection.execute(update(table).where(*place).values(next_offset=next_offset))
