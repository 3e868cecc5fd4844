"""The named points of a service: where it dies. For programs that have patched threads, before all else."""

from collections.abc import Collection
from pathlib import Path

from solekey_eventlog.projector import Projector
from solekey_eventlog.publisher import Publisher
from solekey_eventlog.store import EventStore
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_service.statement_flow import StatementFlow
from solekey_vault.object_repository import ObjectRepository
from tests.system.killing.points import Points

WHERE = (
    (StatementFlow, "_take", "taking a statement"),
    (UnitOfWork, "append", "appending an event"),
    (Publisher, "_select_page", "selecting what is unpublished"),
    (Publisher, "_mark", "marking what was published"),
    (Projector, "apply", "applying an event"),
    (ObjectRepository, "put", "keeping an object"),
    (ObjectRepository, "_note_orphans", "noting a blob"),
    (ObjectRepository, "claim", "claiming an object"),
)
POLLED = "selecting what is unpublished"
"""What a service passes all the time, also while nobody asks it for anything."""


def make_points(folder: Path, but: Collection[str] = ()) -> None:
    """Make this process die at the points, as the files in a folder say; not at those that are named."""
    armed = folder / "arm"

    def read() -> int | None:
        try:
            return int(armed.read_text())
        except (FileNotFoundError, ValueError):
            return None

    points = Points(read, folder / "died")
    for owner, method, name in WHERE:
        if name not in but:
            points.around(owner, method, name)
    points.around_block(EventStore, "begin", "committing a transaction")
