"""Real processes, killed for real, against the real platform: run again they go on, with the same bytes."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from solekey_protocol.limits import MAX_PART_BYTES, MIB
from tests.support.client.transfers import list_files
from tests.support.people.library_user import LibraryUser
from tests.support.platform_process import PlatformProcess
from tests.system.platform import transfer_program

pytestmark = pytest.mark.slow

MARKER = b"the plaintext of the film, again and again; "
PARTS = 5


@pytest.fixture
def ada(platform: PlatformProcess, tmp_path: Path) -> LibraryUser:
    person = LibraryUser(platform, tmp_path, username=f"killed{os.urandom(4).hex()}")
    person.sign_up().close()
    return person


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A file of several parts, whose plaintext is easily found."""
    path = tmp_path / "film"
    size = (PARTS - 1) * MAX_PART_BYTES + MIB // 2
    path.write_bytes((MARKER * (size // len(MARKER) + 1))[: size - 20] + os.urandom(20))
    return path


def start(ada: LibraryUser, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, transfer_program.__file__, str(ada.folder / "laptop"), *arguments]
    environment = {**os.environ, "SOLEKEY_USER_KEY": ada.phrase}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def kill_at(ada: LibraryUser, what: str, file: Path, phase: str, fraction: float) -> None:
    done = start(ada, what, str(file), phase, str(fraction))
    assert done.returncode == -signal.SIGKILL, done.stderr


def go_on(ada: LibraryUser, what: str, file: Path) -> dict[str, int]:
    done = start(ada, what, str(file))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def find_plaintext(folder: Path, *, but: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and path != but]
    return [path for path in files if MARKER in path.read_bytes()]


@pytest.mark.parametrize(("phase", "fraction"), [("SEAL", 0.5), ("SEND", 0.5), ("SEND", 1)])
def test_an_upload_that_is_killed_goes_on(
    ada: LibraryUser, film: Path, tmp_path: Path, phase: str, fraction: float
):
    kill_at(ada, "put", film, phase, fraction)
    uploads = list_files(ada.folder / "laptop" / "uploads")
    assert {name.rpartition(".")[2] for name in uploads} - {"lock"} == (
        set() if phase == "SEAL" else {"json", "sealed"}
    )
    counts = go_on(ada, "put", film)
    change_list = 1
    if phase == "SEAL":
        assert counts["put"] == PARTS + change_list
    elif fraction == 1:
        assert counts["put"] == change_list
    else:
        assert change_list < counts["put"] < PARTS + change_list
    assert list_files(ada.folder / "laptop" / "uploads") == []
    back = tmp_path / "back"
    go_on(ada, "get", back)
    assert back.read_bytes() == film.read_bytes()


def test_a_file_that_changed_after_the_kill_is_sealed_anew(ada: LibraryUser, film: Path, tmp_path: Path):
    kill_at(ada, "put", film, "SEND", 0.5)
    with film.open("r+b") as file:
        file.write(b"changed")
    assert go_on(ada, "put", film)["put"] == PARTS + 1
    back = tmp_path / "back"
    go_on(ada, "get", back)
    assert back.read_bytes() == film.read_bytes()


def test_a_download_that_is_killed_goes_on_and_leaves_no_plaintext(
    ada: LibraryUser, film: Path, tmp_path: Path
):
    go_on(ada, "put", film)
    target = tmp_path / "target" / "film"
    target.parent.mkdir()
    for phase, fraction in (("FETCH", 0.5), ("FETCH", 1), ("OPEN", 0.5), ("OPEN", 1)):
        kill_at(ada, "get", target, phase, fraction)
        assert list_files(target.parent) == []
        assert find_plaintext(tmp_path, but=film) == []
    counts = go_on(ada, "get", target)
    assert "fetch" not in counts  # all of it was there
    assert target.read_bytes() == film.read_bytes()
    assert find_plaintext(tmp_path, but=film) == [target]  # the search finds what is there
    assert list_files(ada.folder / "laptop" / "downloads") == []
    kill_at(ada, "get", target, "FETCH", 0.5)
    counts = go_on(ada, "get", target)
    assert 0 < counts["fetch"] < PARTS
    assert target.read_bytes() == film.read_bytes()


def test_the_command_goes_on_after_a_kill(ada: LibraryUser, film: Path, tmp_path: Path):
    """The same through the command line; standard input in constant memory; a bar on a real terminal."""
    environment = {
        **os.environ,
        "SOLEKEY_USER_KEY": ada.phrase,
        "SOLEKEY_PROFILE": str(ada.folder / "laptop"),
        "TERM": "xterm",
        "COLUMNS": "140",
    }
    command = [sys.executable, "-c", "from solekey.cli import main; main()"]
    kill_at(ada, "put", film, "SEND", 0.5)
    shown = run_on_a_terminal([*command, "put", str(film), "--name", "film"], environment)
    assert "put film: sending" in shown
    assert re.search(r"\d+\.\d/\d+\.\d MB", shown)
    assert "Stored “film”, version 1." in shown
    kill_at(ada, "get", tmp_path / "back", "FETCH", 0.5)
    shown = run_on_a_terminal([*command, "get", "film", "-o", str(tmp_path / "back")], environment)
    assert "get film: fetching" in shown
    assert (tmp_path / "back").read_bytes() == film.read_bytes()
    with film.open("rb") as source:
        piped = subprocess.run(
            [*command, "put", "-", "--name", "pipe"],
            env=environment,
            stdin=source,
            capture_output=True,
            check=True,
        )
    assert (piped.stdout, piped.stderr) == (b"", "Stored “pipe”, version 1.\n".encode())
    got = subprocess.run([*command, "get", "pipe"], env=environment, capture_output=True, check=True)
    assert got.stdout == film.read_bytes()
    assert got.stderr == b""


def run_on_a_terminal(command: list[str], environment: dict[str, str]) -> str:
    """Run a command with standard error on a terminal of its own; returns what was shown."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # how Linux says that nobody has the terminal open any more
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode()
