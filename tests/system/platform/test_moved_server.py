"""A profile follows its server to another address and to a renewed authority, and to no other server."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.people.terminal_user import PASSWORD, TerminalUser
from tests.support.platform_process import PlatformProcess

pytestmark = pytest.mark.slow


@pytest.fixture
def own_platform(tmp_path: Path):
    """A platform of this test's own, which it may move."""
    folder = tmp_path / "platform" / "data"
    folder.mkdir(parents=True)
    process = PlatformProcess(folder)
    process.start()
    yield process
    process.stop()


def make_recovery_codes(person: TerminalUser) -> list[str]:
    """Have recovery codes made: an authenticator that was just used makes its owner wait."""
    code, said = person.run("factors", "recovery-codes", "--profile", "./laptop", "--output", "codes.txt")
    assert code == 0, said
    return (person.folder / "codes.txt").read_text().split()


def log_in(person: TerminalUser, codes: list[str], *arguments: object) -> tuple[int, str]:
    return person.run(
        "login", "--profile", "./laptop", "--password", PASSWORD, "--recovery-code", codes.pop(), *arguments
    )


def test_a_profile_follows_its_server(own_platform, platform, tmp_path):
    ada = TerminalUser(tmp_path, own_platform.url, own_platform.ca, username="ada")
    ada.sign_up()
    codes = make_recovery_codes(ada)

    own_platform.stop()
    own_platform.port = 0
    own_platform.start()
    code, said = ada.run("sessions", "list", "--profile", "./laptop")
    assert (code, "server_unreachable" in said, "login --server" in said) == (8, True, True), said
    code, said = log_in(ada, codes, "--server", own_platform.url)
    assert code == 0, said
    assert ada.run("status", "--profile", "./laptop")[0] == 0
    assert ada.profile("laptop")["origin"] == own_platform.url

    own_platform.stop()
    shutil.rmtree(own_platform.folder / "tls")
    own_platform.start()
    code, said = ada.run("status", "--profile", "./laptop")
    assert (code, "insecure_server" in said, "login --ca" in said) == (6, True, True), said
    code, said = log_in(ada, codes, "--ca", own_platform.ca)
    assert code == 0, said
    code, said = ada.run("status", "--profile", "./laptop")
    assert code == 0, said


def test_a_profile_follows_no_other_server(own_platform, platform, tmp_path):
    """The other one has the same user name, with the same password."""
    ada = TerminalUser(tmp_path / "ada", own_platform.url, own_platform.ca, username="twin")
    other = TerminalUser(tmp_path / "other", platform.url, platform.ca, username="twin")
    for person in (ada, other):
        person.folder.mkdir()
        person.sign_up()
    before = {path: path.read_bytes() for path in (ada.folder / "laptop").glob("*") if path.is_file()}
    codes = make_recovery_codes(other)
    code, said = log_in(ada, codes, "--server", platform.url, "--ca", platform.ca)
    assert (code, "account_differs" in said) == (1, True), said
    assert {path: path.read_bytes() for path in before} == before
    assert ada.run("status", "--profile", "./laptop")[0] == 0


def test_a_server_that_went_back_is_not_followed(own_platform, tmp_path):
    ada = TerminalUser(tmp_path, own_platform.url, own_platform.ca, username="ada")
    ada.sign_up()
    codes = make_recovery_codes(ada)
    own_platform.stop()
    old = tmp_path / "old"
    shutil.copytree(own_platform.folder, old)
    own_platform.start()
    assert log_in(ada, codes)[0] == 0  # is in the pinned history
    own_platform.stop()
    shutil.rmtree(own_platform.folder)
    old.rename(own_platform.folder)
    own_platform.port = 0
    own_platform.start()
    before = json.loads((ada.folder / "laptop" / "profile.json").read_bytes())
    code, said = log_in(ada, codes, "--server", own_platform.url)
    assert code == 6, said
    assert "rollback_detected" in said or "fork_detected" in said
    assert ada.profile("laptop") == before
