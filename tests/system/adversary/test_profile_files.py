"""Every file of a profile, damaged in every way: what is read is right, or named; a pin never disappears.

Two servers are behind each damaged profile: an honest one, and one that was rolled back. At the honest one
the reading succeeds or ends as damage of the profile; at the other one nothing old is ever shown.
Spec: hostile-server.md §2.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.client.world import make_argon2_quick
from tests.system.adversary.reading.history_attacks import roll_back_all
from tests.system.adversary.reading.scene import History, Scene, find_code

pytestmark = pytest.mark.slow
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "empty": lambda _: b"",
    "cut": lambda data: data[: len(data) // 2],
    "cut by a byte": lambda data: data[:-1],
    "zeroed": lambda data: bytes(len(data)),
    "flipped first": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "flipped in the middle": lambda data: flip(data, len(data) // 2),
    "flipped near the end": lambda data: flip(data, -3),
    "deleted": lambda _: None,
}
OF_THE_PROFILE = {"profile_damaged", "profile_unusable", "profile_missing", "not_logged_in"}
"""How a reading may end that is none of the server's fault."""
PINS = ("heads.json", "server-ca.pem")
"""Without them a server could be another one, or go back: they never count as absent."""
NO_PROFILE_WITHOUT = ("profile.json", "device.key")
SAME_FOR_ALL = {*NO_PROFILE_WITHOUT, "server-ca.pem", "session.json"}


def flip(data: bytes, at: int) -> bytes:
    spoilt = bytearray(data)
    spoilt[at] ^= 1
    return bytes(spoilt)


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a profile that has been used, but locks."""

    folder: Path

    def list(self) -> list[str]:
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if path.suffix != ".lock")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    with pytest.MonkeyPatch.context() as patch:
        make_argon2_quick(patch)
        yield History.make(tmp_path_factory.mktemp("history"), patch)


def open_scene(history: History, folder: Path, stack: ExitStack) -> tuple[Scene, Path]:
    """A phone that has read everything, with leftovers of transfers, at a server on sockets."""
    scene = Scene.open(history, folder, stack)
    scene.serve()
    assert find_code(scene, "everything", "phone") == ""
    scene.world.sessions["phone"].devices.list()
    return scene, scene.world.folder / "phone"


def end_well(scene: Scene) -> str:
    """Read; the code that it ends in, or nothing. Content that is not the newest fails the test."""
    return find_code(scene, "everything", "phone")


@pytest.fixture(scope="module")
def names(history: History, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    with ExitStack() as stack:
        _, folder = open_scene(history, tmp_path_factory.mktemp("names") / "x", stack)
        return Files(folder).list()


def test_control_the_profile_has_what_is_damaged_below(names: list[str]) -> None:
    assert {*PINS, *NO_PROFILE_WITHOUT, "session.json", "items.sqlite", "streams/vault.jsonl"} <= set(names)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("rolled_back", [False, True], ids=["honest", "rolled back"])
def test_a_damaged_file_is_damage_or_does_no_harm(
    history: History, names: list[str], tmp_path: Path, how: str, rolled_back: bool
) -> None:
    """All files, one after the other, each from the whole profile."""
    ended: dict[str, str] = {}
    with ExitStack() as stack:
        scene, profile = open_scene(history, tmp_path / "devices", stack)
        if rolled_back:
            roll_back_all(scene)
        whole, sessions = tmp_path / "whole", dict(scene.server.sessions)
        shutil.copytree(profile, whole)
        for name in names:
            shutil.rmtree(profile)
            shutil.copytree(whole, profile)
            scene.server.sessions = dict(sessions)
            spoil(profile / name, DAMAGES[how])
            try:
                ended[name] = end_well(scene)
            except AssertionError:
                ended[name] = "something old was shown"
    allowed = OF_THE_PROFILE | ({"rollback_detected", "fork_detected"} if rolled_back else {""})
    if ended["session.json"] == "session_ended":  # the damage hit a token, which the server refuses
        del ended["session.json"]
    assert {name: code for name, code in ended.items() if code not in allowed} == {}
    assert {name: ended[name] for name in PINS if ended[name] not in OF_THE_PROFILE} == {}


def test_an_older_copy_of_a_file_does_no_harm(history: History, names: list[str], tmp_path: Path) -> None:
    """As of a backup that was restored in part; no single file makes a rollback pass."""
    with ExitStack() as stack:
        scene, profile = open_scene(history, tmp_path / "devices", stack)
        whole = Path(shutil.copytree(profile, tmp_path / "whole"))
        older = history.older_profile
        changed = [name for name in names if (older / name).exists() and name not in SAME_FOR_ALL]
        assert {"heads.json", "streams/vault.jsonl"} <= set(changed)
        for code in ("", "rollback_detected"):
            for name in changed:
                shutil.rmtree(profile)
                shutil.copytree(whole, profile)
                shutil.copyfile(older / name, profile / name)
                assert end_well(scene) == code, name
            roll_back_all(scene)


def test_a_profile_restored_from_an_older_copy_goes_on_from_there(history: History, tmp_path: Path) -> None:
    """It knows less, and learns it again; a server that goes back behind the copy is found."""
    with ExitStack() as stack:
        scene = Scene.open(history, tmp_path / "devices", stack)
        profile = scene.world.folder / "phone"
        shutil.rmtree(profile)
        shutil.copytree(history.older_profile, profile)
        assert end_well(scene) == ""
        shutil.rmtree(profile)
        shutil.copytree(history.older_profile, profile)
        del scene.events[1:]
        assert end_well(scene) == "rollback_detected"


def spoil(path: Path, how: Callable[[bytes], bytes | None]) -> None:
    data = how(path.read_bytes())
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
        path.chmod(0o600)
