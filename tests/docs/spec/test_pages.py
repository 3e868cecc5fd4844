"""The pages of spec/: what cites a section cites one that exists; every page has a status and 100 columns."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.repository import ROOT

PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "spec").glob("*.md"))}
CITING = {"*.md", "*.py", "*.yaml", "*.toml", "*.json", "*.ipynb"}
HISTORY = ("CHANGELOG.md", "docs/decisions/")  # what was true on its day
COLUMNS = 100

SECTION = r"§\d+(?:\.\d+)*"
GAP = r"\s+(?:#\s+)?"  # a citation may go on in the next line of a comment
SECTIONS = rf"{SECTION}(?:(?:,| and| to| or|-){GAP}{SECTION})*"
PAGE = "(" + "|".join(re.escape(name) for name in PAGES) + ")"
CITED = re.compile(rf"\b{PAGE}(?:`|\]\([a-z-]+\.md\))?,?{GAP}({SECTIONS})")
LINK = re.compile(r"\]\(([a-z-]+\.md)?#([a-z0-9-]+)\)")
FOREIGN = re.compile(rf"(?:RFC[ \n]\d+|SP[ \n]800-\S+|FIPS[ \n]\S+|Level[ \n]\d){GAP}{SECTIONS}")


def find_sections(text):
    """Find the numbers of a page's sections."""
    return set(re.findall(r"^#+ (\d+(?:\.\d+)*)\.? ", text, re.MULTILINE))


def find_dangling(text, page=None):
    """Find the citations in a text that lead nowhere; in a page, a section alone is one of its own."""
    cited = [(match[1], match[2]) for match in CITED.finditer(text)]
    if page is not None:
        own = CITED.sub("", FOREIGN.sub("", text))
        cited.append((page, " ".join(re.findall(SECTION, own))))
    return [
        f"{name} §{number}"
        for name, sections in cited
        for number in re.findall(r"\d+(?:\.\d+)*", sections)
        if number not in find_sections(PAGES[name])
    ]


def find_anchors(text):
    """Find the anchors of a page's headings, as Markdown readers make them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def find_long_lines(text):
    """Find the prose lines that are too long: tables cannot be wrapped, a value of an example neither."""
    fence, found = "", []
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("```"):
            fence = "" if fence else line
        elif len(line) > COLUMNS and not line.startswith("|") and fence != "```example":
            found.append(number)
    return found


def list_citing_files():
    names = subprocess.run(
        ["git", "ls-files", *CITING],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    here = Path(__file__).relative_to(ROOT).as_posix()
    return [name for name in names if not name.startswith((*HISTORY, here)) and (ROOT / name).exists()]


def test_each_citation_leads_to_a_section():
    dangling = {}
    for name in list_citing_files():
        path = ROOT / name
        page = path.name if name == f"spec/{path.name}" and path.name in PAGES else None
        if found := find_dangling(path.read_text(encoding="utf-8"), page):
            dangling[name] = found
    assert dangling == {}


def test_each_link_to_a_heading_leads_to_one():
    wrong = [
        f"{name}: {target or name}#{anchor}"
        for name, text in PAGES.items()
        for target, anchor in LINK.findall(text)
        if anchor not in find_anchors(PAGES[target or name])
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "dangling"),
    [
        ("Spec: tokens.md §1.", []),
        ("Spec: tokens.md §99.", ["tokens.md §99"]),
        ("[tokens.md](tokens.md) §1, §99 and §2", ["tokens.md §99"]),
        ("`tokens.md` §1,\n  # §99", ["tokens.md §99"]),
        ("tokens.md §6.99", ["tokens.md §6.99"]),
        ("RFC 9449 §99 says so", []),
    ],
)
def test_a_citation_of_a_missing_section_is_found(text, dangling):
    """The positive control."""
    assert find_dangling(text) == dangling
    assert find_dangling("as in §98", "tokens.md") == ["tokens.md §98"]


@pytest.mark.parametrize("page", PAGES)
def test_each_page_says_its_status_and_has_100_columns(page):
    text = PAGES[page]
    assert re.match(r"# [^\n]+\n\nStatus: ", text), "the first paragraph says the status"
    assert find_long_lines(text) == []


def test_a_long_line_is_found():
    """The positive control."""
    assert find_long_lines(f"{'x' * 101}\n|{'x' * 101}\n```json\n{'x' * 101}\n```") == [1, 4]


def test_the_map_names_each_page_and_each_noun_of_vectors():
    rows = re.findall(r"^\| \[([a-z-]+\.md)\]\(\1\) \|[^|]*\|([^|]*)\|", PAGES["README.md"], re.MULTILINE)
    assert {page for page, _ in rows} == PAGES.keys() - {"README.md"}
    vectors = (ROOT / "spec" / "vectors").glob("*.json")
    pages = {path.stem: json.loads(path.read_text(encoding="utf-8"))["page"] for path in vectors}
    assert {noun: page for page, nouns in rows for noun in re.findall(r"`([a-z_]+)`", nouns)} == pages
