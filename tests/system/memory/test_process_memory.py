"""How many copies of the keys are in a real program's memory: inside the unlocked block, and after it.

Python does not promise zero, so zero is not asserted: only that the scan sees the keys while they are in use,
and that the end of the block takes copies away. The numbers of this test are in the record of the decision,
docs/decisions/0023-memory-and-disk.md; `-s` prints them.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.people.library_user import LibraryUser
from tests.support.platform_process import PlatformProcess
from tests.system.memory.canaries import collect_data_keys, collect_user_key
from tests.system.memory.process_memory import count_copies

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; Solekey's CI is Linux"),
]

PROGRAM = Path(__file__).with_name("unlocking_program.py")
KEYS = ("user key", "user key's wrapping key", "user key's signing key", "data key 1")


@contextmanager
def running(profile: Path, phrase: str, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the program, and hand it the words as a person does: at its standard input."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(profile), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(phrase.encode() + b"\n")
    process.stdin.flush()
    try:
        yield process
    finally:
        process.communicate(timeout=30)


def count_at_each_step(
    profile: Path, phrase: str, secrets: dict[str, bytes], *options: str
) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    with running(profile, phrase, *options) as process:
        for step in ("before", "inside", "after"):
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline().decode().strip() == step
            counts[step] = count_copies(process.pid, secrets)
            process.stdin.write(b".")
            process.stdin.flush()
        assert process.wait(30) == 0
    return counts


@pytest.fixture(scope="module")
def person(platform: PlatformProcess, tmp_path_factory: pytest.TempPathFactory) -> LibraryUser:
    person = LibraryUser(platform, tmp_path_factory.mktemp("memory"), username="memory")
    person.sign_up().close()
    return person


@pytest.fixture(scope="module")
def secrets(person: LibraryUser) -> dict[str, bytes]:
    with person.open("laptop") as session, session.unlock(person.key()) as vault:
        return {**collect_user_key(person.phrase, session.account), **collect_data_keys(vault)}


def test_the_end_of_the_block_takes_the_keys_out_of_memory(person, secrets, record_property):
    counts = count_at_each_step(person.folder / "laptop", person.phrase, secrets)
    for step, found in counts.items():
        record_property(step, str(found))
        print(step, found)
    for key in KEYS:
        assert counts["inside"][key] >= 1
        assert counts["after"][key] < counts["inside"][key]


def test_a_copy_that_an_application_keeps_is_seen(person, secrets):
    counts = count_at_each_step(person.folder / "laptop", person.phrase, secrets, "--keep-a-copy")
    assert counts["after"]["data key 1"] >= 1
