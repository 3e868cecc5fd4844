"""The table of docs/architecture.md that leads from the word one searches for to the file that has it."""

import re
from pathlib import Path

from solekey_protocol.services import Service
from tests.support.repository import ROOT

ROWS = re.findall(
    r"^\| ([^|]+) \| ([^|]+) \|$",
    (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Where is …?")[2],
    re.MULTILINE,
)[1:]


def read(path: Path) -> str:
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def find_mistakes(term: str, places: str) -> list[str]:
    """What is wrong with a row: paths that are not there, and a word that its files do not have."""
    names = [name for name in re.findall(r"`([^`]+)`", places) if "/" in name[1:]]
    paths = [ROOT / name.replace("<name>", service) for name in names for service in Service]
    missing = [str(path) for path in paths if not path.exists()]
    word = term.split()[0].lower()
    if not missing and not any(word in read(path).lower() for path in paths):
        missing.append(word)
    return missing if paths else ["no path"]


def test_what_is_looked_for_is_there() -> None:
    assert len(ROWS) > 15
    assert [mistakes for term, places in ROWS if (mistakes := find_mistakes(term, places))] == []


def test_a_row_that_leads_nowhere_is_found() -> None:
    """The positive control: a file that was moved, and a word that its file does not have."""
    assert find_mistakes("padding", "`libs/padding.py`") == [str(ROOT / "libs/padding.py")] * len(Service)
    assert find_mistakes("zebra", "`libs/eventlog/solekey_eventlog/store.py`") == ["zebra"]
