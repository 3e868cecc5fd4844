"""The decision records have one form, and their index lists each of them with what became of it."""

import re
from pathlib import Path

import pytest

from tests.support.repository import ROOT
from tests.support.scripts import load_script

GENERATOR = load_script(ROOT / "docs" / "generate_decisions_index.py")
FOLDER = ROOT / "docs" / "decisions"
INDEX = FOLDER / "README.md"
PAGES = {path.name: path.read_text() for path in sorted(FOLDER.glob("[0-9]*.md"))}
COLUMNS = 100
PARTS = ("Question", "Choice", "Cost")
REASONS = ("Why", "Not chosen")
STATUS = re.compile(r"\*Status: accepted, \d{4}-\d\d-\d\d[.;][^*]*\*")


def find_faults(name: str, text: str) -> list[str]:
    """Say in what a page departs from the template."""
    title, status, *paragraphs = text.rstrip("\n").split("\n\n")
    bold = [found[1] for found in map(re.compile(r"\*\*([\w ]+)").match, paragraphs) if found]
    order = [bold.index(part) for part in PARTS if part in bold]
    return [
        *(["title"] if not re.fullmatch(rf"# {name[:4]} [^\n]+", title) else []),
        *(["status"] if not STATUS.fullmatch(status) else []),
        *(f"no {part}" for part in PARTS if part not in bold),
        *(["parts out of order"] if order != sorted(order) else []),
        *(["no reason"] if not any(word.startswith(REASONS) for word in bold) else []),
        *(f"line {number}" for number, line in enumerate(text.split("\n"), 1) if len(line) > COLUMNS),
    ]


@pytest.mark.parametrize("name", PAGES)
def test_each_page_has_the_form_of_the_template(name: str) -> None:
    assert find_faults(name, PAGES[name]) == []


def test_the_index_lists_every_page() -> None:
    assert INDEX.read_text(encoding="utf-8") == GENERATOR.render(), "run make generate"


def test_what_supersedes_a_page_says_so_too() -> None:
    for name, text in PAGES.items():
        for successor in GENERATOR.read_successors(name, text):
            status = PAGES[successor].split("\n\n")[1]
            assert "Supersedes" in status, (name, successor)
            assert name in status, (name, successor)


def test_numbers_are_used_once() -> None:
    assert len({name[:4] for name in PAGES}) == len(PAGES)


def test_a_page_of_another_form_is_found() -> None:
    """The positive control."""
    head = "# 0001 A title\n\n*Status: accepted, 2026-01-01.*\n\n"
    page = f"{head}**Question**: q\n\n**Choice**: c\n\n**Why**: w\n\n"
    assert find_faults("0001-x.md", f"{page}**Cost**: c\n") == []
    assert find_faults("0001-x.md", page) == ["no Cost"]
    assert find_faults("0002-x.md", f"{page}**Cost**: {'c' * 100}\n") == ["title", "line 11"]
    assert find_faults("0001-x.md", f"{page}**Cost**: c\n".replace("**Why**", "Why")) == ["no reason"]
    assert find_faults("0001-x.md", f"{page}**Cost**: c\n".replace("*Status: accepted, ", "*")) == ["status"]


def test_the_template_has_the_form(tmp_path: Path) -> None:
    template = INDEX.read_text().split("```markdown\n")[1].split("```")[0]
    assert find_faults("0000-title.md", template.replace("YYYY-MM-DD", "2026-01-01")) == []
