"""The docstring of each library is a map of it: each module stands there, and nothing else."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.repository import ROOT

LIBRARIES = sorted(ROOT.glob("libs/*/solekey_*/__init__.py"))


def find_differences(names: set[str], source: str) -> set[str]:
    """What stands on the map and is not there, and what is there and not on the map."""
    page = ast.get_docstring(ast.parse(source)) or ""
    return names ^ set(re.findall(r"\b[a-z_]+(?:\.py|/)(?=[\s:])", page.partition("Map\n")[2]))


def list_rooms(library: Path) -> set[str]:
    modules = {path.name for path in library.parent.glob("*.py")} - {"__init__.py"}
    return modules | {f"{path.parent.name}/" for path in library.parent.glob("*/__init__.py")}


@pytest.mark.parametrize("library", LIBRARIES, ids=[path.parent.name for path in LIBRARIES])
def test_each_module_stands_on_the_map(library: Path) -> None:
    assert find_differences(list_rooms(library), library.read_text(encoding="utf-8")) == set()


def test_there_are_three_libraries() -> None:
    assert {path.parent.name for path in LIBRARIES} == {
        "solekey_protocol",
        "solekey_eventlog",
        "solekey_service",
    }


@pytest.mark.parametrize("gone", ["store.py ", "bus/ "])
def test_a_module_that_is_missing_is_found(gone: str) -> None:
    """The positive control: a map without it, and a map of what is not there."""
    library = next(path for path in LIBRARIES if path.parent.name == "solekey_eventlog")
    source, rooms = library.read_text(encoding="utf-8"), list_rooms(library)
    assert find_differences(rooms, source.replace(gone, " ")) == {gone.strip()}
    assert find_differences(rooms - {gone.strip()}, source) == {gone.strip()}
