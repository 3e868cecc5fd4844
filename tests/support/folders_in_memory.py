"""Folders of quick tests lie in memory where there is room: they use files often, and keep little."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Final

import pytest

from solekey_protocol.limits import MIB

TAKES_LONG: Final = ("docker", "kafka", "postgres", "slow")
"""Markers of tests that write much, or whose files another program must find: these lie on the disk."""

_MEMORY: Final = Path("/dev/shm")  # each session makes a folder of its own in it
_ROOM_BYTES: Final = 2048 * MIB
_FAILED: Final = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture(scope="session")
def memory_folder() -> Iterator[Path | None]:
    """A folder in memory that ends with the session; None where there is no such room."""
    if not _has_room():
        yield None
        return
    with TemporaryDirectory(prefix="solekey-tests-", dir=_MEMORY, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def tmp_path(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, memory_folder: Path | None
) -> Iterator[Path]:
    """As pytest's own. A test that failed leaves its folder where pytest keeps those."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    if memory_folder is None or any(map(request.node.get_closest_marker, TAKES_LONG)):
        yield tmp_path_factory.mktemp(name)
        return
    folder = Path(mkdtemp(prefix=f"{name}-", dir=memory_folder))
    yield folder
    if request.node.stash.get(_FAILED, False):
        shutil.move(folder, tmp_path_factory.mktemp(name))
    shutil.rmtree(folder, ignore_errors=True)


def _has_room() -> bool:
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return False
    free, runs_programs = found.f_bavail * found.f_frsize, not found.f_flag & os.ST_NOEXEC
    return os.access(_MEMORY, os.W_OK) and runs_programs and free >= _ROOM_BYTES
