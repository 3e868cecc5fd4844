"""Reading the tables of a verified log. Spec: audit.md §2.4."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from solekey.audit.sources.errors import LogError
from solekey.audit.tables.columns import EVENT_TABLES
from solekey.files.any_path import AnyPath

if TYPE_CHECKING:
    import pandas as pd

_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "memory_limit": "1GB",
    "enable_external_access": "false",
}
"""A query reads this file and nothing else, and no more of it at a time than fits."""


class Tables:
    """The tables that ``verify_log(…, tables=path)`` has written. A context manager.

    Every method returns a pandas table. Rows that do not verify, or that stand where a log holds two
    histories, are no facts: they are left out unless they are asked for, and then ``verified`` is false and
    ``cause`` names the check. Columns of time are in UTC.

    Args:
        path: the file.

    Raises:
        LogError: it is no file of tables.
    """

    def __init__(self, path: AnyPath) -> None:
        import duckdb  # needs the extra `audit`

        try:
            self._database = duckdb.connect(str(Path(path)), read_only=True, config=_SETTINGS)
        except duckdb.Error as error:
            raise LogError(f"{path}: no tables of an audit: {error}") from error

    def events(self, **choice: Any) -> "pd.DataFrame":
        """One row an event, in order of time: place, stream, type, signing device, size and digest."""
        return self._read("events", **choice)

    def wraps(self, **choice: Any) -> "pd.DataFrame":
        """One row a key-wrap version: secret, epoch, version, user key id, retired when (NaT: live)."""
        return self._read("wraps", **choice)

    def devices(self, **choice: Any) -> "pd.DataFrame":
        """One row a device: platform, status, and the seq at which it was enrolled, trusted and revoked."""
        return self._read("devices", **choice)

    def revocations(self, **choice: Any) -> "pd.DataFrame":
        """One row a revocation of a device or end of a session."""
        return self._read("revocations", **choice)

    def commits(self, **choice: Any) -> "pd.DataFrame":
        """One row a commit: number, kind, epoch, items, ciphertext bytes, signing device."""
        return self._read("commits", **choice)

    def rotations(self, **choice: Any) -> "pd.DataFrame":
        """One row a rotation event: which saga, which step."""
        return self._read("rotations", **choice)

    def rotations_due(self, **choice: Any) -> "pd.DataFrame":
        """One row a rotation that was stated to be due: kind, since when, why, and whether it is enforced."""
        return self._read("rotations_due", **choice)

    def sessions(self, **choice: Any) -> "pd.DataFrame":
        """One row a session: device, factor, until when, ended when and why (NaT: not ended)."""
        return self._read("sessions", **choice)

    def accounts(self, **choice: Any) -> "pd.DataFrame":
        """One row an account: what vouches for it, its heads, its devices, wraps, commits and findings."""
        return self._read("accounts", **choice)

    def fields(self) -> "pd.DataFrame":
        """One row a field that any event of the log carries: its path, how often, and its longest value."""
        return self._read("fields")

    def findings(self, **choice: Any) -> "pd.DataFrame":
        """One row a finding or notice: check, code, and the event at fault."""
        return self._read("findings", **choice)

    def coverage(self) -> "pd.DataFrame":
        """One row a check: what it looked at, and what came of it."""
        return self._read("coverage")

    def about(self) -> dict[str, str]:
        """The verdict, and what exactly was looked at."""
        rows = self._database.execute("SELECT name, value FROM about").fetchall()
        return {str(name): str(value) for name, value in rows}

    def query(self, sql: str, parameters: Sequence[object] = ()) -> "pd.DataFrame":
        """Ask in SQL (DuckDB's); the tables are named as the methods are. Nothing can be changed.

        Unverified rows are there, too: ``WHERE verified``.
        """
        return _in_utc(self._database.execute(sql, list(parameters)).df())

    def _read(
        self,
        table: str,
        *,
        accounts: Sequence[str] | None = None,
        limit: int | None = None,
        unverified: bool = False,
    ) -> "pd.DataFrame":
        """Read a table.

        Args:
            table: its name.
            accounts: of these accounts only.
            limit: so many rows at most.
            unverified: also rows that are no facts.
        """
        where, parameters = [], []
        if accounts is not None:
            where.append("account IN (SELECT unnest(?))")
            parameters.append(list(map(str, accounts)))
        if table in EVENT_TABLES and not unverified:
            where.append("verified")
        sql = f"SELECT * FROM {table}" + (f" WHERE {' AND '.join(where)}" if where else "")  # noqa: S608  # our names
        if limit is not None:
            sql += f" LIMIT {int(limit)}"
        return self.query(sql, parameters)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _in_utc(frame: "pd.DataFrame") -> "pd.DataFrame":
    for column in frame.columns[[kind.kind == "M" for kind in frame.dtypes]]:
        frame[column] = frame[column].dt.tz_localize("UTC")
    return frame
