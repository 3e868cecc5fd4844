"""What every command opens: the outside world, the profile's session, the unlocked vault."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from solekey.cli.input.answers import ask_person, ask_user_key
from solekey.cli.input.factor_prompt import ask_for_step_up
from solekey.cli.state import Cli

if TYPE_CHECKING:
    from solekey.account.session import Session
    from solekey.connection.offline import Offline
    from solekey.runtime import Runtime
    from solekey.vault.vault import Vault


def make_runtime(state: Cli) -> "Runtime":
    """Make the runtime of a session: the real one, with a person who may be asked for a PIN."""
    from solekey.runtime import Runtime

    return Runtime(
        ask=ask_person,
        notice=lambda text: state.tell("{}", text),
        watch=lambda what: state.progress(what, in_bytes=False),
    )


def open_session(state: Cli, offline: "Offline | None" = None) -> "Session":
    """Open the profile's session. What asks for a fresh second factor gets it from the person.

    Args:
        state: the invocation.
        offline: when to go on without the server; None: never.
    """
    from solekey.account.session import Session
    from solekey.connection.offline import Offline

    session = Session.open(state.profile, make_runtime(state), offline=offline or Offline.NEVER)
    session.connection.on_step_up = lambda: ask_for_step_up(state, session)
    return session


@contextmanager
def unlocked(
    state: Cli,
    user_key: str | None,
    *,
    confirming: bool = False,
    repairing: bool = False,
    offline: "Offline | None" = None,
) -> "Iterator[Vault]":
    """Open the session and unlock the vault."""
    state.verify_logged_in()
    with (
        ask_user_key(user_key) as key,
        open_session(state, offline) as session,
        session.unlock(key, confirming=confirming, repairing=repairing) as vault,
    ):
        yield vault
