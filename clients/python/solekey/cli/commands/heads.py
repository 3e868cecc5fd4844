"""``solekey heads export``."""

from pathlib import Path

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.output_file import OutputFile
from solekey.cli.offline import open_kept, sync_if_possible
from solekey.cli.state import Cli, pass_cli, state_options


@click.group(cls=CommandGroup)
def heads() -> None:
    """How far this device has followed its account: what you, not the operator, give to an auditor."""


@heads.command("export")
@click.argument("target", type=OutputFile())
@state_options
@pass_cli
def export_heads(state: Cli, target: Path) -> None:
    """Write to TARGET how far this device has followed its account, signed by it, for `solekey audit verify`.

    With it an auditor can tell that the operator shows this account, whole. It holds no secret. Works without
    the server, too.
    """
    from solekey.files.whole_file import write_whole
    from solekey_protocol.encoding import encode_json

    with open_kept(state) as session:
        reason = sync_if_possible(session)
        document = session.sign_heads()
    write_whole(target, encode_json(document) + b"\n")
    if state.as_json:
        state.emit({"output": str(target), "not_synced": reason})
        return
    if reason is not None:
        state.tell("{}\nWritten is what this device has verified before.", reason)
    state.tell("Give {} to the auditor yourself, not through the operator.", target)
