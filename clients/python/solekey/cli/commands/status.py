"""``solekey status`` and ``logout``."""

from typing import TYPE_CHECKING

import click

from solekey.cli.offline import encode_as_of, offline_option, open_readable
from solekey.cli.opening import open_session
from solekey.cli.output.due_rotations import describe_dues, explain_dues
from solekey.cli.output.printing import print_pairs, say
from solekey.cli.output.session_end import describe_end, find_end
from solekey.cli.state import Cli, pass_cli, state_options

if TYPE_CHECKING:
    from solekey.account.session import Session


@click.command()
@state_options
@pass_cli
def logout(state: Cli) -> None:
    """End this device's session. The device stays trusted.

    Where the server cannot be told, the session is forgotten here, and ends there by itself.
    """
    from solekey.errors import ServerRefusedError, TransportError

    reason: str | None = None
    with open_session(state) as session:
        try:
            session.log_out()
        except (TransportError, ServerRefusedError) as error:
            reason = f"{error} [{error.code}]"
            session.forget()
    if state.as_json:
        state.emit({"logged_out": True, "server_not_told": reason})
        return
    say("Logged out.")
    if reason is not None:
        state.tell(
            "The server was not told: {}. The session is forgotten here and ends there by itself; to end it "
            "at once, from another device: solekey sessions end",
            reason,
        )


@click.command()
@offline_option
@state_options
@pass_cli
def status(state: Cli, *, offline: bool) -> None:
    """Show the account, this device, the keys and the open rotation, all as verified."""
    with open_readable(state, offline=offline) as session:
        document = _describe(session)
        due = explain_dues(session.streams.rotation)
        end = describe_end(session)
    if state.as_json:
        state.emit(document)
    else:
        until = f"{end}; sooner after a time without use"
        print_pairs({**document, "rotations_due": due, "session_ends_at": until})


def _describe(session: "Session") -> dict[str, object]:
    from solekey.account.vouching import find_first_account_key

    streams, details = session.streams, session.connection.profile.details
    rotation = streams.rotation.open
    standing = session.devices.own_status
    return {
        "server": details.origin,
        "username": details.username,
        "account": session.account,
        "device": session.devices.own_id,
        "device_name": details.device_name,
        "first_account_key": find_first_account_key(streams),
        "standing": standing.value if standing else None,
        "trusted_devices": len(streams.devices.trusted),
        "sessions": len(streams.auth.sessions),
        "session_ends_at": find_end(session),
        "key_id": streams.devices.key_id,
        "epoch": streams.vault.epoch,
        "commits": streams.vault.last_commit,
        "open_rotation": f"{rotation.started.kind} {rotation.phase}" if rotation else None,
        "rotations_due": describe_dues(streams.rotation),
        "queued": len(session.kept.queue),
        "as_of": encode_as_of(session.as_of),
    }
