"""The client's wheel stands alone: what it declares is enough, and nothing of a server comes with it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fresh_environment import (
    build_wheels,
    copy_sources,
    find_dependencies,
    make_environment,
)

pytestmark = pytest.mark.slow

PROBE = Path(__file__).with_name("probe.py")
TYPED_APPLICATION = '''
"""What an application's type checker must be able to follow."""

from pathlib import Path

import solekey
from solekey import Account, Item, ItemInfo, Progress, RevocationReason, Server, SolekeyError, UserKey


def show(done: int, total: int) -> None:
    print(done, total)


bar: Progress = show


def read(folder: Path, phrase: str) -> bytes:
    try:
        with UserKey.from_phrase(phrase) as key, solekey.open(folder, key=key) as account:
            opened: Account = account
            item: Item = opened.items.get("notes", progress=bar)
            found: list[ItemInfo] = account.items.list()
            sizes: list[int] = [info.size for info in found]
            with UserKey.make() as new:
                account.keys.change_user_key(new)
                account.devices.revoke(account.devices.find("phone").id, new, reason=RevocationReason.STOLEN)
            return item.content + bytes(len(sizes))
    except SolekeyError as error:
        code: str = error.code
        advice: str = error.diagnostics()
        raise SystemExit(f"{code}: {advice}") from error


server: Server = Server("https://solekey.example", ca_file=None)
'''


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    return build_wheels(copy_sources(folder / "sources"), folder)


@pytest.fixture(scope="module")
def python(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("fresh") / "venv", wheels)


def run(python: Path, *command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run in the fresh environment, with nothing of ours on any path."""
    alone = {"HOME": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=alone, capture_output=True, text=True, check=False, timeout=120
    )


def probe(python: Path, folder: Path) -> list[str]:
    done = run(python, str(python), "-I", str(PROBE), folder=folder)
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout.splitlines()


def test_the_wheels_are_whole_and_alone(python, tmp_path):
    assert [line for line in probe(python, tmp_path) if line] == []


def test_the_installed_command_runs(python, tmp_path):
    solekey = str(python.with_name("solekey"))
    shown = run(python, solekey, "--help", folder=tmp_path).stdout
    assert "You hold the sole key" in " ".join(shown.split())
    words = run(python, solekey, "user-key", "make", folder=tmp_path).stdout.split()
    assert len(words) == 24
    version = run(python, solekey, "--version", folder=tmp_path)
    assert version.stdout.startswith("solekey "), version.stderr


def test_a_type_checker_follows_the_public_names(python, tmp_path):
    application = tmp_path / "application.py"
    mypy = (sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--python-executable={python}")
    application.write_text(TYPED_APPLICATION)
    done = run(python, *mypy, str(application), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    application.write_text(TYPED_APPLICATION + "\nwrong: int = UserKey.make().to_phrase()\n")
    assert "Incompatible types" in run(python, *mypy, str(application), folder=tmp_path).stdout


def plant_import(sources: list[Path]) -> None:
    module = sources[1] / "solekey" / "runtime.py"
    module.write_text(module.read_text() + "\nimport nameko\n")


def plant_dependency(sources: list[Path]) -> None:
    manifest = sources[1] / "pyproject.toml"
    manifest.write_text(manifest.read_text().replace('"click", ', '"click", "sqlalchemy", '))


def plant_undeclared(sources: list[Path]) -> None:
    manifest = sources[1] / "pyproject.toml"
    manifest.write_text(manifest.read_text().replace('"segno", ', "").replace('"rich", ', ""))


def plant_untyped(sources: list[Path]) -> None:
    (sources[1] / "solekey" / "py.typed").unlink()


@pytest.mark.parametrize(
    ("plant", "finding"),
    [
        (plant_import, "No module named 'nameko'"),
        (plant_dependency, "sqlalchemy is installed"),
        (plant_untyped, "solekey is not typed"),
    ],
)
def test_what_is_planted_in_the_wheel_is_found(tmp_path, plant, finding):
    sources = copy_sources(tmp_path / "sources")
    plant(sources)
    python = make_environment(tmp_path / "venv", build_wheels(sources, tmp_path))
    assert [line for line in probe(python, tmp_path) if finding in line]


def test_a_dependency_that_is_not_declared_is_not_there(tmp_path, wheels):
    sources = copy_sources(tmp_path / "sources")
    plant_undeclared(sources)
    lesser = find_dependencies(build_wheels(sources, tmp_path))
    assert find_dependencies(wheels) - lesser >= {"segno", "rich"}
