"""A profile on a disk that is full: nothing is lost, and work goes on once there is room again."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from solekey.errors import DiskFullError
from tests.support.client.world import World

MIB = 1024 * 1024


@pytest.fixture
def small_disk(home: World) -> Iterator[Path]:
    """The laptop's profile on a file system of its own, of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system; CI is root")
    profile = home.folder / "laptop"
    kept = home.folder / "kept"
    profile.rename(kept)
    profile.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(profile)], check=True)
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", str(profile)], check=True)
        yield profile
    finally:
        subprocess.run(["umount", "-l", str(profile)], check=True)


def fill(profile: Path) -> Path:
    """Take all room that is left."""
    ballast = profile / "ballast"
    with ballast.open("wb") as file:
        for size in (65536, 1):
            try:
                while True:
                    os.write(file.fileno(), bytes(size))
            except OSError:
                continue
    return ballast


@pytest.mark.slow
def test_a_full_profile_loses_nothing_and_goes_on(home: World, small_disk: Path, tmp_path: Path) -> None:
    film = tmp_path / "film"
    film.write_bytes(os.urandom(2 * MIB))
    with home.reopen("laptop").unlock(home.key()) as vault:
        vault.put("before", b"1")
    ballast = fill(small_disk)
    with pytest.raises(DiskFullError), home.reopen("laptop").unlock(home.key()) as vault:
        vault.put_file(film, "film")
    ballast.unlink()
    with home.reopen("laptop").unlock(home.key()) as vault:
        vault.put_file(film, "film")
        vault.put("after", b"2")
        assert vault.get("film").content == film.read_bytes()
    with home.reopen("laptop").unlock(home.key()) as vault:
        assert {name: vault.get(name).content for name in ("before", "after")} == {
            "before": b"1",
            "after": b"2",
        }
