"""What an embedded platform depends on is lost: it refuses to start, says what, and makes nothing anew."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.standalone.test_platform import START_S, arguments, find_port, run_platform

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a platform that has run."""
    data = tmp_path_factory.mktemp("lost") / "data"
    with run_platform(data, find_port()) as platform:
        platform.stop()
    return data


@pytest.fixture
def data(used: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(used, tmp_path / "data"))


def refuse(data: Path) -> str:
    """Start it; return the one line that it says."""
    done = subprocess.run(
        arguments(data, find_port()), capture_output=True, text=True, timeout=START_S, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    return done.stderr


def remove(data: Path, name: str) -> None:
    for path in data.glob(f"{name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


PARTS = (
    "bus.db",
    "auth.db",
    "vault.db",
    "objects",
    "operator/operator_key",
    "operator/signing_key",
    "tls/ca.pem",
)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_gone_is_named_and_not_made_anew(data: Path, name: str) -> None:
    remove(data, name)
    said = refuse(data)
    assert f"{name} is missing" in said
    assert "Restore the whole folder from one backup" in said
    assert not (data / name).exists()


def test_an_older_bus_is_refused(data: Path) -> None:
    """All files are there, but the log is a fresh one: what the databases have published is not in it."""
    remove(data, "bus.db")
    remove(data, "founded")  # as if only the databases had been brought here
    assert "solekey.auth.v1" in (said := refuse(data))
    assert "Restore the log and the databases from one backup" in said


def test_another_operator_key_is_refused(data: Path) -> None:
    (data / "operator" / "operator_key").write_text("a1" * 32)
    said = refuse(data)
    assert "operator_key: not the one that this database was founded with" in said
    assert "a1a1" not in said


def test_another_operator_key_replaces_the_former_one_beside_it(data: Path) -> None:
    operator = data / "operator"
    (operator / "operator_key").rename(operator / "former_operator_key")
    (operator / "operator_key").write_text("a1" * 32)
    command = [sys.executable, "-m", "solekey_standalone", "--data-dir", str(data), "auth", "operator-key"]
    for _ in ("with both", "with the new one alone"):
        told = subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=True).stdout
        assert "the operator key in force has replaced 1\n" in told
        (operator / "former_operator_key").unlink(missing_ok=True)


def test_a_database_that_is_gone_is_refused_also_without_the_list(data: Path) -> None:
    remove(data, "auth.db")
    remove(data, "founded")
    assert "its database has none" in refuse(data)


def test_positive_control_the_whole_folder_starts_elsewhere(data: Path) -> None:
    with run_platform(data, find_port()) as platform, platform.client() as client:
        assert client.get("/v1/auth/health").status_code == 200
