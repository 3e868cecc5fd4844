"""What the transfer tests share: files of several small parts, and who asked the server for what."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from solekey import Vault
from solekey.account.session import Session
from solekey.cli import run
from solekey_protocol.limits import KIB
from tests.support.client.world import World

PART_BYTES = 512 * KIB
"""Parts in these tests: as many as a large file has, and quickly made."""

FILM_BYTES = 4 * PART_BYTES + 12345


@dataclass
class Traffic:
    """Requests for objects. ``die_after`` so many of a kind the network is gone."""

    fetched: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    fetches_left: int = 1_000_000
    puts_left: int = 1_000_000

    def __call__(self, request: httpx.Request) -> None:
        kind, _, digest = request.url.path.rpartition("/")
        if not kind.endswith("/objects") or len(digest) != 64:
            return
        if request.method == "PUT":
            self.puts_left -= 1
            if self.puts_left < 0:
                raise httpx.ConnectError("gone")
            self.sent.append(digest)
            return
        self.fetches_left -= 1
        if self.fetches_left < 0:
            raise httpx.ConnectError("gone")
        self.fetched.append(digest)
        if asked := request.headers.get("Range"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            self.ranges.append((int(first), int(last) + 1))

    @property
    def ranged_bytes(self) -> int:
        return sum(stop - start for start, stop in self.ranges)


def watch(world: World, **limits: int) -> Traffic:
    """Watch, and perhaps cut, what goes on from now."""
    traffic = Traffic(**limits)
    world.server.before = traffic
    return traffic


def make_film(folder: Path, size: int = FILM_BYTES, name: str = "film.bin") -> Path:
    path = folder / name
    path.write_bytes(os.urandom(size))
    return path


def restart(world: World, name: str = "laptop") -> Vault:
    """The device after its program was started anew, with the network back."""
    world.sessions[name] = world.reopen(name)
    return world.unlock(name)


def find_digests(vault: Vault, name: str) -> list[str]:
    info = vault.find(name)
    return [str(part.digest) for part in vault.unlocked.index.items[info.id].parts]


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []


def make_command(
    world: World, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes]
) -> Callable[..., tuple[int, bytes, str]]:
    """Run commands as the laptop: a call returns the exit code, standard output and standard error."""
    real = Session.open.__func__
    opened = classmethod(lambda cls, profile, *_, **__: real(cls, profile, world.runtime))
    monkeypatch.setattr(Session, "open", opened)
    monkeypatch.setenv("SOLEKEY_USER_KEY", world.phrase)
    monkeypatch.setenv("SOLEKEY_PROFILE", str(world.folder / "laptop"))

    def execute(*arguments: str) -> tuple[int, bytes, str]:
        capture.readouterr()
        code = run(list(arguments))
        out, err = capture.readouterr()
        return code, out, err.decode()

    return execute


def await_transfers() -> None:
    """Wait for what a client that died in this process has under way: a real process would be gone."""
    for thread in threading.enumerate():
        if thread.name == "solekey-transfer":
            thread.join()
