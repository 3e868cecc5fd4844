"""The commands that take a user key or make a device key, against a fake server, run in this process."""

import json
from pathlib import Path

import click
import pytest

from solekey import UserKey
from solekey.account.session import Session
from solekey.providers import close_tokens, open_provider
from solekey.rotation.rotation import change_user_key
from tests.support.client.fake_server import ORIGIN
from tests.support.client.places import PASSPHRASE, Answers
from tests.support.client.world import PASSWORD, USERNAME
from tests.support.engines.softhsm import PIN

WRONG_KEY, USAGE, FAILED = 5, 2, 1
LOG_IN = ("login", "--server", ORIGIN, "--username", USERNAME, "--password", PASSWORD)
AGAIN = ("login", "--password", PASSWORD)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    return tmp_path / "ada.key"


@pytest.fixture
def stored(run_cli, home, stick, monkeypatch) -> Path:
    """The laptop keeps the user key in a file; its passphrase is in the environment."""
    monkeypatch.setenv("SOLEKEY_PASSPHRASE", PASSPHRASE)
    assert run_cli("user-key", "store", f"file:{stick}", "--user-key", home.phrase).code == 0
    return stick


def details(home, device: str = "laptop") -> dict:
    return json.loads((home.folder / device / "profile.json").read_bytes())


def load(home, path: Path) -> UserKey:
    return open_provider(f"file:{path}", account=home.account.account, ask=Answers()).load()


def test_the_stored_key_serves_later_commands(run_cli, home, stored):
    assert run_cli("put", "--name", "note", "--text", "hello").code == 0
    assert run_cli("get", "note").document["text"] == "hello"
    assert run_cli("user-key", "check").document["from"] == f"file:{stored}"
    assert load(home, stored) == home.key()


def test_the_place_is_remembered_and_no_secret(home, stored):
    text = (home.folder / "laptop" / "profile.json").read_text()
    assert json.loads(text)["user_key_from"] == f"file:{stored}"
    assert PASSPHRASE not in text
    assert home.phrase.split()[0] not in text.split()


def test_a_relative_path_is_remembered_as_a_whole(run_cli, home, tmp_path, monkeypatch):
    monkeypatch.setenv("SOLEKEY_PASSPHRASE", PASSPHRASE)
    monkeypatch.chdir(tmp_path)
    assert run_cli("user-key", "store", "file:ada.key", "--user-key", home.phrase).code == 0
    assert details(home)["user_key_from"] == f"file:{tmp_path / 'ada.key'}"


def test_another_key_is_not_stored(run_cli, home, stick, monkeypatch):
    monkeypatch.setenv("SOLEKEY_PASSPHRASE", PASSPHRASE)
    words = UserKey.make().to_phrase()
    said = run_cli("user-key", "store", f"file:{stick}", "--user-key", words)
    assert (said.code, said.error) == (WRONG_KEY, "wrong_user_key")
    assert not stick.exists()
    assert details(home)["user_key_from"] is None


def test_an_occupied_place_is_not_overwritten_unless_it_is_said(run_cli, home, stick, monkeypatch):
    monkeypatch.setenv("SOLEKEY_PASSPHRASE", PASSPHRASE)
    old = UserKey.make()
    provider = open_provider(f"file:{stick}", account=home.account.account, ask=Answers())
    provider.store(old)
    said = run_cli("user-key", "store", f"file:{stick}", "--user-key", home.phrase)
    assert (said.code, said.error) == (FAILED, "provider_occupied")
    assert provider.load() == old
    assert run_cli("user-key", "store", f"file:{stick}", "--user-key", home.phrase, "--replace").code == 0
    assert provider.load() == home.key()


def test_moved_from_one_place_to_another(run_cli, home, stored, memory_keyring):
    assert run_cli("user-key", "store", "keyring:").document["stored"] == "keyring:"
    stored.unlink()
    assert run_cli("list").code == 0
    assert memory_keyring.entries


def test_a_prompt_stores_nothing(run_cli, home):
    said = run_cli("user-key", "store", "prompt:", "--user-key", home.phrase)
    assert (said.code, said.error) == (FAILED, "provider_read_only")


def test_a_malformed_place_is_refused_first(run_cli, home):
    said = run_cli("user-key", "store", "gpg:ada")
    assert (said.code, said.error) == (FAILED, "provider_spec_invalid")


def test_words_before_everything(run_cli, home, stored, monkeypatch):
    monkeypatch.setenv("SOLEKEY_USER_KEY_FROM", "file:/nowhere")
    assert run_cli("list", "--user-key", home.phrase).code == 0


def test_a_named_provider_before_the_remembered_one(run_cli, home, stored, tmp_path, monkeypatch):
    stored.rename(tmp_path / "moved.key")
    assert run_cli("list").error == "provider_empty"
    assert run_cli("list", "--user-key-from", f"file:{tmp_path / 'moved.key'}").code == 0
    monkeypatch.setenv("SOLEKEY_USER_KEY_FROM", f"file:{tmp_path / 'moved.key'}")
    assert run_cli("list").code == 0


def test_a_prompt_may_be_asked_for(run_cli, home, stored):
    assert run_cli("list", "--user-key-from", "prompt:").code == USAGE  # nobody is here


def test_without_any_the_words_are_asked_for(run_cli, home):
    assert run_cli("list").code == USAGE


def test_a_kit_is_tested_with_paper_not_with_the_stored_key(run_cli, home, stored):
    assert run_cli("recovery", "test").code == USAGE
    assert run_cli("recovery", "test", "--user-key", home.phrase).code == 0


def test_nobody_there_says_what_to_set(run_cli, stored, monkeypatch):
    monkeypatch.delenv("SOLEKEY_PASSPHRASE")
    said = run_cli("list")
    assert (said.code, said.error) == (FAILED, "provider_unattended")
    assert "SOLEKEY_PASSPHRASE" in said.err


def test_a_wrong_passphrase(run_cli, stored, monkeypatch):
    monkeypatch.setenv("SOLEKEY_PASSPHRASE", "another passphrase")
    assert (run_cli("list").code, run_cli("list").error) == (WRONG_KEY, "wrong_passphrase")


def test_somebody_there_is_asked_and_a_new_passphrase_twice(run_cli, home, stick, monkeypatch):
    asked = []

    def prompt(text: str, **how: object) -> str:
        asked.append((str(text), how.get("confirmation_prompt"), how.get("hide_input")))
        return PASSPHRASE

    monkeypatch.setattr(click, "prompt", prompt)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert run_cli("user-key", "store", f"file:{stick}", "--user-key", home.phrase).code == 0
    assert run_cli("list").code == 0
    assert asked == [
        (f"New passphrase for {stick}", True, True),
        (f"Passphrase of {stick}", False, True),
    ]


def test_deletes_and_forgets(run_cli, home, stored):
    assert run_cli("user-key", "forget", "--accept-risk").document["deleted"] is True
    assert not stored.exists()
    assert details(home)["user_key_from"] is None
    assert run_cli("list").code == USAGE


def test_nobody_there_must_say_that_the_words_are_safe(run_cli, stored):
    assert run_cli("user-key", "forget").code == USAGE
    assert stored.exists()


def test_leaves_it_where_it_is_when_asked(run_cli, home, stored):
    assert run_cli("user-key", "forget", "--only-here").document["deleted"] is False
    assert stored.exists()
    assert details(home)["user_key_from"] is None


def test_a_stick_that_is_gone_is_forgotten(run_cli, home, stored):
    stored.unlink()
    assert run_cli("user-key", "forget", "--accept-risk").code == 0


def test_there_may_be_nothing_to_forget(run_cli, home):
    assert run_cli("user-key", "forget", "--accept-risk").error == "provider_empty"


def test_the_stored_key_follows(run_cli, home, stored):
    words = UserKey.make().to_phrase()
    said = run_cli("rotate", "user-key", "--new-user-key", words, "--accept-risk")
    assert said.document["stored_user_key"] == {f"file:{stored}": "updated"}
    assert load(home, stored) == UserKey.from_phrase(words)
    assert run_cli("list").code == 0


def test_what_cannot_follow_is_said_to_be_outdated(run_cli, home, stored):
    words = UserKey.make().to_phrase()
    stored.unlink()
    stored.mkdir()
    said = run_cli("rotate", "user-key", "--user-key", home.phrase, "--new-user-key", words, "--accept-risk")
    assert said.code == 0
    assert said.document["stored_user_key"] == {f"file:{stored}": "outdated"}
    assert "outdated and opens nothing any more" in said.err
    assert f"user-key store 'file:{stored}' --replace" in said.err
    assert run_cli("list", "--user-key", words).code == 0


def test_a_named_place_follows_too(run_cli, home, stored, tmp_path, monkeypatch):
    other = tmp_path / "other.key"
    provider = open_provider(f"file:{other}", account=home.account.account, ask=Answers())
    provider.store(home.key())
    words = UserKey.make().to_phrase()
    said = run_cli(
        "rotate", "user-key", "--user-key-from", f"file:{other}", "--new-user-key", words, "--accept-risk"
    )
    assert said.document["stored_user_key"] == {f"file:{other}": "updated", f"file:{stored}": "updated"}
    assert provider.load() == load(home, stored) == UserKey.from_phrase(words)


def test_nothing_is_said_where_nothing_is_stored(run_cli, home):
    words = UserKey.make().to_phrase()
    said = run_cli("rotate", "user-key", "--user-key", home.phrase, "--new-user-key", words, "--accept-risk")
    assert said.code == 0
    assert "stored_user_key" not in said.document


def test_a_revocation_follows_too(run_cli, home, stored):
    home.add_device("phone")
    words = UserKey.make().to_phrase()
    said = run_cli("devices", "revoke", "phone", "--yes", "--new-user-key", words, "--accept-risk")
    assert said.document["stored_user_key"] == {f"file:{stored}": "updated"}
    assert load(home, stored) == UserKey.from_phrase(words)


def test_a_key_that_another_device_has_replaced_names_its_place(run_cli, home, stored):
    phone = home.add_device("phone")
    words = UserKey.make().to_phrase()
    with phone.unlock(home.key()) as vault:
        change_user_key(vault, UserKey.from_phrase(words))
    said = run_cli("list")
    assert (said.code, said.error) == (WRONG_KEY, "wrong_user_key")
    assert f"user-key store 'file:{stored}' --replace" in said.document["error"]["next"]
    stored_again = run_cli("user-key", "store", f"file:{stored}", "--replace", "--user-key", words)
    assert stored_again.code == 0
    assert run_cli("list").code == 0


def test_a_keyring_keeps_it(run_cli, home, memory_keyring):
    run = (*LOG_IN, "--code", home.server.code(), "--device-key", "keyring:work")
    device = run_cli(*run, device="phone").document["device"]
    assert ("solekey device work", device) in memory_keyring.entries
    assert not (home.folder / "phone" / "device.key").exists()
    assert run_cli("devices", "trust", "--user-key", home.phrase, device="phone").code == 0
    assert run_cli("put", "--name", "a", "--text", "b", "--user-key", home.phrase, device="phone").code == 0
    memory_keyring.entries.clear()
    assert run_cli("status", device="phone").error == "device_key_missing"


def test_it_stays_where_it_was_made(run_cli, home):
    said = run_cli(*AGAIN, "--code", home.server.code(), "--device-key", "keyring:")
    assert (said.code, said.error) == (FAILED, "profile_exists")


def test_a_malformed_place_makes_no_profile(run_cli, home):
    run = (*LOG_IN, "--code", home.server.code(), "--device-key", "gpg:x")
    assert run_cli(*run, device="phone").error == "provider_spec_invalid"
    assert not (home.folder / "phone" / "profile.json").exists()


def test_a_token_keeps_it_and_the_user_key(run_cli, home, token, monkeypatch):
    """Log in, trust, store, read, rotate, both keys on one token: each command asks for the PIN once."""
    asked = []

    def prompt(text: str, **_: object) -> str:
        asked.append("PIN" in text)
        return PIN

    monkeypatch.setattr(click, "prompt", prompt)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)

    def run(*arguments: str):
        close_tokens()  # as between two processes
        asked.clear()
        said = run_cli(*arguments, device="phone")
        assert said.code == 0, said.err
        assert asked == [True]
        return said.document

    run(*LOG_IN, "--code", home.server.code(), "--device-key", token.spec("device"))
    run("devices", "trust", "--user-key", home.phrase)
    run("user-key", "store", token.spec(), "--user-key", home.phrase)
    run("put", "--name", "note", "--text", "hello")
    assert run("get", "note")["text"] == "hello"
    words = UserKey.make().to_phrase()
    rotated = run("rotate", "user-key", "--new-user-key", words, "--accept-risk")
    assert rotated["stored_user_key"] == {token.spec(): "updated"}
    assert run("get", "note")["text"] == "hello"
    text = (home.folder / "phone" / "profile.json").read_text()
    assert PIN not in text
    assert json.loads(text)["device_key_from"] == token.spec("device")


def test_a_token_that_is_gone_says_so(run_cli, home, token, monkeypatch):
    monkeypatch.setenv("SOLEKEY_PIN", PIN)
    run = (*LOG_IN, "--code", home.server.code(), "--device-key", token.spec("device"))
    assert run_cli(*run, device="phone").code == 0
    token.remove()
    said = run_cli("status", device="phone")
    assert (said.code, said.error) == (FAILED, "token_missing")


def test_a_wrong_pin(run_cli, home, token, monkeypatch):
    monkeypatch.setenv("SOLEKEY_PIN", "000000")
    run = (*LOG_IN, "--code", home.server.code(), "--device-key", token.spec("device"))
    said = run_cli(*run, device="phone")
    assert (said.code, said.error) == (WRONG_KEY, "pin_refused")


def test_a_library_that_may_not_ask_says_so(run_cli, home, token, monkeypatch):
    """`Runtime.ask` refuses unless an application gives one."""
    from solekey.errors import NobodyToAskError

    monkeypatch.setenv("SOLEKEY_PIN", PIN)
    run_cli(*LOG_IN, "--code", home.server.code(), "--device-key", token.spec("device"), device="phone")
    close_tokens()
    with Session.open(home.folder / "phone", home.runtime) as session, pytest.raises(NobodyToAskError):
        session.sync()


def test_a_profile_of_an_earlier_release_is_read(home, run_cli):
    path = home.folder / "laptop" / "profile.json"
    members = json.loads(path.read_bytes())
    for name in ("device_key_from", "device_public_key", "user_key_from"):
        del members[name]
    path.write_text(json.dumps(members, separators=(",", ":"), sort_keys=True))
    assert run_cli("list", "--user-key", home.phrase).code == 0
