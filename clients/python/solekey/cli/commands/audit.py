"""``solekey audit``: export a log, verify it. Needs no account, no key and no running service."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.output_file import OutputFile
from solekey.cli.output.printing import count_of, say, warn
from solekey.cli.state import Cli, output_options, pass_cli

if TYPE_CHECKING:
    from solekey.audit.report import Report
    from solekey.audit.sources import LogError
    from solekey.audit.verify import Pin
    from solekey_protocol.ids import AccountId

MAX_PINS_BYTES = 16 * 1024 * 1024
TAMPERED_EXIT = 6  # as for every server that misbehaved
CANNOT_TELL_EXIT = 2


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
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file {account: {first_key, heads}}, learnt from users: `solekey status --json` has theirs.",
)
@output_options
@pass_cli
def verify(state: Cli, source: str, pins: Path | None) -> None:
    """Verify the log of SOURCE.

    Exit 0 when it is clean, 6 when somebody cheated, 2 when it cannot be told: no event, or not readable.
    """
    from solekey.audit.sources import LogError
    from solekey.audit.verify import verify_log

    pinned = read_pins(pins) if pins else None
    try:
        report = verify_log(_progress(source, state.as_json or state.quiet), pinned)
        _verify_not_empty(report, source)
    except LogError as error:
        _print_no_verdict(state, error)
        sys.exit(CANNOT_TELL_EXIT)
    if state.as_json:
        state.emit(report.summary())
    else:
        _print(report, quiet=state.quiet)
    if not report.clean:
        sys.exit(TAMPERED_EXIT)


def read_pins(path: Path) -> "dict[AccountId, Pin]":
    """Read what users have pinned: ``{account: {"first_key"?, "heads"?: {stream: {"seq", "digest"}}}}``.

    A first account key alone may stand in the place of the object.

    Raises:
        LogError: not a JSON object of this shape.
    """
    from solekey.audit.sources import LogError
    from solekey.errors import NotTextError
    from solekey.files.text import decode_text
    from solekey_protocol.encoding import parse_lenient_json
    from solekey_protocol.errors import MalformedError
    from solekey_protocol.ids import AccountId

    try:
        pins = decode_text(path.read_bytes(), str(path)).encode()
        document: Any = parse_lenient_json(pins, max_bytes=MAX_PINS_BYTES)
        return {AccountId(account): _parse_pin(pin) for account, pin in document.items()}
    except (OSError, AttributeError, KeyError, TypeError, ValueError, MalformedError, NotTextError) as error:
        raise LogError(f"{path}: no file of pins: {error}") from error


def _parse_pin(document: Any) -> "Pin":
    from solekey.audit.verify import Pin
    from solekey_protocol.events import Stream
    from solekey_protocol.events.fields import decode_body
    from solekey_protocol.ids import PublicKey
    from solekey_protocol.statements import Head

    if isinstance(document, str):
        return Pin(PublicKey(document))
    if unknown := document.keys() - {"first_key", "heads"}:
        raise KeyError(f"unknown member {min(unknown)!r}")
    first_key = document.get("first_key")
    heads = {
        Stream(name): decode_body(Head, head, where=f"heads.{name}")
        for name, head in document.get("heads", {}).items()
    }
    return Pin(PublicKey(first_key) if first_key is not None else None, heads)


def _progress(source: str, quiet: bool) -> Iterable[bytes]:
    from rich.progress import track

    from solekey.audit.sources import read_log

    records = read_log(source)
    return records if quiet or not sys.stderr.isatty() else track(records, "reading the log", transient=True)


def _verify_not_empty(report: "Report", source: str) -> None:
    from solekey.audit.sources import LogError

    if not report.records:
        raise LogError(f"{source} holds no event: no verdict can rest on that")


def _print_no_verdict(state: Cli, error: "LogError") -> None:
    if state.as_json:
        state.emit(
            {"verdict": "cannot_tell", "code": error.code, "reason": str(error), "next": error.diagnostics()}
        )
        return
    warn("{} [{}]", error, error.code)
    warn("{}", error.diagnostics())
    say("verdict: cannot tell")


def _print(report: "Report", *, quiet: bool) -> None:
    if not quiet:
        _print_accounts(report)
    for finding in report.findings:
        say("  {}", finding)
    if report.clean:
        say("verdict: clean")
    else:
        say("verdict: TAMPERED ({})", count_of(len(report.findings), "finding"))


def _print_accounts(report: "Report") -> None:
    from solekey_protocol.ids import SYSTEM_ACCOUNT

    users = [account for account in report.accounts.values() if account.account != SYSTEM_ACCOUNT]
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
