"""`make evidence`: shows that the server side never had a secret, and that a leak would have been found.

Exit status: 0 clean, 1 violations or a missed control, 2 an engine is missing.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evidence.bundle import verify_bundle, write_bundle
from evidence.clean_run import run_clean
from evidence.document import commit_to, judge_all, make_document
from evidence.page import write_page
from evidence.planted_run import run_planted
from evidence.site import run_deployed, run_embedded
from tests.support.engines.engine import EngineUnavailableError

OUTPUT = Path("build/evidence")
_MISSING_ENGINE = 2


@dataclass(frozen=True, slots=True)
class Options:
    """How to run.

    Attributes:
        embedded: at the embedded platform, not at the four services.
        short: short lives on one device, cores by our own reader.
        output: where the bundle goes.
    """

    embedded: bool = False
    short: bool = False
    output: Path = OUTPUT


def gather(options: Options) -> tuple[dict[str, Any], str]:
    """Run everything, write the bundle, and return its document and its name.

    Raises:
        EngineUnavailableError: there is no Kafka, PostgreSQL or nginx.
    """
    run_site = run_embedded if options.embedded else run_deployed
    with tempfile.TemporaryDirectory(prefix="solekey-evidence-") as name:
        folder = Path(name)
        with run_site(folder) as site:
            clean = run_clean(site, folder, short=options.short)
            controls = run_planted(site, folder, short=options.short)
            description = site.description
    commitments, openings = commit_to(clean)
    verdict = judge_all(clean, controls)
    document = make_document(description, clean, controls, verdict, commitments)
    shutil.rmtree(options.output, ignore_errors=True)
    bundle = write_bundle(options.output / "bundle", document, write_page(document))
    (options.output / "openings.json").write_text(json.dumps(openings, indent=1) + "\n")
    verify_bundle(options.output / "bundle", bundle)
    return document, bundle


def show(document: dict[str, Any], console: Console) -> None:
    """Print the tables that people look at first."""
    channels = Table("channel", "bytes", "searched", "secrets", "found", title="What was searched")
    for each in document["channels"]:
        cells = (each["channel"], each["bytes"], each["searched"], each["secrets"], each["found"])
        channels.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else cell) for cell in cells))
    controls = Table("planted", "channel", "as", "caught", title="Positive controls")
    for each in document["controls"]:
        caught = "caught" if each["caught"] else "MISSED"
        controls.add_row(*map(Text, (each["planted"], each["channel"], each["how"], caught)))
    console.print(channels, controls)
    steps = document["twin"]["steps"]
    stored = document["stored"]
    console.print(
        f"twin run: {sum(step['same'] for step in steps)} of {len(steps)} steps look the same to the server\n"
        f"stored: {sum(each['strings'] for each in stored['explained'])} byte strings explained, "
        f"{len(stored['unexplained'])} not\n"
        f"fields that the server sees: {len(document['seen_by_the_server']['fields'])}, "
        f"{len(document['seen_by_the_server']['unlisted'])} not in the threat model",
        markup=False,
    )
    for failure in document["failures"]:
        console.print(failure, markup=False)
    console.print(f"Verdict: {document['verdict']}", markup=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and tell by the exit status how it ended. SIGTERM ends what was started, too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(prog="evidence", description=__doc__)
    parser.add_argument(
        "--embedded", action="store_true", help="at the embedded platform: no Kafka, no PostgreSQL"
    )
    parser.add_argument("--short", action="store_true", help="a short life on one device")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    given = parser.parse_args(arguments)
    console = Console(highlight=False)
    started_s = time.monotonic()
    try:
        document, bundle = gather(Options(given.embedded, given.short, given.output))
    except EngineUnavailableError as error:
        console.print(f"no evidence: {error}", markup=False)
        return _MISSING_ENGINE
    show(document, console)
    taken_s = time.monotonic() - started_s
    console.print(f"Bundle {bundle} in {given.output}/bundle, after {taken_s:.0f} s.", markup=False)
    console.print("No log holds this name yet: make it known where nobody can take it back.", markup=False)
    return 0 if document["verdict"] == "clean" else 1


if __name__ == "__main__":
    sys.exit(main())
