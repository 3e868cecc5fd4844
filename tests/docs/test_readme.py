"""The README is run: its session against a real platform, its links against the tree."""

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOT

README = (ROOT / "README.md").read_text()
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "deploy" / "README.md",
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "spec").glob("*.md"),
]
ADDRESS = "127.0.0.1:8443"
MARK = "--- next command ---"


def read_session():
    """The session's commands, each with the lines that it must print; … stands for anything."""
    block = re.search(r"<!-- session.*?```console\n(.*?)```", README, re.DOTALL).group(1)
    steps = []
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:].split("  # ")[0].rstrip(), []))
        else:
            steps[-1][1].append(line)
    return steps


def read_program():
    """The program in Python, as a command of the same shell, and what it must print."""
    program = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    return f"python - <<'END'\n{program}END", ["The spare key is under the third flower pot."]


@pytest.fixture
def platform(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "solekey_standalone", "--data-dir", "build/up", "--ready-json"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--listen", address], cwd=tmp_path, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            ready = json.loads(process.stdout.readline() or "{}")
            assert ready.get("url") == f"https://{address}", (tmp_path / "server.log").read_text()
            yield address
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.mark.slow
def test_the_session_prints_what_the_readme_says(platform, tmp_path):
    steps = [*read_session(), read_program()]
    script = "".join(f"{command}\necho '{MARK}'\n" for command, _ in steps).replace(ADDRESS, platform)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))  # as `make up` leaves the folder
    environment = {"PATH": os.defpath, "HOME": str(tmp_path / "home")}  # a fresh shell
    run = subprocess.run(
        ["bash"], input=script, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    outputs = run.stdout.split(f"{MARK}\n")
    assert len(outputs) == len(steps) + 1, run.stderr
    for (command, expected), output in zip(steps, outputs, strict=False):
        pattern = ".*".join(re.escape(line).replace("…", ".*") for line in expected)
        assert re.search(pattern, output, re.DOTALL), f"{command}\n{output}\n{run.stderr}"
    made = {path.name for path in tmp_path.iterdir()} - {".venv", "home", "server.log"}
    assert made == {"build"}  # which is never committed
    assert stat.S_IMODE((tmp_path / "build/ada.words").stat().st_mode) == 0o600


def test_what_the_session_makes_is_not_committed():
    assert "build/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("target", ["up", "install"])
def test_make_says_where_the_command_is(target):
    run = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
    assert f'export PATH=\\"{ROOT}/.venv/bin:' in run.stdout, run.stdout


def test_the_session_is_one_success_and_one_caught_tampering():
    commands = [command for command, _ in read_session()]
    assert any("get" in command for command in commands)
    assert README.count("verdict: clean") == 1
    assert README.count("verdict: VIOLATIONS") == 1


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_make_targets_exist():
    make = shutil.which("make")
    assert make, "make is needed"
    for target in set(re.findall(r"`?make ([a-z-]+)", README)):
        if target != "test":
            run = subprocess.run([make, "-n", target], cwd=ROOT, capture_output=True, text=True)
            assert run.returncode == 0, run.stderr


def test_named_test_folders_exist():
    for document in DOCUMENTS:
        for folder in re.findall(r"`(tests/[a-z_]+)`", document.read_text()):
            assert (ROOT / folder).is_dir(), f"{document.name}: {folder}"


def test_the_code_cites_sections_that_exist():
    sources = [p for top in ("libs", "services", "clients") for p in (ROOT / top).rglob("*.py")]
    cited = {c for p in sources for c in re.findall(r"\b([a-z-]+\.md) §(\d+(?:\.\d+)?)", p.read_text())}
    assert cited
    missing = set()
    for page, section in cited:
        headings = re.findall(r"^#+ (\d+(?:\.\d+)?)\.? ", (ROOT / "spec" / page).read_text(), re.MULTILINE)
        if section not in headings:
            missing.add(f"{page} §{section}")
    assert not missing
