"""One transfer of a file at a time, also across the processes of one profile; no waiting."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from solekey.errors import TransferBusyError
from solekey.files.locks import LockHeldError, hold_lock


@contextmanager
def hold_transfer(path: Path) -> Iterator[None]:
    """Hold the lock of one transfer. Raises TransferBusyError: somebody else holds it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(path, wait=False))
        except LockHeldError as error:
            raise TransferBusyError("another program transfers the same file right now") from error
        yield
