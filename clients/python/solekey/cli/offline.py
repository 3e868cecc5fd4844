"""Commands that go on without the server: with what this device has verified and keeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from solekey.cli import opening
from solekey.cli.state import Cli

if TYPE_CHECKING:
    from solekey.account.session import Session


@contextmanager
def open_offline(state: Cli) -> "Iterator[Session]":
    """Open the profile, whether there is a session or not. Raises ProfileMissingError."""
    from solekey.account.session import Session
    from solekey.connection.connection import Connection
    from solekey.profile.profile import Profile

    runtime = opening.make_runtime(state)
    with Session(Connection(Profile.open(state.profile, runtime.ask), runtime)) as session:
        yield session


def sync_if_possible(session: "Session") -> str | None:
    """Follow the server if it can be followed; else return why not, in words and with its code."""
    from solekey.errors import EvidenceError, NotLoggedInError, ServerRefusedError, TransportError

    try:
        session.sync()
    except (EvidenceError, NotLoggedInError, ServerRefusedError, TransportError) as error:
        return f"{error} [{error.code}]"
    return None
