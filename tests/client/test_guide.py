"""The client guide: every block that it shows runs, in its order, against the real platform."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from client import guide_runner
from client.guide_runner import find_blocks
from client.platform_process import PlatformProcess

GUIDE = Path(__file__).parents[2] / "docs" / "client-guide.md"

pytestmark = pytest.mark.slow


def run_guide(guide: Path, folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    bin_folder = str(Path(sys.executable).parent)
    inherited = {key: os.environ[key] for key in ("PYTHONPATH",) if key in os.environ}
    return subprocess.run(
        [sys.executable, guide_runner.__file__, str(guide)],
        cwd=folder,
        env={**inherited, "PATH": f"{bin_folder}:{os.environ['PATH']}", "HOME": str(folder), **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )


def test_the_guide_runs(platform: PlatformProcess, tmp_path):
    done = run_guide(GUIDE, tmp_path, SOLEKEY_SERVER=platform.url, SOLEKEY_CA=str(platform.ca))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "under the third flower pot" in done.stdout
    assert "it may have kept" in done.stdout
    assert "unlocked with WrappingKey(<redacted>)" in done.stderr


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
