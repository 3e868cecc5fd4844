"""A key file on a disk: who may read it, what is never overwritten, and what is no file at all."""

import os
import stat
from pathlib import Path

import pytest

from solekey import errors
from solekey.providers import QuestionKind, open_provider
from tests.support.client.places import ADA, BOB, PASSPHRASE, Answers, make_key

pytestmark = pytest.mark.usefixtures("quick_argon2")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stick" / "ada.key"


@pytest.fixture
def provider(path: Path, person: Answers):
    path.parent.mkdir()
    return open_provider(f"file:{path}", account=ADA, ask=person)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_passphrase_is_asked_for_and_then_the_same(provider, person, path):
    provider.store(make_key())
    provider.load()
    kinds = [(question.kind, question.subject) for question in person.asked]
    assert kinds == [(QuestionKind.NEW_PASSPHRASE, str(path)), (QuestionKind.PASSPHRASE, str(path))]


def test_the_file_is_private_and_alone(provider, path):
    before = os.umask(0)
    try:
        provider.store(make_key())
    finally:
        os.umask(before)
    assert mode(path) == 0o600
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_file_that_is_open_to_others_is_closed(provider, path):
    provider.store(make_key())
    path.chmod(0o644)
    assert provider.load() == make_key()
    assert mode(path) == 0o600


def test_a_file_system_without_modes_is_served(provider, path, monkeypatch):
    """As on FAT: every file looks open to all, changing a mode does nothing, and there are no links."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuse)
    monkeypatch.setattr(os, "link", refuse)
    provider.store(make_key())
    path.chmod(0o777)
    assert provider.load() == make_key()
    provider.store(make_key(1), replace=True)
    path.chmod(0o777)
    assert provider.load() == make_key(1)
    assert mode(path) == 0o777


def test_no_folder_is_made(path, person):
    """An empty mount point is no USB stick."""
    provider = open_provider(f"file:{path}", account=ADA, ask=person)
    with pytest.raises(errors.KeyFileError):
        provider.store(make_key())
    assert not path.parent.exists()


@pytest.mark.parametrize("operation", ["load", "store", "delete"])
def test_a_symbolic_link_is_not_followed(provider, path, tmp_path, operation):
    target = tmp_path / "elsewhere"
    provider.store(make_key())
    path.rename(target)
    path.symlink_to(target)
    before = target.read_bytes()
    with pytest.raises(errors.KeyFileError, match="symbolic link"):
        getattr(provider, operation)(*([make_key()] if operation == "store" else []))
    assert path.is_symlink()
    assert target.read_bytes() == before


@pytest.mark.parametrize("operation", ["load", "store", "delete"])
def test_what_is_no_regular_file_is_left_alone(provider, path, operation):
    os.mkfifo(path)
    with pytest.raises(errors.KeyFileError, match="not a regular file"):
        getattr(provider, operation)(*([make_key()] if operation == "store" else []))
    assert path.is_fifo()


@pytest.mark.parametrize("operation", ["load", "store", "delete"])
def test_a_folder_is_left_alone(provider, path, operation):
    path.mkdir()
    with pytest.raises(errors.KeyFileError):
        getattr(provider, operation)(*([make_key()] if operation == "store" else []))
    assert path.is_dir()


@pytest.mark.parametrize("content", [b"", b"my thesis", b"SKF1 and then something else"])
@pytest.mark.parametrize("operation", ["load", "store", "replace", "delete"])
def test_a_file_of_somebody_else_is_left_alone(provider, person, path, content, operation):
    path.write_bytes(content)
    operations = {
        "load": provider.load,
        "store": lambda: provider.store(make_key()),
        "replace": lambda: provider.store(make_key(), replace=True),
        "delete": provider.delete,
    }
    with pytest.raises(errors.MalformedKeyFileError):
        operations[operation]()
    assert path.read_bytes() == content
    assert person.asked == []


def test_nobody_is_asked_about_a_file_that_cannot_be_ours(provider, person, path):
    open_provider(f"file:{path}", account=BOB, ask=person).store(make_key())
    person.asked.clear()
    with pytest.raises(errors.ForeignUserKeyError):
        provider.load()
    assert person.asked == []


def test_a_file_that_comes_into_being_meanwhile_is_not_overwritten(provider, person, path, monkeypatch):
    other = open_provider(f"file:{path}", account=BOB, ask=person)

    def ask_slowly(question: str) -> str:
        other.store(make_key(5))
        return person(question)

    slow = open_provider(f"file:{path}", account=ADA, ask=ask_slowly)
    with pytest.raises(errors.ProviderOccupiedError):
        slow.store(make_key())
    assert other.load() == make_key(5)
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_file(provider, path, monkeypatch):
    provider.store(make_key())
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(errors.DiskFullError, match="No space left"):
        provider.store(make_key(1), replace=True)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_medium_that_returns_something_else_is_found_out(provider, path, monkeypatch):
    from solekey.providers import file

    real = file.FileProvider._write

    def write_badly(self, data: bytes, *, new: bool) -> None:
        real(self, data[:-1] + bytes([data[-1] ^ 1]), new=new)

    monkeypatch.setattr(file.FileProvider, "_write", write_badly)
    with pytest.raises(errors.TamperedKeyFileError):
        provider.store(make_key())


def test_a_wrong_passphrase_says_so(provider, person):
    provider.store(make_key())
    person.answers[QuestionKind.PASSPHRASE] = PASSPHRASE.upper()
    with pytest.raises(errors.WrongPassphraseError):
        provider.load()


def test_a_short_new_passphrase_leaves_nothing_behind(provider, person, path):
    person.answers[QuestionKind.NEW_PASSPHRASE] = "short"
    with pytest.raises(errors.WeakPassphraseError):
        provider.store(make_key())
    assert list(path.parent.iterdir()) == []


def test_the_key_is_not_in_the_file(provider, path):
    provider.store(make_key())
    stored = path.read_bytes()
    assert bytes(make_key().expose()) not in stored
    assert PASSPHRASE.encode() not in stored
