"""The command's process leaves no core dump, and nobody of the same user attaches to it."""

import os
import pty
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from solekey.cli import solekey

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; Solekey's CI is Linux")

GET_DUMPABLE = "import ctypes; print('dumpable', ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)"
PLAIN = "input('Server: ')"
HARDENED = "import sys; from solekey.cli import main; sys.argv[0] = 'solekey'; main()"
SHOWS = f"import click; click.prompt = lambda *_, **__: exec({GET_DUMPABLE!r}) or input('Server: ')"


def raise_core_limit() -> None:
    """As much core as this machine allows, so that the limit of the process is its own doing."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


@contextmanager
def at_first_prompt(program: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a program at a terminal, and wait until it asks for the server."""
    master, terminal = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SOLEKEY_")}
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        preexec_fn=raise_core_limit,  # no thread runs here
    )
    os.close(terminal)
    shown = ""
    try:
        while "Server" not in shown:
            shown += os.read(master, 1024).decode()
        yield process, shown
    finally:
        process.kill()
        process.wait()
        os.close(master)


def read_core_limit(pid: int) -> tuple[str, str]:
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith("Max core file size"):
            return tuple(line.split()[4:6])
    raise AssertionError("no such limit")


def test_a_command_that_waits_for_an_answer_can_leave_no_core(tmp_path):
    with at_first_prompt(HARDENED, "--profile", str(tmp_path / "none"), "login") as (process, _):
        assert read_core_limit(process.pid) == ("0", "0")


def test_a_program_that_is_not_hardened_would_be_seen():
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    with at_first_prompt(f"{GET_DUMPABLE}; {PLAIN}") as (process, shown):
        expected = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
        assert read_core_limit(process.pid) == (expected, expected)
        assert "dumpable 1" in shown


def test_a_command_is_not_dumpable(tmp_path):
    with at_first_prompt(f"{SHOWS}\n{HARDENED}", "--profile", str(tmp_path / "none"), "login") as (_, shown):
        assert "dumpable 0" in shown


def test_the_library_leaves_its_applications_process_alone():
    before = resource.getrlimit(resource.RLIMIT_CORE)
    solekey.main(["--help"], standalone_mode=False)
    assert resource.getrlimit(resource.RLIMIT_CORE) == before
