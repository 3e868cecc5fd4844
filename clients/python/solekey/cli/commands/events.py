"""``solekey events export``."""

import sys
from pathlib import Path

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.output_file import OutputFile
from solekey.cli.offline import open_kept, sync_if_possible
from solekey.cli.state import Cli, pass_cli, state_options


@click.group(cls=CommandGroup)
def events() -> None:
    """This account's events, as this device has verified them."""


@events.command("export")
@click.option(
    "--output",
    "-o",
    type=OutputFile(or_stdout=True),
    help="Write to this file; standard output if not given.",
)
@state_options
@pass_cli
def export_events(state: Cli, output: Path | None) -> None:
    """Export the four streams: the records' exact bytes, one a line, for `solekey audit`.

    Works without the server, too, and where it has misbehaved: what this device has verified is exported
    then, and the command says so.
    """
    from solekey_protocol.services import V1_STREAMS

    with open_kept(state) as session:
        reason = sync_if_possible(session)
        records = [event.raw for stream in V1_STREAMS for event in session.streams.events(stream)]
    if reason is not None:
        state.tell("{}\nExported is what this device has verified before.", reason)
    data = b"".join(record + b"\n" for record in records)
    if output is None:
        sys.stdout.buffer.write(data)
        return
    from solekey.files.whole_file import write_whole

    write_whole(output, data)
    if state.as_json:
        state.emit({"records": len(records), "output": str(output), "not_synced": reason})
    else:
        state.tell("{} records → {}", len(records), output)
