"""A user key change that never gets to the end of its beginning: the old words go on to work.

The new user key comes into force only when its words were entered again. Whatever happens before, with real
processes: a pipe that nobody reads, a full disk before the kit is written, a terminal that is closed.
Spec: recovery.md §4, rotation.md §3.1.
"""

import os
import resource
import signal
import subprocess
from functools import partial

import pytest

from solekey.errors import WrongUserKeyError
from tests.support.people.library_user import LibraryUser
from tests.support.people.terminal_user import SOLEKEY
from tests.support.terminal import Terminal

FILE_LIMIT_BYTES = 2048
"""No kit is so short, and no index: to write one meets the limit, as on a full disk."""
pytestmark = pytest.mark.slow


def environment(user: LibraryUser) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(user.folder),
        "SOLEKEY_PROFILE": str(user.folder / "laptop"),
        "SOLEKEY_USER_KEY": user.phrase,
    }


def verify_old_words_work(user: LibraryUser) -> None:
    """The old words open everything, no rotation is open, and a new one can be made."""
    with user.open("laptop") as session, session.unlock(user.key()) as vault:
        assert session.streams.rotation.open is None
        assert not session.streams.rotation.rotations
        assert vault.get("note").content == b"kept"


@pytest.fixture
def writer(ada: LibraryUser) -> LibraryUser:
    with ada.open("laptop") as session, session.unlock(ada.key()) as vault:
        vault.put("note", "kept")
    return ada


def test_a_pipe_that_nobody_reads(writer: LibraryUser) -> None:
    """`rotate user-key | head -c0`: the words cannot be shown, so they never count, and it says so."""
    kit = writer.folder / "new.pdf"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [SOLEKEY, "rotate", "user-key", "--accept-risk", "--kit", kit],
        env=environment(writer),
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert f"nothing was changed. Delete {kit}" in done.stderr
    verify_old_words_work(writer)


def test_a_full_disk_before_the_kit_is_there(writer: LibraryUser) -> None:
    limit = (FILE_LIMIT_BYTES, FILE_LIMIT_BYTES)
    kit = writer.folder / "new.pdf"
    done = subprocess.run(
        [SOLEKEY, "rotate", "user-key", "--accept-risk", "--kit", kit],
        env=environment(writer) | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=partial(_limit_files, limit),  # no thread of ours holds a lock here
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "[disk_full]" in done.stderr
    assert not kit.exists()
    verify_old_words_work(writer)


def test_control_the_same_command_with_nothing_in_its_way(writer: LibraryUser) -> None:
    kit = writer.folder / "new.pdf"
    done = subprocess.run(
        [SOLEKEY, "rotate", "user-key", "--accept-risk", "--kit", kit],
        env=environment(writer),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert kit.exists()
    with pytest.raises(WrongUserKeyError):
        verify_old_words_work(writer)


def test_a_terminal_that_is_closed_at_the_re_entry(writer: LibraryUser) -> None:
    command = (SOLEKEY, "rotate", "user-key", "--kit", writer.folder / "new.pdf")
    with Terminal(*command, folder=writer.folder, environment=environment(writer)) as terminal:
        terminal.expect("Then press Enter")
        terminal.type("")
        terminal.expect("Words from 1 to 24")
        ended = terminal.hang_up()
    assert ended != 0
    verify_old_words_work(writer)


def _limit_files(limit: tuple[int, int]) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
