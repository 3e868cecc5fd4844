"""``solekey audit``: export a log, verify it. Needs no account, no key and no running service."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.output_file import OutputFile
from solekey.cli.output.printing import count_of, say, warn
from solekey.cli.state import Cli, output_options, pass_cli

if TYPE_CHECKING:
    from solekey.audit.report import Report
    from solekey.audit.sources import Log, LogError, Record

VERDICT_EXIT_CODES: Final = {"clean": 0, "violations": 1, "cannot_tell": 2}
_WORDS: Final = {"clean": "clean", "violations": "VIOLATIONS ({})", "cannot_tell": "cannot tell"}


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
@output_options
@pass_cli
def verify(state: Cli, source: str, pins: tuple[Path, ...], session_hours: int) -> None:
    """Verify the log of SOURCE.

    Exit 0: clean. 1: violations; each names the check and the event at fault. 2: it cannot be told, since the
    log is not readable or not whole, or nobody vouches for an account. --verbose lists every check, what it
    looked at, and what this audit cannot show.
    """
    from datetime import timedelta

    from solekey.audit import Bounds, LogError, read_pins, verify_log

    try:
        bounds = Bounds(session=timedelta(hours=session_hours))
        report = verify_log(_open(source, quiet=state.as_json or state.quiet), read_pins(*pins), bounds)
    except LogError as error:
        _print_no_verdict(state, error)
        sys.exit(VERDICT_EXIT_CODES["cannot_tell"])
    if state.as_json:
        state.emit(report.summary())
    else:
        _print(state, report)
    if code := VERDICT_EXIT_CODES[report.verdict.value]:
        sys.exit(code)


def _open(source: str, *, quiet: bool) -> "Log":
    """Open a log, with a progress bar where somebody watches."""
    from solekey.audit.sources import open_log

    log = open_log(source)
    return log if quiet or not sys.stderr.isatty() else _WatchedLog(log)


class _WatchedLog:
    """A log whose reading is shown."""

    def __init__(self, log: "Log") -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def records(self) -> "Iterator[Record]":
        """See Log.records."""
        from rich.progress import track

        yield from track(self._log.records(), "reading the log", self._log.total, transient=True)


def _print_no_verdict(state: Cli, error: "LogError") -> None:
    if state.as_json:
        state.emit(
            {"verdict": "cannot_tell", "code": error.code, "reason": str(error), "next": error.diagnostics()}
        )
        return
    warn("{} [{}]", error, error.code)
    warn("{}", error.diagnostics())
    say("verdict: cannot tell")


def _print(state: Cli, report: "Report") -> None:
    if not state.quiet:
        _print_accounts(report)
        _print_coverage(report)
    for finding in report.findings:
        say("  {}", finding)
    for notice in report.notices:
        say("  notice: {}", notice)
    for doubt in report.doubts:
        say("  cannot tell: {}", doubt)
    say("verdict: {}", _WORDS[report.verdict.value].format(count_of(len(report.findings), "finding")))


def _print_coverage(report: "Report") -> None:
    """Say how much was looked at, and what this audit cannot show."""
    run = [row for row in report.coverage if row.check not in report.not_run]
    say("{} of {} checks, {} looked at:", len(run), len(report.coverage), sum(row.looked_at for row in run))
    for row in run:
        result = count_of(row.findings, "finding") if row.findings else "nothing found"
        say("  {} {} ({}: {}): {}", row.check.id, row.check.title, row.check.counts, row.looked_at, result)
    for check in report.not_run:
        say("  {} {}: not run, it needs {}", check.id, check.title, check.needs)


def _print_accounts(report: "Report") -> None:
    from solekey_protocol.ids import SYSTEM_ACCOUNT

    users = report.users
    say(
        "{}, {} repeated, {}",
        count_of(report.records, "event"),
        report.repeated,
        count_of(len(users), "account"),
    )
    if len(users) < len(report.accounts):
        say("  {}: the platform's own records, such as its signing keys", SYSTEM_ACCOUNT)
    for account in users:
        live = [f"epoch {w.wrapped.epoch} v{w.wrapped.wrap_version}" for w in account.vault.live_wraps()]
        say(
            "  {} ({}): {}, live wraps: {}, {}",
            account.account,
            "pinned" if account.pinned else "NOT pinned",
            count_of(len(account.devices.trusted), "trusted device"),
            ", ".join(live) or "none",
            count_of(account.vault.last_commit, "commit"),
        )
