"""Every lock installs with the oldest Python and the pip that it brings, whatever was released since.

A wheel of version 9999.0 of every project is in sight, as if all had been released today.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.engines.engine import EngineUnavailableError, give_up
from tests.support.repository import ROOT
from tests.system.installing.decoys import VERSION, cut_lock, make_decoys, normalise, read_pins

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REQUIREMENTS = ROOT / "requirements"
LOCKS = ("dev", "demo", "services", "client")
OPTIONS = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
"""What the Makefile and the Dockerfile install with."""
OLDEST = "python3.11"
FIXED_IN = 24
"""The first pip that applies a pin to a project's extras, too."""

WITH_AN_EXTRA = {"pytest-cov", "coverage", "pytest", "pluggy", "iniconfig", "packaging", "pygments"}
"""Projects of the lock of which one depends on another's extra: pytest-cov on coverage[toml]."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A new virtual environment, and a folder of releases that nobody has pinned."""

    folder: Path
    decoys: Path

    def pip(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run its pip, with the newer releases in sight."""
        command = [self.folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", *arguments]
        links = f"{self.decoys} {os.environ.get('PIP_FIND_LINKS', '')}"
        return subprocess.run(
            list(map(str, command)), env={**os.environ, "PIP_FIND_LINKS": links},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def report(self, *arguments: str | Path) -> dict[str, str]:
        """Tell what pip would install, project → version."""
        done = self.pip("install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-", *arguments)
        assert done.returncode == 0, done.stderr[-3000:]
        chosen = [one["metadata"] for one in json.loads(done.stdout)["install"]]
        return {normalise(one["name"]): one["version"] for one in chosen}

    def install(self, *arguments: str | Path) -> None:
        """Install for real."""
        done = self.pip("install", "--quiet", *arguments)
        assert done.returncode == 0, done.stderr[-3000:]

    def find_python_version(self) -> str:
        """Tell its Python's version."""
        command = [self.folder / "bin" / "python", "-c", "import platform; print(platform.python_version())"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def find_pip_version(self) -> int:
        """Tell the first number of its pip's version."""
        return int(self.pip("--version").stdout.split()[1].partition(".")[0])


@pytest.fixture(scope="module")
def decoys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a newer release of everything."""
    folder = tmp_path_factory.mktemp("released") / "today"
    make_decoys(folder, {"pip", *read_pins(REQUIREMENTS / "dev.txt", "3.11.0")})
    return folder


@pytest.fixture
def environment(tmp_path: Path, decoys: Path) -> Environment:
    """An empty environment with the pip that the oldest Python brings."""
    return make_environment(tmp_path / "venv", decoys)


@pytest.fixture(scope="module")
def with_installer(tmp_path_factory: pytest.TempPathFactory, decoys: Path) -> Environment:
    """An environment in which that pip has installed the locked one."""
    environment = make_environment(tmp_path_factory.mktemp("installer") / "venv", decoys)
    environment.install(*OPTIONS, "-r", REQUIREMENTS / "installer.txt")
    return environment


def make_environment(folder: Path, decoys: Path) -> Environment:
    python = shutil.which(OLDEST)
    if python is None:
        give_up(EngineUnavailableError(f"no {OLDEST} on the PATH: the oldest Python that Solekey supports"))
    subprocess.run([python, "-m", "venv", folder], check=True)
    return Environment(folder, decoys)


def test_the_makefile_installs_so() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "install --quiet --no-deps" in makefile
    assert "$(PIP) --require-hashes --only-binary :all:" in makefile


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_alone_decides(with_installer: Environment, lock: str) -> None:
    pins = read_pins(REQUIREMENTS / f"{lock}.txt", with_installer.find_python_version())
    assert with_installer.report(*OPTIONS, "-r", REQUIREMENTS / f"{lock}.txt") == pins


@pytest.mark.parametrize(
    ("lock", "packages"),
    [
        ("services", ("libs/protocol", "libs/eventlog", "libs/service", "services/auth", "services/vault")),
        ("client", ("libs/protocol", "clients/python")),
    ],
)
def test_a_lock_installs_into_an_empty_environment(
    environment: Environment, lock: str, packages: tuple[str, ...]
) -> None:
    for each in ("installer", lock):
        environment.install(*OPTIONS, "-r", REQUIREMENTS / f"{each}.txt")
    environment.install("--no-deps", "--no-build-isolation", *(ROOT / package for package in packages))
    checked = environment.pip("check")
    assert checked.returncode == 0, checked.stdout


def test_the_newer_releases_are_in_sight(environment: Environment, tmp_path: Path) -> None:
    """The positive control: what no lock pins becomes the newest, and so does an extra of what one pins."""
    assert environment.report("--no-deps", "coverage") == {"coverage": VERSION}
    few = tmp_path / "few.txt"
    few.write_text(cut_lock(REQUIREMENTS / "dev.txt", WITH_AN_EXTRA))
    resolved = environment.pip("install", "--quiet", "--dry-run", "--require-hashes", "-r", few)
    if environment.find_pip_version() < FIXED_IN:
        assert "must have their versions pinned" in resolved.stderr
        assert f"coverage-{VERSION}-py3-none-any.whl" in resolved.stderr
    else:
        assert resolved.returncode == 0, resolved.stderr
