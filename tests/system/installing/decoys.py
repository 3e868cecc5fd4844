"""Makes what may be released any day: a newer version of every project that a lock pins."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

VERSION = "9999.0"


def read_pins(lock: Path, python: str) -> dict[str, str]:
    """Read a lock as project → version for this machine with a version of Python, as its markers say."""
    from packaging.requirements import Requirement

    pins = {}
    for line in _read_requirements(lock):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(
            {"python_version": python.rpartition(".")[0], "python_full_version": python}
        ):
            (specifier,) = requirement.specifier
            pins[normalise(requirement.name)] = specifier.version
    return pins


def cut_lock(lock: Path, projects: set[str]) -> str:
    """Cut a lock down to some of its projects, with their hashes."""
    blocks = re.split(r"\n(?=\w)", lock.read_text())
    return "\n".join(block for block in blocks if block.partition("==")[0] in projects)


def _read_requirements(lock: Path) -> Iterator[str]:
    for line in lock.read_text().splitlines():
        if line and line[0] not in "# ":
            yield line.removesuffix("\\").strip()


def normalise(name: str) -> str:
    """Normalise a project's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def make_decoys(folder: Path, projects: set[str]) -> None:
    """Make a wheel of each project that is newer than any: a name, a version, and nothing in it."""
    folder.mkdir()
    for project in projects:
        stem = f"{project.replace('-', '_')}-{VERSION}"
        files = {
            "METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {VERSION}\nProvides-Extra: toml\n",
            "WHEEL": "Wheel-Version: 1.0\nGenerator: decoy\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            for name, content in files.items():
                wheel.writestr(f"{stem}.dist-info/{name}", content)
