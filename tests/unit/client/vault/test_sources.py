"""What is stored is what a source gives, whatever size it claims; and what callers may pass."""

import io
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from solekey import Server, UserKey
from solekey.account.session import Session
from solekey.audit import export_log, read_log
from solekey.errors import ContentSizeError
from solekey.profile.profile import Profile
from solekey.transfer import source_file
from solekey.transfer.source_file import SourceFile
from solekey_protocol.limits import MIB
from tests.support.client.fake_server import ORIGIN
from tests.support.client.world import PASSWORD


@pytest.mark.parametrize("path", ["/proc/version", "/proc/filesystems"])
@pytest.mark.skipif(not Path("/proc/version").exists(), reason="no /proc here")
def test_a_file_whose_size_says_zero_is_read_to_its_end(home, run_cli, tmp_path, path):
    vault = home.unlock("laptop")
    assert Path(path).stat().st_size == 0
    vault.put_file(path, "proc")
    assert vault.get("proc").content == Path(path).read_bytes()
    words = tmp_path / "words"
    words.write_text(home.phrase)
    assert run_cli("laptop", "put", path, "--name", "cli", "--user-key", f"@{words}")[0] == 0
    assert home.unlock("laptop").get("cli").content == Path(path).read_bytes()


@pytest.mark.parametrize("claimed", [0, 1, 10, 5000, MIB - 1])
@pytest.mark.parametrize("real", [0, 4999, MIB, 2 * MIB + 7])
def test_a_size_that_lies_changes_nothing(home, tmp_path, monkeypatch, claimed, real):
    """As sysfs says 4096 for what has 3 bytes, and procfs 0 for megabytes."""
    path = tmp_path / "source"
    content = os.urandom(real)
    path.write_bytes(content)
    _lie(monkeypatch, claimed)
    vault = home.unlock("laptop")
    vault.put_file(path)
    assert vault.get("source").content == content
    assert (
        not any((home.folder / "laptop" / "uploads").glob("*"))
        if (home.folder / "laptop" / "uploads").exists()
        else True
    )


@pytest.mark.parametrize("real", [0, 2 * MIB - 1, 2 * MIB + 1, 10])
def test_a_large_size_that_lies_is_refused_and_nothing_is_stored(home, tmp_path, monkeypatch, real):
    path = tmp_path / "source"
    path.write_bytes(os.urandom(real))
    _lie(monkeypatch, 2 * MIB)
    vault = home.unlock("laptop")
    with pytest.raises(ContentSizeError):
        vault.put_file(path)
    assert vault.list() == []


@pytest.mark.parametrize("size", [100, 2 * MIB], ids=["small", "large"])
@pytest.mark.parametrize("change", [b"", b"x" * 50, b"y" * (3 * MIB)], ids=["shrinks", "changes", "grows"])
def test_a_source_that_changes_meanwhile_is_found_out(home, tmp_path, monkeypatch, size, change):
    path = tmp_path / "source"
    path.write_bytes(os.urandom(size))
    real = SourceFile.look_at.__func__

    def look_and_let_change(cls, given):
        found = real(cls, given)
        path.write_bytes(change)
        os.utime(path, ns=(found.state[1], found.state[1]))
        return found

    monkeypatch.setattr(SourceFile, "look_at", classmethod(look_and_let_change))
    vault = home.unlock("laptop")
    with pytest.raises(ContentSizeError):
        vault.put_file(path)
    assert vault.list() == []


def _lie(monkeypatch, claimed: int) -> None:
    real = source_file._describe

    def describe(status: os.stat_result) -> tuple[int, ...]:
        return (claimed, *real(status)[1:])

    monkeypatch.setattr(source_file, "_describe", describe)
    looked = SourceFile.look_at.__func__

    def look(cls, path):
        found = looked(cls, path)
        return replace(found, size=claimed)

    monkeypatch.setattr(SourceFile, "look_at", classmethod(look))


@pytest.mark.parametrize("tags", ["kitchen", b"kitchen", ""])
def test_one_text_is_no_list_of_tags(home, tmp_path, tags):
    vault = home.unlock("laptop")
    path = tmp_path / "x"
    path.write_bytes(b"x")
    for put in (
        lambda: vault.put("x", "y", tags=tags),
        lambda: vault.put_file(path, tags=tags),
        lambda: vault.put_stream("x", io.BytesIO(b"x").read, tags=tags),
    ):
        with pytest.raises(TypeError, match="tags"):
            put()
    assert vault.list() == []


class OtherPath:
    """A path of somebody else's class."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize("kind", [str, Path, OtherPath])
def test_paths_are_taken_in_any_form(home, tmp_path, kind):
    given, back = tmp_path / "film.bin", tmp_path / "back.bin"
    given.write_bytes(b"film")
    folder = home.folder / "laptop"
    vault = home.unlock("laptop")
    vault.put_file(kind(given))
    vault.get_file("film.bin", kind(back))
    assert back.read_bytes() == b"film"
    Session.open(kind(folder), home.runtime).close()
    assert Profile.open(kind(folder)).details.origin == ORIGIN
    assert Server(ORIGIN, kind(given)).authority == given
    log = tmp_path / "log"
    log.write_bytes(home.account.events[next(iter(home.account.events))][0].raw + b"\n")
    assert export_log(kind(log), kind(tmp_path / "copy")) == len(list(read_log(kind(log)))) == 1


def test_a_user_key_is_made_without_a_seam():
    assert UserKey.make().to_phrase() != UserKey.make().to_phrase()


@pytest.mark.parametrize(
    "flag", ["--user-key", "--password", "--totp-secret", "--recovery-code", "--new-user-key"]
)
def test_a_secret_on_the_command_line_is_warned_of(home, flag, capsys, tmp_path, monkeypatch):
    from solekey import cli

    command = {
        "--user-key": ("list",), "--new-user-key": ("rotate", "user-key"), "--recovery-code": ("login",),
        "--totp-secret": ("login",), "--password": ("login",),
    }[flag]  # fmt: skip
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
    value = {"--recovery-code": "abcde-fgh23", "--totp-secret": "JBSWY3DPEHPK3PXP"}.get(flag, PASSWORD)
    cli.run([*command, flag, value, "--profile", str(tmp_path / "none")])
    said = capsys.readouterr().err
    assert f"Warning: {flag}:" in said
    assert value not in said
    (tmp_path / "secret").write_text(value)
    cli.run([*command, flag, f"@{tmp_path / 'secret'}", "--profile", str(tmp_path / "none")])
    assert "Warning" not in capsys.readouterr().err
