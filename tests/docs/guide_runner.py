"""Runs the blocks of a guide in its order, as in one shell: they share environment, folder and umask;
Python blocks
share their names.

Started by a test as a program of its own, in an empty folder: ``python guide_runner.py GUIDE``.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MUST_FAIL = re.compile(r"^! (.*)$", re.MULTILINE)


def find_blocks(guide: str) -> list[tuple[str, str]]:
    """The blocks that are to be run: (kind, text)."""
    return _BLOCK.findall(guide)


def run_shell(block: str) -> None:
    """Run a block; what it changes of its shell reaches the later ones. A line with `!` must fail."""
    refusals = _MUST_FAIL.sub(r'if \1; then echo "this had to fail: \1" >&2; exit 1; fi', block)
    with TemporaryDirectory() as folder:
        mask, environment = Path(folder, "umask"), Path(folder, "environment")
        script = f"set -euo pipefail\n{refusals}\numask > {mask}\nenv -0 > {environment}\n"
        subprocess.run(["bash", "-c", script], check=True, stdin=subprocess.DEVNULL)
        settings = environment.read_bytes().decode().rstrip("\0").split("\0")
        os.umask(int(mask.read_text(), 8))
    os.environ.clear()
    os.environ.update(setting.split("=", 1) for setting in settings)
    os.chdir(os.environ["PWD"])


def run(guide: str) -> None:
    """Run all blocks."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, (kind, block) in enumerate(find_blocks(guide), start=1):
        if kind == "sh":
            run_shell(block)
        else:
            exec(compile(block, f"<block {number}>", "exec"), names)  # noqa: S102  # our own guide
        sys.stdout.flush()


if __name__ == "__main__":
    run(Path(sys.argv[1]).read_text(encoding="utf-8"))
