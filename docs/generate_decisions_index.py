"""Writes the list of docs/decisions/README.md from the pages: ``python docs/generate_decisions_index.py``.

A test compares.
"""

import re
import textwrap
from pathlib import Path

FOLDER = Path(__file__).with_name("decisions")
PAGE = FOLDER / "README.md"
COLUMNS = 100


def render() -> str:
    """Render the page: its own text up to the list, then an entry for each decision."""
    before, _, _ = PAGE.read_text(encoding="utf-8").partition("\n- [")
    pages = sorted(FOLDER.glob("[0-9]*.md"))
    entries = (_describe(path.name, path.read_text(encoding="utf-8")) for path in pages)
    return before + "\n" + "".join(f"{entry}\n" for entry in entries)


def read_successors(name: str, text: str) -> set[str]:
    """Read which pages the status names as what supersedes this one."""
    status = " ".join(text.split("\n\n")[1].split())
    sentences = [each for each in re.split(r"\. (?=[A-Z])", status) if "superseded by" in each]
    return {linked for each in sentences for linked in re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", each)} - {name}


def _describe(name: str, text: str) -> str:
    title = re.sub(r"# \d{4} ", "", text.partition("\n")[0])
    successors = ", ".join(f"[{other[:4]}]({other})" for other in sorted(read_successors(name, text)))
    entry = f"- [{name[:4]}]({name}) {title}"
    if successors:
        entry += f" (in part superseded by {successors})"
    return textwrap.fill(
        entry, COLUMNS, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
