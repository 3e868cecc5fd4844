"""The auditor's part of the demo: export, verify with pins, search for leaks, execute the notebook."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from demo.narrator import Narrator, demand
from demo.server import Platform
from solekey.audit import Pin, Verdict, export_log, find_leaks, read_log, verify_log
from solekey.audit.leaks import read_places
from solekey_protocol.ids import AccountId, PublicKey

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "03_the_log_was_not_rewritten.ipynb"


def verify_exported(
    tell: Narrator, platform: Platform, target: Path, pins: Mapping[AccountId, PublicKey]
) -> None:
    """Export the log and verify it against the keys that the users pinned; then tamper with a copy."""
    count = export_log(platform.log_source, target)
    pinned = {account: Pin(first_key) for account, first_key in pins.items()}
    report = verify_log(read_log(str(target)), pinned)
    demand(report.verdict is Verdict.CLEAN, f"the log is not clean: {report.findings[:3]}")
    tell.auditor(f"{count} events exported to {target.name}: chains, signatures and lineage verify")
    records = [raw for raw in read_log(str(target)) if b"device_revoked" not in raw]
    tampered = verify_log(records, pinned)
    demand(tampered.verdict is Verdict.VIOLATIONS, "a log without its revocation passes")
    tell.auditor(f"positive control: the same log without the revocation: {tampered.findings[0]}")


def search_for_leaks(tell: Narrator, platform: Platform, secrets: Mapping[str, bytes]) -> None:
    """Search everything that the server wrote for everything that it must never have."""
    places = [platform.data_dir, platform.data_dir.parent / "server.log"]
    searched = sum(path.stat().st_size for place in places for path in _files(place))
    leaks = find_leaks(secrets, read_places(places))
    demand(not leaks, f"the server holds a secret: {leaks[:3]}")
    tell.auditor(
        f"{searched / 2**20:.0f} MiB of databases, objects and logs searched for {len(secrets)} secrets"
    )
    tell.auditor("in every spelling (raw, hex, base64, UTF-16, gzip, …): none found")
    planted = platform.data_dir.parent / "planted.log"
    planted.write_text(f"DEBUG key={secrets['user key'].hex().upper()}\n")
    found = find_leaks(secrets, read_places([planted]))
    planted.unlink()
    demand(bool(found), "the search does not find a planted key")
    tell.auditor(f"positive control: a planted user key is found as {found[0].spelling}")


def execute_notebook(tell: Narrator, log: Path, pins: Path) -> Path:
    """Execute a notebook on the exported log and keep it as HTML. Its last cell tells the verdict."""
    environment = {**os.environ, "SOLEKEY_AUDIT_LOG": str(log), "SOLEKEY_AUDIT_PINS": str(pins)}
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "html", "--log-level=ERROR"]
    command += [str(NOTEBOOK), f"--output-dir={log.parent}"]
    run = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    demand(run.returncode == 0, f"the notebook failed: {run.stderr[-2000:]}")
    html = log.parent / f"{NOTEBOOK.stem}.html"
    demand("verdict: clean" in html.read_text(), f"{html}: the verdict is not clean")
    tell.auditor(f"notebook executed: {html}")
    return html


def write_pins(target: Path, pins: Mapping[AccountId, PublicKey]) -> None:
    """Write the pins as `solekey audit verify --pins` reads them."""
    target.write_text(json.dumps(pins, indent=2) + "\n")


def _files(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file()] if place.is_dir() else [place]
