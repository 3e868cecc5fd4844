"""``solekey sessions list`` and ``end``."""

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.name_completion import complete_devices
from solekey.cli.opening import open_session
from solekey.cli.output.foreign_text import quote_foreign
from solekey.cli.output.printing import say
from solekey.cli.state import Cli, pass_cli, state_options


@click.group(cls=CommandGroup)
def sessions() -> None:
    """See where you are logged in, and log out there."""


@sessions.command("list")
@state_options
@pass_cli
def list_sessions(state: Cli) -> None:
    """List the open sessions, as the verified events say; the oldest first."""
    with open_session(state) as session:
        found = session.sessions.list()
    rows = [
        {
            "id": info.id,
            "device": info.device,
            "device_name": info.device_name,
            "opened_at": info.opened_at,
            "expires_at": info.expires_at,
            "proven_at": info.proven_at,
            "current": info.current,
        }
        for info in found
    ]
    if state.as_json:
        state.emit({"sessions": rows})
        return
    for info in found:
        name = quote_foreign(info.device_name) if info.device_name is not None else "(no verified name)"
        say("{}{}\n  {}", name, ", this session" if info.current else "", info.id)
        opened, proven, ends = (moment[:16] for moment in (info.opened_at, info.proven_at, info.expires_at))
        say("  since {}, second factor proven {}", opened, proven)
        say("  ends {} at the latest (times are UTC)", ends)


@sessions.command()
@click.argument("session_", metavar="[SESSION]", required=False, shell_complete=complete_devices)
@click.option("--others", is_flag=True, help="End all but this one.")
@state_options
@pass_cli
def end(state: Cli, session_: str | None, *, others: bool) -> None:
    """End SESSION (its id or its device's, or how it begins) at once, on whichever device it is.

    The device stays trusted and may log in again with password and second factor. A device that is lost is
    revoked instead: solekey devices revoke. Needs a fresh second factor.
    """
    if (session_ is None) != others:
        raise click.UsageError("give either SESSION or --others")
    with open_session(state) as session:
        if session_ is None:
            ended = session.sessions.end_others()
        else:
            found = session.sessions.find(session_)
            session.sessions.end(found.id)
            ended = (found.id,)
    if state.as_json:
        state.emit({"ended": list(ended)})
    else:
        state.tell("Ended: {} session{}.", len(ended), "" if len(ended) == 1 else "s")
