"""Builds the client's wheels, and installs them into an environment that has what they declare and no more.

The declared dependencies are copied, file by file, from the environment that the tests run in: no network is
needed, and what a wheel does not declare is not there.
"""

import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable
from email.parser import BytesParser
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.repository import ROOT

PACKAGES = (ROOT / "libs" / "protocol", ROOT / "clients" / "python")


def copy_sources(into: Path) -> list[Path]:
    """Copy what the wheels are built from, so that a test may plant something in it."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "dist", "build")
    return [shutil.copytree(package, into / package.name, ignore=ignored) for package in PACKAGES]


def build_wheels(sources: Iterable[Path], into: Path) -> list[Path]:
    """Build a wheel of each package."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    command = [*pip, "--no-build-isolation", "--no-deps", "--no-index", "-w", str(into), *map(str, sources)]
    subprocess.run(command, check=True)
    return sorted(into.glob("*.whl"))


def read_requirements(wheel: Path, extras: Iterable[str] = ()) -> list[Requirement]:
    """What a wheel says that it needs, with these of its extras."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = BytesParser().parsebytes(archive.read(name)).get_all("Requires-Dist") or []
    return [requirement for line in lines if _applies(requirement := Requirement(line), extras)]


def find_dependencies(wheels: Iterable[Path], extras: Iterable[str] = ()) -> set[str]:
    """The distributions that the wheels need, and those that these need; normalised names."""
    found: dict[str, set[str]] = {}
    ours = {_normalise(wheel.name.split("-")[0]) for wheel in wheels}
    waiting = [requirement for wheel in wheels for requirement in read_requirements(wheel, extras)]
    while waiting:
        requirement = waiting.pop()
        name = _normalise(requirement.name)
        if name in ours or (name in found and set(requirement.extras) <= found[name]):
            continue
        found.setdefault(name, set()).update(requirement.extras)
        needs = (Requirement(line) for line in distribution(name).requires or [])
        waiting += [need for need in needs if _applies(need, requirement.extras)]
    return set(found)


def make_environment(folder: Path, wheels: list[Path], extras: Iterable[str] = ()) -> Path:
    """Make an environment with the wheels and what they declare, with these extras; return its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    )
    for name in find_dependencies(wheels, extras):
        _copy_distribution(name, site)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    install = [*pip, "install", "--quiet", "--no-index", "--no-deps", *map(str, wheels)]
    subprocess.run(install, check=True)
    subprocess.run([*pip, "check"], check=True, stdout=subprocess.DEVNULL)
    return python


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _copy_distribution(name: str, site: Path) -> None:
    for file in distribution(name).files or []:
        source = Path(str(file.locate()))
        if ".." not in file.parts and source.suffix != ".pyc" and source.is_file():  # no scripts in bin/
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
