"""Counts what an engine is sent: statements, and how transactions end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event


@dataclass
class Traffic:
    """The statements that an engine was sent, and how its transactions ended."""

    statements: list[str] = field(default_factory=list)
    begun: int = 0
    committed: int = 0

    @property
    def queries(self) -> list[str]:
        """The statements, without SQLite's own BEGIN."""
        return [statement for statement in self.statements if not statement.startswith("BEGIN")]

    @property
    def verbs(self) -> list[str]:
        """The first word of each."""
        return [statement.split()[0] for statement in self.queries]


@contextmanager
def recording(engine: Engine) -> Iterator[Traffic]:
    """Record what an engine is sent within the block."""
    traffic = Traffic()

    def execute(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        traffic.statements.append(statement)

    def begin(_: Any) -> None:
        traffic.begun += 1

    def commit(_: Any) -> None:
        traffic.committed += 1

    listeners = {"before_cursor_execute": execute, "begin": begin, "commit": commit}
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    try:
        yield traffic
    finally:
        for name, listener in listeners.items():
            event.remove(engine, name, listener)
