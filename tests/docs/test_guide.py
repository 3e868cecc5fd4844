"""The client guide: every block that it shows runs, in its order, against the real platform."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import guide_runner
from tests.docs.guide_runner import find_blocks
from tests.support.platform_process import PlatformProcess
from tests.support.repository import ROOT

GUIDE = ROOT / "docs" / "client-guide.md"
ADDRESS = "https://127.0.0.1:8443"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # a bound for what hangs, on a busy machine, too


def run_guide(guide: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run it as it stands in a fresh shell: no search path of ours, no settings."""
    inherited = {key: os.environ[key] for key in ("PYTHONPATH",) if key in os.environ}
    return subprocess.run(
        [sys.executable, guide_runner.__file__, str(guide)],
        cwd=folder,
        env={**inherited, "PATH": os.defpath, "HOME": str(folder / "home"), "PWD": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )


def lay_out(folder: Path, platform: PlatformProcess) -> Path:
    """Lay a folder out as the repository is after `make up`; return the guide, with this platform's
    address."""
    (folder / "home").mkdir()
    (folder / ".venv").symlink_to(Path(sys.prefix))
    (folder / "build/up").mkdir(parents=True)
    (folder / "build/up/tls").symlink_to(platform.ca.parent)
    (folder / "clients/python").mkdir(parents=True)
    (folder / "clients/python/examples").symlink_to(GUIDE.parents[1] / "clients/python/examples")
    guide = folder / "guide.md"
    guide.write_text(GUIDE.read_text(encoding="utf-8").replace(ADDRESS, platform.url), encoding="utf-8")
    return guide


def test_the_guide_runs(platform: PlatformProcess, tmp_path):
    guide = lay_out(tmp_path, platform)
    before = {path.name for path in tmp_path.iterdir()}
    done = run_guide(guide, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "under the third flower pot" in done.stdout
    assert "it may have kept" in done.stdout
    assert "unlocked with UserKey(<redacted>)" in done.stderr
    assert {
        path.name for path in tmp_path.iterdir()
    } == before  # all of it is under build/, which is not committed
    made = tmp_path / "build" / "guide"
    for secret in made.glob("*user-key.txt"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    combined = re.search(
        r"^solekey recovery combine (.*) > ", GUIDE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert combined is not None
    assert len(list(made.glob("shares/*.pdf"))) == 3
    assert [len(list(made.glob(pattern))) for pattern in combined.group(1).split()] == [1, 1]  # two suffice


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("```sh\nfalse\n```\n", "CalledProcessError"),
        ("```sh\ntrue\n! true\n```\n", "this had to fail: true"),
        ("```sh\nfalse | cat\n```\n", "CalledProcessError"),
        ("```python\nassert False\n```\n", "AssertionError"),
        (
            "```sh\nexport WORD=kept\n```\n```python\nimport os\nraise SystemExit(os.environ['WORD'])\n```\n",
            "kept",
        ),
    ],
)
def test_a_block_that_does_not_hold_is_found(tmp_path, block, complaint):
    guide = tmp_path / "guide.md"
    guide.write_text(f"# A guide\n\n{block}")
    done = run_guide(guide, tmp_path)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_no_block_of_the_guide_is_left_out():
    fences = [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith("```")]
    kinds = {fence for fence in fences if fence != "```"}
    assert kinds == {"```sh", "```python", "```console"}  # console: what is typed at a terminal
    runnable = [fence for fence in fences if fence in {"```sh", "```python"}]
    assert len(find_blocks(GUIDE.read_text(encoding="utf-8"))) == len(runnable)
