"""Notebooks use the client's public package and nothing below it: what an auditor has installed."""

import json
from pathlib import Path

import pytest

from tests.support.repository import ROOT
from tests.support.tree import PACKAGE_FOLDERS, Import, read_imports

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OURS = set(PACKAGE_FOLDERS)


def read_code(notebook: Path) -> str:
    """Join a notebook's code cells, without IPython's magics."""
    cells = json.loads(notebook.read_text())["cells"]
    lines = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def find_trespasses(imports: list[Import]) -> list[str]:
    """List the imports of packages of ours that are not the client."""
    return [str(found) for found in imports if found.name.partition(".")[0] in OURS - {"solekey"}]


def test_every_notebook_imports_only_the_client() -> None:
    assert NOTEBOOKS
    for notebook in NOTEBOOKS:
        imports = list(read_imports(notebook, read_code(notebook)))
        assert imports
        assert find_trespasses(imports) == []


@pytest.mark.parametrize("line", ["import solekey_protocol", "from solekey_eventlog.bus import interface"])
def test_a_planted_import_is_found(line: str) -> None:
    assert find_trespasses(list(read_imports(Path("planted.ipynb"), line)))
