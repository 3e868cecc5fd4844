"""The user names of accounts that were closed: nobody gets one again. Spec: authentication.md §5."""

from datetime import datetime

from sqlalchemy import Connection, exists, insert, select

from solekey_auth.tables import closed_names


class ClosedNameRows:
    """Names, as keyed digests: whoever has the rows alone cannot tell whose they were."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def knows(self, name: str) -> bool:
        """Whether an account of this name (its keyed digest) was closed."""
        return bool(
            self._connection.execute(select(exists().where(closed_names.c.name == name))).scalar_one()
        )

    def put(self, name: str, closed_at: datetime) -> None:
        """Keep the name of an account that is being closed."""
        self._connection.execute(insert(closed_names).values(name=name, closed_at=closed_at))
