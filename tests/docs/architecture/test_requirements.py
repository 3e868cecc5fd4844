"""The locked requirements are what the packages declare: complete, hashed, the same version everywhere."""

import re
import tomllib

import pytest

from tests.support.repository import ROOT
from tests.support.tree import PACKAGE_FOLDERS, SERVER_FOLDERS

REQUIREMENTS = ROOT / "requirements"
LOCKS = ("dev", "demo", "services", "client")


def normalise(requirement: str) -> str:
    """Cut a requirement down to its project's normalised name."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[]", requirement.strip(), maxsplit=1)[0]).lower()


def read_declared(package: str, *extras: str) -> set[str]:
    """Read what a package's own pyproject.toml depends on, without packages of ours."""
    project = tomllib.loads((ROOT / PACKAGE_FOLDERS[package] / "pyproject.toml").read_text())["project"]
    declared = [*project.get("dependencies", [])]
    for extra in extras:
        declared += project["optional-dependencies"][extra]
    ours = {name.replace("_", "-") for name in PACKAGE_FOLDERS}
    return {normalise(each) for each in declared} - ours


def read_input(name: str) -> set[str]:
    """Read the projects that an input file names."""
    lines = (
        line.partition("#")[0].strip() for line in (REQUIREMENTS / f"{name}.in").read_text().splitlines()
    )
    return {normalise(line) for line in lines if line and not line.startswith("-")}


def read_lock(name: str) -> dict[str, set[str]]:
    """Read a lock as project -> its pins (several where they depend on the Python version)."""
    pins: dict[str, set[str]] = {}
    for line in (REQUIREMENTS / f"{name}.txt").read_text().splitlines():
        if line and line[0] not in "# ":
            pins.setdefault(normalise(line), set()).add(re.split(r"[ ;\\]", line, maxsplit=1)[0])
    return pins


def test_inputs_are_what_the_packages_declare() -> None:
    server = set.union(*(read_declared(package) for package in SERVER_FOLDERS))
    client = read_declared("solekey", "keyring", "passkey", "pkcs11") | read_declared("solekey_protocol")
    assert read_input("services") == server
    assert read_input("client") == client
    assert read_input("audit") == read_declared("solekey", "audit") - read_declared("solekey")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_its_inputs_with_hashes(lock: str) -> None:
    inputs = {
        "dev": ("services", "client", "audit", "build", "test"),
        "demo": ("services", "client", "audit", "build"),
        "services": ("services", "build"),
        "client": ("client", "build"),
    }[lock]
    pins = read_lock(lock)
    assert set.union(*(read_input(name) for name in inputs)) <= set(pins)
    for block in re.split(r"\n(?=\w)", (REQUIREMENTS / f"{lock}.txt").read_text())[1:]:
        assert "==" in block.splitlines()[0]
        assert "--hash=sha256:" in block


@pytest.mark.parametrize("lock", LOCKS)
def test_a_version_is_the_same_in_every_lock(lock: str) -> None:
    everything = read_lock("dev")
    assert all(pins <= everything[project] for project, pins in read_lock(lock).items())


def test_the_lock_of_the_notebooks_is_that_of_the_demo_and_jupyterlab() -> None:
    notebooks, everything = read_lock("notebooks"), read_lock("dev")
    assert read_input("notebooks") == {"jupyterlab"}
    assert read_lock("demo").keys() | {"jupyterlab"} <= notebooks.keys()
    assert all(pins <= everything[project] for project, pins in notebooks.items() if project in everything)


def test_the_server_image_gets_no_client_only_project() -> None:
    assert {"httpx", "mnemonic", "rich", "pandas"}.isdisjoint(read_lock("services"))
