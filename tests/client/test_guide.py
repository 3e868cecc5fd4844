"""The client guide: every block that it shows runs, in its order, against the real platform."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from client.platform_process import PlatformProcess

GUIDE = Path(__file__).parents[2] / "docs" / "client-guide.md"
_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


def make_script(text: str) -> str:
    """One shell script of all blocks: exports reach what follows, Python blocks share names."""
    lines, told = ["set -eu"], ""
    for kind, block in _BLOCK.findall(text):
        if kind == "sh":
            lines.append(block)
        else:
            told += block
            lines.append(f"{sys.executable} - <<'END_OF_PYTHON'\n{told}END_OF_PYTHON\n")
    return "\n".join(lines)


def test_the_guide_runs(platform: PlatformProcess, tmp_path):
    bin_folder = str(Path(sys.executable).parent)
    environment = {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "SOLEKEY_SERVER": platform.url,
        "SOLEKEY_CA": str(platform.ca),
    }
    done = subprocess.run(
        ["bash", "-c", make_script(GUIDE.read_text(encoding="utf-8"))],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "under the third flower pot" in done.stdout
    assert "it may have kept" in done.stdout
