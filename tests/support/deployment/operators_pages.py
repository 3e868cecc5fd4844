"""Reads the commands of deploy/README.md and docs/operations, so that tests run them word for word.

A heading stands on one of the pages. A block of commands that no test can run has a comment above it:
``<!-- Not run: why, and which `system/deploy/test_page.py::test_name` checks it -->``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.deployment.compose import DEPLOY
from tests.support.repository import ROOT

PAGES = (DEPLOY / "README.md", *sorted((ROOT / "docs" / "operations").glob("*.md")))

_SECTION = re.compile(r"^## (.*?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"(?:^<!-- Not run: ([^>]*?) -->\n\n)?^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of commands; ``why_not_run`` is empty where a test runs it."""

    heading: str
    why_not_run: str
    kind: str
    text: str


def find_blocks(text: str) -> Iterator[Block]:
    """Find the blocks of a page."""
    for heading, body in _SECTION.findall(text):
        yield from (Block(heading, why, kind, block) for why, kind, block in _BLOCK.findall(body))


def read_commands(heading: str) -> list[str]:
    """Read the commands under a heading that are to be run."""
    return [
        line.removeprefix("$ ").split("  # ")[0].rstrip() for line in _read_lines(heading) if line[:2] == "$ "
    ]


def read_answers(heading: str) -> list[str]:
    """Read what the commands under a heading print, as regular expressions; … stands for anything."""
    return [re.escape(line).replace("…", ".*") for line in _read_lines(heading) if line[:2] != "$ "]


def _read_lines(heading: str) -> list[str]:
    (page,) = (page for page in PAGES if f"\n## {heading}\n" in page.read_text())
    blocks = (block for block in find_blocks(page.read_text()) if block.heading == heading)
    return [line for block in blocks if not block.why_not_run for line in block.text.splitlines()]
