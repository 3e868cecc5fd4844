"""``solekey audit``: export a log, verify it, report on it. Needs no account, no key and no service."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.output_file import OutputFile
from solekey.cli.output.printing import count_of, say, usage_error, warn
from solekey.cli.state import Cli, output_options, pass_cli

if TYPE_CHECKING:
    from solekey.audit import Bounds, LogError, Report

VERDICT_EXIT_CODES: Final = {"clean": 0, "violations": 1, "cannot_tell": 2}


@click.group(cls=CommandGroup)
def audit() -> None:
    """Replay the event log and check that nobody cheated."""


@audit.command()
@click.argument("source")
@click.argument("target", type=OutputFile(or_folder=True))
@click.option(
    "--after",
    type=click.Path(exists=True, path_type=Path),
    help="Export only what is new since this bundle; an audit then needs both.",
)
@click.option(
    "--since",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Export only what is new since an audit: its archive (`verify --archive`), or the .verdict.json "
    "beside it.",
)
@click.option(
    "--stored",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="What a service has stored: the output of `python -m solekey_<service> list-stored`. "
    "May be given many times.",
)
@click.option(
    "--signing-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Sign the manifest with this Ed25519 key, a PEM file without a password.",
)
@output_options
@pass_cli
def export(
    state: Cli,
    source: str,
    target: Path,
    after: Path | None,
    since: Path | None,
    stored: tuple[Path, ...],
    signing_key: Path | None,
) -> None:
    """Export the log of SOURCE to the bundle TARGET: a folder, or one file if its name ends in .tar.

    SOURCE: embedded:///path/bus.db, kafka://host:port, or a bundle. An export that was interrupted goes on
    when it is run again. A TARGET that ends in .jsonl is no bundle, but a file of the events alone, one a
    line.
    """
    if target.suffix == ".jsonl":
        if after or since or stored or signing_key:
            raise usage_error("--after, --since, --stored and --signing-key are for bundles, not for .jsonl")
        _export_lines(state, source, target)
        return
    if after and since:
        raise usage_error("--after and --since exclude each other")
    from solekey.audit import open_log
    from solekey.audit.bundle.export import export_to_bundle
    from solekey.cli.output.audit_progress import show_audit_progress

    with show_audit_progress(quiet=state.as_json or state.quiet) as progress:
        bundle = export_to_bundle(
            open_log(source),
            target,
            after=after,
            since=since,
            stored=stored,
            signing_key=signing_key,
            progress=progress,
        )
    if state.as_json:
        state.emit(
            {
                "records": bundle.records,
                "resumed": bundle.resumed,
                "files": bundle.files,
                "bundle": bundle.name,
                "exporter": bundle.exporter,
                "output": str(target),
            }
        )
        return
    if bundle.resumed:
        state.tell("{} were there already", count_of(bundle.resumed, "record"))
    state.tell(
        "{} in {} written to {}", count_of(bundle.records, "record"), count_of(bundle.files, "file"), target
    )
    state.tell("bundle {}", bundle.name)
    if bundle.exporter:
        state.tell("signed by {}", bundle.exporter)


def _export_lines(state: Cli, source: str, target: Path) -> None:
    from solekey.audit.sources import export_log

    count = export_log(source, target)
    if state.as_json:
        state.emit({"records": count, "output": str(target)})
    else:
        state.tell("{} written to {}", count_of(count, "event"), target)


@audit.command()
@click.argument("source", nargs=-1, required=True)
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
@click.option(
    "--exporter-key",
    metavar="KEY",
    help="The public key of whoever exports bundles, in hex, learnt from them: it must have signed each.",
)
@click.option(
    "--other-topic",
    "other_topics",
    metavar="NAME",
    multiple=True,
    help="A topic on the cluster that is not Solekey's, as the operator says. May be given many times.",
)
@click.option(
    "--seen",
    "seen_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What you have verified before: only what is new is verified, and the log must hold all of it. The "
    "file is signed by --signing-key, and written anew. An --archive may be given, and stays as it is.",
)
@click.option(
    "--archive",
    "archive_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What you have verified before, with its records: SOURCE needs only what is new (`export --since`). "
    "The file is signed by --signing-key, and goes on; the first time SOURCE is the whole log.",
)
@click.option(
    "--signing-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your own Ed25519 key, a PEM file without a password (openssl genpkey -algorithm ed25519).",
)
@output_options
@pass_cli
def verify(  # each is an option
    state: Cli,
    source: tuple[str, ...],
    pins: tuple[Path, ...],
    session_hours: int,
    tables: Path | None,
    exporter_key: str | None,
    other_topics: tuple[str, ...],
    seen_file: Path | None,
    archive_file: Path | None,
    signing_key: Path | None,
) -> None:
    """Verify the log of SOURCE: a bundle, an exported file, embedded:///path/bus.db or kafka://host:port.

    Bundles that continue each other are given in their order.

    Exit 0: clean. 1: violations; each names the check and the event at fault. 2: it cannot be told, since the
    log is not readable or not whole, or nobody vouches for an account. Of many accounts and findings the
    worst are listed, and the others counted; --json has every finding.
    """
    from datetime import timedelta

    from solekey.audit import Bounds, LogError
    from solekey.cli.output.audit_report import print_report
    from solekey_protocol.errors import MalformedError
    from solekey_protocol.ids import PublicKey

    if seen_file and archive_file:
        raise usage_error("--seen and --archive exclude each other")
    if (seen_file is None and archive_file is None) != (signing_key is None):
        raise usage_error("--seen or --archive, and --signing-key go together")
    try:
        bounds = Bounds(
            session=timedelta(hours=session_hours),
            other_topics=frozenset(other_topics),
            exporter=PublicKey(exporter_key) if exporter_key else None,
        )
        report = _verify(
            source,
            pins,
            bounds,
            tables,
            seen_file,
            archive_file,
            signing_key,
            quiet=state.as_json or state.quiet,
        )
    except MalformedError as error:
        raise usage_error("--exporter-key: {}", error) from error
    except LogError as error:
        _print_no_verdict(state, error)
        sys.exit(VERDICT_EXIT_CODES["cannot_tell"])
    if state.as_json:
        state.emit(report.summary())
    else:
        print_report(report, quiet=state.quiet)
    if code := VERDICT_EXIT_CODES[report.verdict.value]:
        sys.exit(code)


@audit.command()
@click.argument("tables", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("target", type=OutputFile())
@output_options
@pass_cli
def report(state: Cli, tables: Path, target: Path) -> None:
    """Write the report of an audit to TARGET, an .html page or a .pdf, to be handed over.

    TABLES: the file that `solekey audit verify --tables` has written. The verdict comes first, then the
    findings, what was checked and how much, what was not, devices, wraps and rotations. Nothing in it is
    loaded from elsewhere.
    """
    from solekey.audit import LogError, Tables
    from solekey.audit.document import collect_contents, write_html, write_pdf

    writers = {".html": write_html, ".pdf": write_pdf}
    write = writers.get(target.suffix.lower())
    if write is None:
        raise usage_error("{}: name the report .html or .pdf", target)
    try:
        with Tables(tables) as opened:
            contents = collect_contents(opened)
    except LogError as error:
        raise usage_error("{}; it has to be of `solekey audit verify --tables`", error) from error
    write(contents, target)
    if state.as_json:
        state.emit({"verdict": contents.verdict, "output": str(target)})
    else:
        state.tell("report written to {}; the verdict is: {}", target, contents.verdict_name.lower())


def _verify(  # each is an option
    source: tuple[str, ...],
    pins: tuple[Path, ...],
    bounds: "Bounds",
    tables: Path | None,
    seen_file: Path | None,
    archive_file: Path | None,
    signing_key: Path | None,
    *,
    quiet: bool,
) -> "Report":
    """Verify, with what was verified before. Raises LogError."""
    from solekey.audit import LogError, open_log, read_pins, verify_log
    from solekey.audit.archive.archive import Archive
    from solekey.audit.archive.verdict import is_archive
    from solekey.audit.seen import AuditorKey, Seen, read_seen, write_seen
    from solekey.cli.output.audit_progress import show_audit_progress

    _verify_pins_apart(source, pins)
    key = AuditorKey(signing_key) if signing_key is not None else None
    with ExitStack() as stack:
        seen = read_seen(seen_file, key.public) if key and seen_file and seen_file.exists() else Seen()
        archive = stack.enter_context(Archive(archive_file, key)) if key and archive_file else None
        before = archive.before.point if archive and archive.before else None
        progress = stack.enter_context(show_audit_progress(quiet=quiet))
        log = open_log(*source, after=before.bundle if before else None)
        if archive is not None and log.bus is None:
            raise LogError(f"{log.name} knows no offsets: an archive goes on with bundles, or with a bus")
        report = verify_log(
            log, read_pins(*pins), bounds, seen=seen, progress=progress, tables=tables, archive=archive
        )
    if key is not None and seen_file is not None and not is_archive(seen_file):
        write_seen(seen_file, report, seen, key)
    return report


def _verify_pins_apart(sources: tuple[str, ...], pins: tuple[Path, ...]) -> None:
    """Verify that no pins come with a bundle: they vouch against whoever made it. Raises LogError."""
    from solekey.audit import LogError

    for path in pins:
        if any(path.resolve().is_relative_to(Path(source).resolve()) for source in sources):
            raise LogError(f"{path} lies in the bundle: pins come from users, never from who made the bundle")


def _print_no_verdict(state: Cli, error: "LogError") -> None:
    if state.as_json:
        state.emit(
            {"verdict": "cannot_tell", "code": error.code, "reason": str(error), "next": error.diagnostics()}
        )
        return
    warn("{} [{}]", error, error.code)
    warn("{}", error.diagnostics())
    say("verdict: cannot tell")
