"""The auditor's guide: every block that it shows runs, in its order, on a platform with one user."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.guide_runner import find_blocks
from tests.docs.test_guide import run_guide
from tests.support.fresh_environment import build_wheels, copy_sources, make_environment
from tests.support.people.library_user import LibraryUser
from tests.support.platform_process import PlatformProcess
from tests.support.repository import ROOT

GUIDE = ROOT / "docs" / "auditing.md"


@pytest.mark.slow
def test_the_guide_runs(tmp_path):
    platform = PlatformProcess(tmp_path / "platform")
    platform.start()
    try:
        folder = lay_out(tmp_path / "desk", platform)
        user = LibraryUser(platform, folder / "home")
        user.sign_up().close()
        platform.stop()
        platform.start()  # from here on the bus has all that was said
        (folder / "phrase").write_text(user.phrase)
        (folder / "phrase").chmod(0o600)
        guide = folder / "guide.md"
        fresh = install(tmp_path)
        settings = f"export PATH={fresh.parent}:$PATH SOLEKEY_PROFILE={user.folder / 'laptop'}"
        guide.write_text(f"```sh\n{settings}\n```\n{GUIDE.read_text()}")
        done = run_guide(guide, folder)
    finally:
        platform.stop()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    verdicts = re.findall(r"^verdict: (\w+)", done.stdout, re.MULTILINE)
    assert verdicts == ["clean", "VIOLATIONS", "clean", "clean", "clean"]
    for made in ("report.pdf", "report.html", "seen.json", "next.tar", "audit.archive"):
        assert (folder / made).exists()


def install(folder: Path) -> Path:
    """What step 1 of the guide installs: the wheel with its extra, and nothing of the server."""
    wheels = build_wheels(copy_sources(folder / "sources"), folder / "wheels")
    python = make_environment(folder / "auditor", wheels, ["audit"])
    absent = "nameko", "sqlalchemy", "solekey_service", "solekey_eventlog", "pytest"
    code = f"import importlib.util as u; print([m for m in {absent} if u.find_spec(m)])"
    shown = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
    assert (python.parent / "solekey").exists()
    return python


def lay_out(folder: Path, platform: PlatformProcess) -> Path:
    (folder / "home").mkdir(parents=True)
    (folder / "build").mkdir()
    (folder / "build/up").symlink_to(platform.folder)
    return folder


def test_no_block_of_the_guide_is_left_out():
    text = GUIDE.read_text()
    fences = re.findall(r"^```(\w+)$", text, re.MULTILINE)
    assert set(fences) == {"sh", "console"}  # console: what needs a package index
    assert len(find_blocks(text)) == fences.count("sh") >= 7
