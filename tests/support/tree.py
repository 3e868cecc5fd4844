"""The tree as the architecture tests see it: packages, their modules, and what each module imports."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from solekey_protocol.services import Service
from tests.support.repository import ROOT

SERVICES = tuple(service.value for service in Service)
SERVER_FOLDERS = {
    "solekey_protocol": "libs/protocol",
    "solekey_eventlog": "libs/eventlog",
    "solekey_service": "libs/service",
    **{f"solekey_{service}": f"services/{service}" for service in SERVICES},
    "solekey_standalone": "services/standalone",
}
PACKAGE_FOLDERS = {**SERVER_FOLDERS, "solekey": "clients/python"}
"""Each package of ours and the folder (beside its pyproject.toml) that holds it."""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name, in full: ``from a.b import c`` is ``a.b.c``."""

    path: Path
    line: int
    name: str

    def is_within(self, package: str) -> bool:
        return self.name == package or self.name.startswith(f"{package}.")

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line} imports {self.name}"


def find_modules(package: str, root: Path = ROOT) -> list[Path]:
    """Find the Python files of one of our packages."""
    return sorted((root / PACKAGE_FOLDERS[package] / package).rglob("*.py"))


def read_imports(path: Path, source: str | None = None) -> Iterator[Import]:
    """Read every import of a module, wherever in the module it stands."""
    for node in ast.walk(ast.parse(path.read_text() if source is None else source)):
        if isinstance(node, ast.Import):
            yield from (Import(path, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides from these tests"
            yield from (Import(path, node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def read_calls(path: Path, source: str | None = None) -> Iterator[tuple[int, str]]:
    """Read every call as (line, dotted name): ``datetime.now()`` is ``datetime.now``."""
    for node in ast.walk(ast.parse(path.read_text() if source is None else source)):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def list_tracked_files() -> list[Path]:
    """List what git tracks or would add, so that a file counts before it is committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
