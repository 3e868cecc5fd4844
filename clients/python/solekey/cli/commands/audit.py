"""``solekey audit``: export a log, verify it. Needs no account, no key and no running service."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.output_file import OutputFile
from solekey.cli.output.printing import count_of, say, warn
from solekey.cli.state import Cli, output_options, pass_cli

if TYPE_CHECKING:
    from solekey.audit.sources import LogError

VERDICT_EXIT_CODES: Final = {"clean": 0, "violations": 1, "cannot_tell": 2}


@click.group(cls=CommandGroup)
def audit() -> None:
    """Replay the event log and check that nobody cheated."""


@audit.command()
@click.argument("source")
@click.argument("target", type=OutputFile())
@output_options
@pass_cli
def export(state: Cli, source: str, target: Path) -> None:
    """Export the log of SOURCE to the file TARGET, exact bytes, one event a line.

    SOURCE: embedded:///path/bus.db, kafka://host:port, or an exported file.
    """
    from solekey.audit.sources import export_log

    count = export_log(source, target)
    if state.as_json:
        state.emit({"records": count, "output": str(target)})
    else:
        state.tell("{} written to {}", count_of(count, "event"), target)


@audit.command()
@click.argument("source")
@click.option(
    "--pins",
    "pins",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="What users vouch for: a file of `solekey heads export`, from each user and not from the operator. "
    "May be given many times.",
)
@click.option(
    "--session-hours",
    type=click.IntRange(1, 24 * 366),
    default=12,
    show_default=True,
    help="How long a session lasts at most on this platform (SOLEKEY_SESSION_ABSOLUTE_S).",
)
@click.option(
    "--tables",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the log as tables into this file, which notebooks read (solekey.audit.Tables).",
)
@output_options
@pass_cli
def verify(state: Cli, source: str, pins: tuple[Path, ...], session_hours: int, tables: Path | None) -> None:
    """Verify the log of SOURCE.

    Exit 0: clean. 1: violations; each names the check and the event at fault. 2: it cannot be told, since the
    log is not readable or not whole, or nobody vouches for an account. Of many accounts and findings the
    worst are listed, and the others counted; --json has every finding.
    """
    from datetime import timedelta

    from solekey.audit import Bounds, LogError, open_log, read_pins, verify_log
    from solekey.cli.output.audit_progress import show_audit_progress
    from solekey.cli.output.audit_report import print_report

    try:
        bounds = Bounds(session=timedelta(hours=session_hours))
        with show_audit_progress(quiet=state.as_json or state.quiet) as progress:
            report = verify_log(open_log(source), read_pins(*pins), bounds, progress=progress, tables=tables)
    except LogError as error:
        _print_no_verdict(state, error)
        sys.exit(VERDICT_EXIT_CODES["cannot_tell"])
    if state.as_json:
        state.emit(report.summary())
    else:
        print_report(report, quiet=state.quiet)
    if code := VERDICT_EXIT_CODES[report.verdict.value]:
        sys.exit(code)


def _print_no_verdict(state: Cli, error: "LogError") -> None:
    if state.as_json:
        state.emit(
            {"verdict": "cannot_tell", "code": error.code, "reason": str(error), "next": error.diagnostics()}
        )
        return
    warn("{} [{}]", error, error.code)
    warn("{}", error.diagnostics())
    say("verdict: cannot tell")
