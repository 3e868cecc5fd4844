"""``solekey push``, and ``solekey queue list``, ``export`` and ``discard``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.answers import ask_user_key, parse_typed_phrase, secret_option, user_key_option
from solekey.cli.offline import describe_time
from solekey.cli.opening import open_session
from solekey.cli.output.left_out import SOME_UNREADABLE
from solekey.cli.output.printing import (
    add_row,
    confirm,
    count_of,
    make_table,
    print_table,
    say,
    usage_error,
    warn,
)
from solekey.cli.state import Cli, pass_cli, state_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from solekey.offline.export import QueuedChange
    from solekey.offline.pushed import Pushed
    from solekey.offline.queue import DamagedEntry


@click.command()
@secret_option(
    "--earlier-user-key",
    "SOLEKEY_EARLIER_USER_KEY",
    "The words of an earlier user key, for changes that were queued under it and that nothing else opens.",
)
@user_key_option
@state_options
@pass_cli
def push(state: Cli, user_key: str | None, earlier_user_key: str | None) -> None:
    """Send the changes that were queued while the server did not answer, in their order.

    Every command that unlocks the account with the server sends them first; this one says what became of
    each. What another device has changed meanwhile is kept beside it, as a conflict copy.
    """
    state.verify_logged_in()
    with (
        ask_user_key(user_key) as key,
        open_session(state) as session,
        session.unlock(key) as vault,
        state.progress("push", in_bytes=False) as progress,
    ):
        earlier = parse_typed_phrase(earlier_user_key) if earlier_user_key else None
        pushed = session.kept.push(vault.unlocked, earlier, progress)
    _report(state, pushed)


@click.group(cls=CommandGroup)
def queue() -> None:
    """See, export and discard the changes that wait for the server; `solekey push` sends them."""


@queue.command("list")
@user_key_option
@state_options
@pass_cli
def list_queue(state: Cli, user_key: str | None) -> None:
    """List the changes that wait. Nothing is asked of the server."""
    from solekey.connection.offline import Offline

    with ask_user_key(user_key) as key, open_session(state, Offline.ALWAYS) as session:
        from solekey.offline.export import open_queue

        with open_queue(session.connection, session.streams, session.kept.queue, key) as opened:
            changes, damaged = opened.list_changes()
    if state.as_json:
        state.emit(
            {"queued": [_describe(change) for change in changes], "damaged": _describe_damaged(damaged)}
        )
    elif changes or not damaged:
        _print_changes(changes)
    _end(state, damaged)


@queue.command("export")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@user_key_option
@state_options
@pass_cli
def export_queue(state: Cli, folder: Path, user_key: str | None) -> None:
    """Write the contents that wait into FOLDER, decrypted; they stay in the queue.

    Works on a device that was revoked, too: with the user key that was in force when they were queued, and
    without the server. Put them again from another device; `solekey queue list` says what was to be removed.
    """
    from solekey.connection.offline import Offline

    with ask_user_key(user_key) as key, open_session(state, Offline.ALWAYS) as session:
        from solekey.offline.export import open_queue

        with open_queue(session.connection, session.streams, session.kept.queue, key) as opened:
            changes, damaged = opened.list_changes()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            written = [opened.write(change.number, folder) for change in changes]
    if state.as_json:
        rows = [
            {**_describe(change), "file": str(path) if path else None}
            for change, path in zip(changes, written, strict=True)
        ]
        state.emit({"exported": rows, "damaged": _describe_damaged(damaged)})
    else:
        state.tell("{} → {}", count_of(len([path for path in written if path]), "file"), folder)
    _end(state, damaged)


@queue.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--yes", is_flag=True, help="Do not ask.")
@state_options
@pass_cli
def discard(state: Cli, number: int, *, yes: bool) -> None:
    """Discard the queued change NUMBER for ever, whether it can be read or not."""
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody can be asked whether to discard it: give --yes")
        confirm("Discard queued change {} for ever?", number)
    from solekey.connection.offline import Offline

    with open_session(state, Offline.ALWAYS) as session:
        waiting = session.kept.queue
        with waiting.lock():
            found = waiting.discard(number)
    if not found:
        raise usage_error("there is no queued change {}", number)
    if state.as_json:
        state.emit({"discarded": number})
    else:
        state.tell("Discarded.")


def _report(state: Cli, pushed: "Pushed") -> None:
    if state.as_json:
        puts = [
            {"id": put.id, "name": put.name, "version": put.version, "conflict": put.conflict}
            for put in pushed.puts
        ]
        state.emit(
            {
                "stored": puts,
                "removed": list(pushed.removed),
                "not_removed": list(pushed.dropped),
                "sent_before": pushed.known,
                "damaged": _describe_damaged(pushed.damaged),
            }
        )
    else:
        for put in pushed.puts:
            say("{}{}", put.name, " (a conflict copy: another device was faster)" if put.conflict else "")
        for item in pushed.removed:
            say("{} removed", item)
        for item in pushed.dropped:
            say("{} stays: another device has changed it", item)
        state.tell("{} sent.", count_of(pushed.count, "change"))
    _end(state, pushed.damaged)


def _print_changes(changes: "Sequence[QueuedChange]") -> None:
    if not changes:
        say("Nothing waits for the server.")
        return
    from solekey.crypto.metadata import read_moment

    table = make_table("number", "change", "id", "queued", whole=("id",))
    for change in changes:
        what = change.metadata.name if change.metadata is not None else "(removal)"
        queued = describe_time(read_moment(change.queued_at_ms))
        add_row(table, change.number, what, change.id, queued)
    print_table(table)


def _describe(change: "QueuedChange") -> dict[str, object]:
    from solekey.crypto.metadata import read_moment

    return {
        "number": change.number,
        "id": change.id,
        "name": change.metadata.name if change.metadata is not None else None,
        "removes": change.metadata is None,
        "queued_at": read_moment(change.queued_at_ms).isoformat(),
    }


def _describe_damaged(damaged: "Sequence[DamagedEntry]") -> list[dict[str, object]]:
    return [{"number": each.number, "code": each.error.code, "message": str(each.error)} for each in damaged]


def _end(state: Cli, damaged: "Sequence[DamagedEntry]") -> None:
    """Name what could not be read, and end in exit code 10 if there is any."""
    if not damaged:
        return
    if not state.as_json:
        for each in damaged:
            warn("{}", each.describe())
        warn("The others are not affected. To give one up: solekey queue discard NUMBER")
    click.get_current_context().exit(SOME_UNREADABLE)
