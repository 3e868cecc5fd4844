"""No file names a package registry's host or a path of one machine: the tree installs and runs anywhere."""

import re

import pytest

from tests.support.repository import ROOT
from tests.support.tree import list_tracked_files

# Each pattern spells one letter as a class, so that this file holds no host itself.
REGISTRY_HOSTS = re.compile(
    r"pyp[i]\.(org|io)|pythonhoste[d]\.|(repo1?|central)\.mave[n]|mave[n]\.apache\.org/mave[n]2"
    r"|registry\.npm[j]s|deb\.debia[n]"
)
MACHINE_PATHS = re.compile(r"(^|[^\w./-])/(work|farm|root)/", re.MULTILINE)
BINARY = {".pdf", ".png", ".gz", ".bin", ".sqlite"}


@pytest.mark.parametrize("pattern", [REGISTRY_HOSTS, MACHINE_PATHS], ids=["registry-host", "machine-path"])
def test_no_tracked_file_names(pattern: re.Pattern[str]) -> None:
    files = [path for path in list_tracked_files() if path.suffix not in BINARY]
    assert ROOT / "pyproject.toml" in files
    named = [
        f"{path.relative_to(ROOT)}: {found.group()}"
        for path in files
        for found in pattern.finditer(path.read_text(errors="replace"))
        if not (pattern is MACHINE_PATHS and path.suffix == ".svg")
    ]
    assert named == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (REGISTRY_HOSTS, f"--index-url https://{'pypi'}.org/simple"),
        (REGISTRY_HOSTS, f"https://files.{'pythonhosted'}.org/packages"),
        (REGISTRY_HOSTS, f"https://{'repo1'}.maven.org"),
        (REGISTRY_HOSTS, f"http://{'deb'}.debian.org"),
        (MACHINE_PATHS, f"cd /{'work'}/main"),
        (MACHINE_PATHS, f"/{'root'}/.cache"),
    ],
)
def test_a_planted_name_is_found(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
