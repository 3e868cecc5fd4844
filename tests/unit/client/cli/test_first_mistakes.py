"""The first hour: whatever was answered wrongly once can be answered rightly, and nothing is kept of a
mistake.

A person at a real terminal, against the real platform: each prompt of `signup` and of `login` is answered
wrongly, then rightly, and the command ends in "Ready.". And the same with flags, one command after the
other.
"""

from pathlib import Path

import pytest

from solekey.crypto import UserKey
from solekey.recovery import read_kit
from tests.support.people.terminal_user import PASSWORD, TerminalUser
from tests.support.terminal import Terminal

pytestmark = pytest.mark.slow


@pytest.fixture
def ada(platform, tmp_path) -> TerminalUser:
    return TerminalUser(tmp_path, platform.url, platform.ca)


def fingerprint(ca: Path) -> str:
    from solekey.connection.authority import read_authority

    return read_authority(ca.read_bytes()).fingerprint


def agree_on_server(terminal: Terminal, person: TerminalUser) -> None:
    """Answer each question about the server wrongly, then rightly."""
    for wrong, complaint in (
        ("garbage garbage", "is not an https:// address"),
        (person.url.replace("https", "http"), "is not an https:// address"),
        ("https://127.0.0.1:1", "did not answer"),
    ):
        terminal.expect("Server (https://…)")
        terminal.type(wrong)
        terminal.expect(complaint)
    terminal.expect("Server (https://…)")
    terminal.type(person.url)
    terminal.expect(fingerprint(person.ca))
    terminal.expect("[yes/no]")
    terminal.type("perhaps")
    terminal.expect("Answer yes or no")
    terminal.type("no")
    for wrong, complaint in (("nowhere.pem", "There is no file"), ("kit", "not a PEM file")):
        terminal.expect("PEM file")
        terminal.type(wrong)
        terminal.expect(complaint)
    terminal.expect("[yes/no]")
    terminal.type("yes")


def test_each_prompt_of_signup_may_be_answered_wrongly_once(ada):
    (ada.folder / "kit").write_text("no certificate")
    taken = TerminalUser(ada.folder / "other", ada.url, ada.ca)
    taken.folder.mkdir()
    taken.sign_up()
    with ada.sit_down("signup", "--profile", "./p") as terminal:
        agree_on_server(terminal, ada)
        terminal.expect("User name")
        terminal.type("a b")
        terminal.expect("3 to 64")
        terminal.expect("User name")
        terminal.type(taken.username)
        for wrong, again, complaint in (
            ("short", None, "fewer than 8 characters"),
            (PASSWORD, "something else", "not the same"),
        ):
            terminal.expect("New password:")
            terminal.type(wrong)
            if again is not None:
                terminal.expect("New password again:")
                terminal.type(again)
            terminal.expect(complaint)
        terminal.expect("New password:")
        terminal.type(PASSWORD)
        terminal.expect("New password again:")
        terminal.type(PASSWORD)
        terminal.expect(f"Somebody has the user name {taken.username} already")
        terminal.expect("User name")
        terminal.type(ada.username)
        terminal.expect("New password:")
        terminal.type(PASSWORD)
        terminal.expect("New password again:")
        terminal.type(PASSWORD)
        said = terminal.expect("Authenticator code")
        ada.read_secret(said)
        terminal.type("12345")
        terminal.expect("A code is six digits")
        terminal.expect("Authenticator code")
        terminal.type("000000" if ada.code() != "000000" else "000001")
        terminal.expect("That was not accepted")
        terminal.expect("Authenticator code")
        terminal.type(ada.next_code())
        terminal.expect("Save the recovery kit (PDF) as")
        terminal.type("nowhere/kit.pdf")
        terminal.expect("That does not work")
        terminal.expect("Save the recovery kit (PDF) as")
        terminal.type("kit.pdf")
        terminal.expect("Then press Enter")
        terminal.type("")
        terminal.expect("Words from 1 to 24")
        words = read_kit(ada.folder / "kit.pdf").user_key.to_phrase()
        terminal.type(UserKey(bytes(range(32))).to_phrase())
        terminal.expect("Not the saved words")
        terminal.type(words)
        terminal.expect("Ready.")
        assert terminal.wait() == 0
    assert ada.profile("p")["username"] == ada.username
    assert not (ada.folder / "p" / "signup.json").exists()


def test_each_prompt_of_login_may_be_answered_wrongly_once(ada):
    ada.sign_up()
    (ada.folder / "kit").write_text("no certificate")
    with ada.sit_down("login", "--profile", "./phone") as terminal:
        agree_on_server(terminal, ada)
        terminal.expect("User name")
        terminal.type("newcomre")
        terminal.expect("Password")
        terminal.type(PASSWORD)
        terminal.expect("Authenticator code")
        terminal.type(ada.next_code())
        terminal.expect("That was not accepted")
        terminal.expect("User name [newcomre]")
        terminal.type(ada.username)
        terminal.expect("Password")
        terminal.type("correct horse battery stable")
        terminal.expect("Authenticator code")
        terminal.type(ada.next_code())
        terminal.expect("That was not accepted")
        terminal.expect(f"User name [{ada.username}]")
        assert ada.profile("phone") is None
        terminal.type("")
        terminal.expect("Password")
        terminal.type(PASSWORD)
        terminal.expect("Authenticator code")
        terminal.type("0")
        terminal.expect("A code is six digits")
        terminal.type(ada.next_code())
        terminal.expect("Ready.")
        assert terminal.wait() == 0
    assert ada.profile("phone")["username"] == ada.username


FLAGS = ("login", "--profile", "./phone", "--password", PASSWORD)


@pytest.mark.parametrize("wrong", ["username", "server", "no authority", "authority", "code", "password"])
def test_a_flag_that_was_wrong_once_leaves_nothing_behind(ada, wrong):
    ada.sign_up()
    right = {"--server": ada.url, "--ca": str(ada.ca), "--username": ada.username, "--code": ada.next_code()}
    mistakes = {
        "username": {"--username": "newcomre"},
        "server": {"--server": "https://127.0.0.1:1"},
        "no authority": {"--ca": "system"},
        "authority": {"--ca": "kit.pdf"},
        "code": {"--code": "000000"},
        "password": {"--password": "correct horse battery stable"},
    }
    first, second = right | mistakes[wrong], right
    code, said = ada.run(*FLAGS, *(each for pair in first.items() for each in pair))
    assert code not in {0, None}, said
    assert not (ada.folder / "phone").exists()
    code, said = ada.run(*FLAGS, *(each for pair in second.items() for each in pair))
    assert code == 0, said
    assert "Ready." in said


@pytest.mark.parametrize("wrong", ["username", "code", "password"])
def test_a_sign_up_that_was_begun_with_a_mistake_is_begun_anew(ada, wrong):
    flags = {
        "--server": ada.url,
        "--ca": str(ada.ca),
        "--username": ada.username,
        "--password": PASSWORD,
        "--code": "auto",
    }
    mistakes = {
        "username": {"--username": "newcomre", "--code": "000000"},
        "code": {"--code": "000000"},
        "password": {"--password": "password"},
    }
    arguments = ("signup", "--profile", "./p", "--accept-risk")
    first, second = flags | mistakes[wrong], flags
    code, said = ada.run(*arguments, *(each for pair in first.items() for each in pair))
    assert code not in {0, None}, said
    assert ada.profile("p") is None
    code, said = ada.run(*arguments, *(each for pair in second.items() for each in pair))
    assert code == 0, said
    assert "Ready." in said
    assert ada.profile("p")["username"] == ada.username


def test_flags_against_a_founded_profile_are_refused(ada):
    ada.sign_up()
    before = ada.profile("laptop")
    log_in = ("login", "--profile", "./laptop", "--password", PASSWORD, "--code", ada.next_code())
    for flags, means in (
        (("--username", "somebody"), "--profile NAME"),
        (("--device-name", "phone"), "--profile NAME"),
        (("--device-key", "keyring:"), "stays there"),
    ):
        code, said = ada.run(*log_in, *flags)
        assert (code, "profile_exists" in said, means in said) == (1, True, True), said
    for name, value in (("SOLEKEY_USERNAME", "somebody"), ("SOLEKEY_SERVER", "https://elsewhere.example")):
        ada.settings = {name: value}
        code, said = ada.run(*log_in)
        assert (code, "profile_exists" in said, name in said) == (1, True, True), said
    ada.settings = {}
    for flags in ((), ("--username", ada.username)):
        code, said = ada.run("signup", "--profile", "./laptop", *flags)
        assert (code, "you have an account here" in said, "Ready." in said) == (1, True, False), said
    code, said = ada.run("signup", "--profile", "./laptop", "--username", "somebody")
    assert (code, "profile_exists" in said) == (1, True)
    assert ada.profile("laptop") == before
