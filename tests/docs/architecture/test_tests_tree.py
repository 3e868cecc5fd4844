"""The tests tree is as tests/README.md draws it, so that a test and a helper are found at the first try."""

import ast
import re
from pathlib import Path

from tests.support.repository import TESTS
from tests.support.tree import PACKAGE_FOLDERS

SOURCES = sorted(path for path in TESTS.rglob("*.py") if "__pycache__" not in path.parts)
SUITES = ("unit", "system", "docs")


def name_suite(*parts: str) -> str:
    """Name the folder whose files may import each other: a package's tests, one system suite, one of docs."""
    return "/".join(parts[:2]) if TESTS.joinpath(*parts[:2]).is_dir() else parts[0]


def find_trespasses(path: Path, source: str) -> list[str]:
    """List what a file imports from another suite's folder or from a conftest."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("tests."):
            continue
        module = node.module or ""
        suite = name_suite(*module.split(".")[1:])
        allowed = module.startswith("tests.support") or suite == name_suite(*path.relative_to(TESTS).parts)
        if not allowed or module.endswith("conftest"):
            found.append(module)
    return found


def test_there_are_four_folders() -> None:
    folders = {path.name for path in TESTS.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == {*SUITES, "support"}


def test_each_package_has_its_tests() -> None:
    """libs/protocol is tested in unit/protocol, services/auth in unit/auth, clients/python in unit/client."""
    folders = [folder.replace("clients/python", "clients/client") for folder in PACKAGE_FOLDERS.values()]
    packages = {folder.split("/")[1] for folder in folders}
    assert {path.name for path in (TESTS / "unit").iterdir() if path.name != "__pycache__"} == packages


def test_nothing_is_imported_from_a_conftest_or_from_another_suite() -> None:
    found = {path: find_trespasses(path, path.read_text()) for path in SOURCES}
    assert {path: modules for path, modules in found.items() if modules} == {}


def test_support_holds_no_tests() -> None:
    assert [
        path for path in SOURCES if path.is_relative_to(TESTS / "support") and path.stem.startswith("test_")
    ] == []


def test_only_a_package_with_something_to_say_has_an_init() -> None:
    packages = [path for path in SOURCES if path.name == "__init__.py"]
    assert [path for path in packages if not path.read_text().strip()] == []


def test_every_place_that_the_map_names_exists() -> None:
    named = re.findall(r"`((?:unit|system|docs|support)/[\w./]*)`", (TESTS / "README.md").read_text())
    assert len(named) > 20
    assert [name for name in named if not (TESTS / name).exists()] == []


def test_an_import_across_suites_is_found() -> None:
    """The positive control."""
    here = TESTS / "unit" / "vault" / "test_api.py"
    for module in ("tests.unit.auth.test_login", "tests.unit.vault.conftest", "tests.system.deploy.readme"):
        assert find_trespasses(here, f"from {module} import something") == [module]
    for module in ("tests.support.actors", "tests.unit.vault.vault_rig"):
        assert find_trespasses(here, f"from {module} import something") == []
