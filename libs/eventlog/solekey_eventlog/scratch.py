"""A scratch database: more rows than memory should hold, for as long as one command works on them."""

import sqlite3
from collections.abc import Sequence


def open_scratch(schema: Sequence[str], *, cache_kib: int) -> sqlite3.Connection:
    """Open an empty one in a temporary file without a name, which is gone when it is closed.

    Args:
        schema: the statements that make its tables.
        cache_kib: how much of it stays in memory.
    """
    database = sqlite3.connect("", isolation_level=None)
    database.execute(f"PRAGMA cache_size = -{cache_kib}")
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    for statement in schema:
        database.execute(statement)
    return database
