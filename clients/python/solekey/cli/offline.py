"""Commands that go on without the server, with what this device verified and keeps. Spec: offline.md §2."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from solekey.cli import opening
from solekey.cli.state import Cli

if TYPE_CHECKING:
    from datetime import datetime

    from solekey.account.session import Session
    from solekey.connection.offline import Offline
    from solekey.vault.vault import Vault

F = TypeVar("F", bound=Callable[..., Any])

MINUTES: Final = "%Y-%m-%d %H:%M"


def offline_option(command: F) -> F:
    """Add ``--offline``."""
    return click.option(
        "--offline",
        is_flag=True,
        help="Do not ask the server: answer from what this device has verified and keeps. Without it the "
        "server is asked once, quickly, and the answer is the same if it does not.",
    )(command)


def choose(*, offline: bool) -> "Offline":
    """Choose how a command that can do without the server opens the account."""
    from solekey.connection.offline import Offline

    return Offline.ALWAYS if offline else Offline.IF_NEEDED


@contextmanager
def open_readable(state: Cli, *, offline: bool) -> "Iterator[Session]":
    """Open the session, or what is kept of the account; say which of them it is, and as of when.

    Raises:
        ProfileMissingError, NotLoggedInError
        OfflineError: the server does not answer, and this device has not followed its account before.
    """
    with opening.open_session(state, choose(offline=offline)) as session:
        session.sync()
        tell_as_of(state, session.connection.why_offline, session.as_of)
        yield session


def tell_as_of(state: Cli, why: str | None, as_of: "datetime | None") -> None:
    """Tell a person that what follows is not of now, why, and of when it is."""
    if as_of is not None:
        why = why or ""
        state.tell("{}. As of {}:", why[:1].upper() + why[1:], describe_time(as_of))


def encode_as_of(as_of: "datetime | None") -> str | None:
    """Encode as of when a result is, for scripts; None: it is of now."""
    return as_of.isoformat(timespec="seconds") if as_of is not None else None


@contextmanager
def open_items(state: Cli, user_key: str | None, *, offline: bool) -> "Iterator[tuple[Vault, str | None]]":
    """Unlock the vault, or what is kept of it; yields it, and as of when it is for scripts.

    Raises:
        OfflineError: there is no server, and nothing is kept that opens items.
    """
    with opening.unlocked(state, user_key, offline=choose(offline=offline)) as vault:
        from solekey.offline.kept import find_items_as_of

        as_of = find_items_as_of(vault.unlocked)
        tell_as_of(state, vault.unlocked.connection.why_offline, as_of)
        yield vault, encode_as_of(as_of)


def describe_time(time: "datetime") -> str:
    """Describe a time by this computer's clock and zone."""
    return f"{time.astimezone():{MINUTES} %Z}"


@contextmanager
def open_kept(state: Cli) -> "Iterator[Session]":
    """Open the profile, with a session or without, whoever answers. Raises ProfileMissingError."""
    from solekey.account.session import Session
    from solekey.connection.connection import Connection
    from solekey.connection.offline import Offline
    from solekey.errors import TransportError
    from solekey.profile.profile import Profile

    runtime = opening.make_runtime(state)
    with Session(Connection(Profile.open(state.profile, runtime.ask), runtime)) as session:
        try:
            session.connection.find_contact(Offline.IF_NEEDED)
        except TransportError as error:
            session.connection.why_offline = str(error)
        yield session


def sync_if_possible(session: "Session") -> str | None:
    """Follow the server if it can be followed; else return why not, in words and with its code."""
    from solekey.errors import EvidenceError, NotLoggedInError, ServerRefusedError, TransportError

    if session.connection.why_offline is not None:
        return session.connection.why_offline
    try:
        session.sync()
    except (EvidenceError, NotLoggedInError, ServerRefusedError, TransportError) as error:
        return f"{error} [{error.code}]"
    return None
