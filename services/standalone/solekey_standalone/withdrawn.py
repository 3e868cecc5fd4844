"""What an earlier restoration withdrew, kept by the next one. Spec: events.md §8.2.

The first restoration had a newer log to read; the next one finds the log that was made then, which knows
nothing of it any more. The rows of auth's database do.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

_KEEP: Final = (
    "INSERT OR IGNORE INTO main.barred_devices SELECT account, device FROM before.barred_devices",
    # An account of then without any code; only of a database that was restored itself.
    (
        "DELETE FROM main.recovery_codes WHERE account IN (SELECT account FROM before.credentials)"
        " AND account NOT IN (SELECT account FROM before.recovery_codes)"
        " AND EXISTS (SELECT 1 FROM before.foundations WHERE name LIKE 'restored:%')"
    ),
)


def keep_withdrawn(before: Path, restored: Path) -> None:
    """Withdraw in auth's restored database what the one of before, itself a restored one, has withdrawn.

    Raises:
        sqlite3.Error: the database of before cannot be read; nothing was changed.
    """
    with closing(sqlite3.connect(restored)) as database:
        database.execute("ATTACH DATABASE ? AS before", (str(before),))
        with database:
            for statement in _KEEP:
                database.execute(statement)
