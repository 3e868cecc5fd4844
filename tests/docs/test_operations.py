"""deploy/README.md and docs/operations: tests run each command, or the page says why none can."""

import re
from collections.abc import Iterator

from tests.docs.named_tests import find_named
from tests.support.deployment.operators_pages import PAGES, find_blocks
from tests.support.repository import ROOT, TESTS

MAP = ROOT / "docs" / "operations" / "README.md"
TESTS_OF_COMMANDS = TESTS / "system" / "deploy"


def is_test(named: str) -> bool:
    file, _, name = named.partition("::")
    path = TESTS / file
    return path.is_file() and f"\ndef {name}(" in path.read_text()


def find_unrun(text: str, run: set[str]) -> Iterator[str]:
    """Name the blocks of a page that no test runs, nor any other test checks."""
    for block in find_blocks(text):
        if block.kind != "console":
            yield f"{block.heading}: a block of {block.kind or 'nothing'}"
        elif block.why_not_run:
            named = find_named(block.why_not_run)
            if not named or not all(map(is_test, named)):
                yield f"{block.heading}: says why it is not run, and names no test"
        elif block.heading not in run:
            yield f"{block.heading}: no test runs it"


def find_run() -> set[str]:
    """Find the headings whose commands a test reads."""
    sources = (path.read_text() for path in TESTS_OF_COMMANDS.rglob("test_*.py"))
    return {heading for text in sources for heading in re.findall(r'read_commands\(\s*"([^"]+)"', text)}


def test_each_block_of_commands_is_run_or_says_why_not() -> None:
    run = find_run()
    assert [line for page in PAGES for line in find_unrun(page.read_text(), run)] == []


def test_a_heading_names_one_place() -> None:
    headings = [
        heading for page in PAGES for heading in re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE)
    ]
    assert sorted(set(headings)) == sorted(headings)


def test_the_map_names_every_page() -> None:
    pages = {page.name for page in PAGES if page.parent == MAP.parent} - {MAP.name}
    assert set(re.findall(r"^\| \[([\w-]+\.md)\]\(\1\) \|", MAP.read_text(), re.MULTILINE)) == pages


def test_a_block_that_nobody_runs_is_found() -> None:
    """The positive controls."""
    named = "docs/test_operations.py::test_the_map_names_every_page"
    reason = f"<!-- Not run: no cluster here; `{named}` checks it -->\n\n"
    block = "```console\n$ true\n```\n"
    page = f"# Page\n\n## Run\n\n{block}\n## Not run\n\n{reason}{block}"
    assert list(find_unrun(page, {"Run"})) == []
    assert list(find_unrun(page, set())) == ["Run: no test runs it"]
    assert list(find_unrun(page.replace("every_page", "no_page"), {"Run"})) == [
        "Not run: says why it is not run, and names no test"
    ]
    assert list(find_unrun(page.replace("console", "", 1), {"Run"})) == ["Run: a block of nothing"]
