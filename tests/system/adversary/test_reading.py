"""Reading against a hostile server: every row of the table in spec/hostile-server.md, tried.

Each row has its positive control: the same reading without the attack succeeds, before the attack on another
copy, and where the page does not say otherwise after it on the same profile: an attack leaves no harm behind.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from solekey.streams.streams import Streams
from solekey.transfer import objects
from solekey.vault.index import commit_follower
from solekey_protocol.statements import SignedStatement, Statement
from solekey_protocol.streams import VaultStream
from tests.support.client.world import make_argon2_quick
from tests.support.repository import ROOT
from tests.system.adversary.reading import answer_attacks, history_attacks, item_attacks, key_attacks
from tests.system.adversary.reading.scene import ATTACKS, READS, History, Scene, find_code

PAGE = ROOT / "spec" / "hostile-server.md"
ROW = re.compile(r"\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")
MODULES = (answer_attacks, history_attacks, item_attacks, key_attacks)
LEAST_ROWS = 35


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the page. ``stays``: the server cannot take back what it has shown."""

    number: int
    attack: str
    what: str
    device: str
    code: str
    stays: bool

    def __str__(self) -> str:
        return f"{self.number} {self.attack}, {self.what} by {self.device}"


def read_rows(text: str) -> Iterator[Row]:
    for number, attack, what, device, code in ROW.findall(text):
        stays = attack.endswith("†")
        yield Row(int(number), attack.rstrip(" †"), what.strip(), device.strip(), code.strip(" `"), stays)


ROWS = list(read_rows(PAGE.read_text()))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    with pytest.MonkeyPatch.context() as patch:
        make_argon2_quick(patch)
        yield History.make(tmp_path_factory.mktemp("history"), patch)


@pytest.fixture
def scene(history: History, tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene.open(history, tmp_path / "devices", stack)


def test_the_page_and_the_attacks_are_the_same() -> None:
    assert [row.number for row in ROWS] == list(range(1, len(ROWS) + 1))
    assert len(ROWS) >= LEAST_ROWS
    assert {row.attack for row in ROWS} == set(ATTACKS)


@pytest.mark.slow
@pytest.mark.parametrize("what", READS)
@pytest.mark.parametrize("device", ["phone", "tablet"])
def test_control_without_an_attack_everything_is_read(scene: Scene, what: str, device: str) -> None:
    assert find_code(scene, what, device) == ""


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_attack_ends_as_the_page_says(scene: Scene, row: Row) -> None:
    ATTACKS[row.attack](scene)
    assert find_code(scene, row.what, row.device) == row.code
    if not row.stays:
        scene.be_honest()
        assert find_code(scene, row.what, row.device) == ""


def _pass(*_: object) -> None:
    """Verify nothing."""


def _take(_: object, signed: SignedStatement, __: object) -> Statement:
    return signed.statement


def _believe(_: object, data: bytes) -> bytes:
    return data


@dataclass(frozen=True, slots=True)
class Defence:
    """A check of the client, and the attack that it finds out."""

    where: Any
    name: str
    broken: Any
    attack: str


DEFENCES = {
    "an object's digest": Defence(objects, "verify_object", _believe, "the last part of another length"),
    "who signs": Defence(VaultStream, "verify", _take, "a commit by a locked device"),
    "the versions of an item": Defence(commit_follower, "verify_version", _pass, "a version left out"),
    "versions that never start again": Defence(
        commit_follower, "verify_version", _pass, "a version that starts again"
    ),
    "what a snapshot states": Defence(
        commit_follower.CommitFollower, "_verify_snapshot", _pass, "a snapshot without one of the items"
    ),
    "what ties streams": Defence(
        Streams, "_judge", _pass, "a commit by a revoked device, behind its revocation"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("defence", DEFENCES)
def test_control_without_a_defence_its_attack_is_not_found(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, defence: str
) -> None:
    """The table finds out when a check is gone: the same row ends in another way, or not at all."""
    missing = DEFENCES[defence]
    row = next(row for row in ROWS if row.attack == missing.attack)
    ATTACKS[row.attack](scene)
    monkeypatch.setattr(missing.where, missing.name, missing.broken)
    try:
        ends = find_code(scene, row.what, row.device)
    except AssertionError:
        ends = "something false was read"
    assert ends != row.code
