"""What the log says: what the library does, and nothing that anybody must not read."""

import logging
import re

import pytest

import solekey
from solekey.connection.journal import make_template
from solekey_protocol.ids import compute_digest
from tests.support.client.fake_parts import problem
from tests.support.client.world import PASSWORD, USERNAME

CANARIES = {
    "name": "name-canary",
    "text": "text-canary",
    "tag": "tag-canary",
    "attribute": "attribute-canary",
    "device": "device-canary",
    "file": "file-canary",
    "user name": USERNAME,
    "password": PASSWORD,
}


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG, "solekey")
    return caplog


def use_everything(home, folder):
    """Every part of an account, with canaries wherever a person chooses a word."""
    name, text, tag = CANARIES["name"], CANARIES["text"], CANARIES["tag"]
    (folder / CANARIES["file"]).write_bytes(bytes(2_000_000))
    home.add_device(CANARIES["device"])
    laptop = home.folder / "laptop"
    with solekey.open(laptop, key=home.key(), on_step_up=home.server.code, runtime=home.runtime) as account:
        account.items.put(name, text, tags=[tag], attributes={"room": CANARIES["attribute"]})
        account.items.put_file(folder / CANARIES["file"])
        account.items.get(name)
        account.items.remove(name)
        account.items.restore(name)
        account.factors.make_recovery_codes()
        account.change_password(PASSWORD, "another pass-canary")
        with solekey.UserKey.make() as key:
            phrase = key.to_phrase()
            account.devices.revoke(account.devices.find(CANARIES["device"]).id, key)
        tokens = account._core.session.connection.tokens
        words = [" ".join(phrase.split()[at : at + 3]) for at in (0, 10, 20)]
        return [*CANARIES.values(), *words, *home.phrase.split("  "), tokens.refresh, *tokens.access.values()]


def find_leaks(log, secrets):
    said = "\n".join(f"{record.getMessage()} {record.args} {record.exc_text or ''}" for record in log.records)
    return [secret for secret in secrets if secret in said]


def test_the_log_tells_what_happens_and_no_secret(home, log, tmp_path):
    home.server.sleep(3600)
    secrets = use_everything(home, tmp_path)
    said = [record.getMessage() for record in log.records if record.name.startswith("solekey")]
    for expected in (
        r"POST /v1/vault/statements: 201 in \d+ ms",
        r"PUT /v1/vault/objects/\{\}: 20\d in \d+ ms",
        "vault: verified events 1 to 1",
        r"commit 1: 1 changes, epoch 1",
        "unlocked, epoch 1",
        "locked",
        "a fresh second factor is asked for",
        r"rotation rot_\w+ of the user_key: wrap",
        r"rotation rot_\w+ of the data_key: complete",
    ):
        assert any(re.fullmatch(expected, line) for line in said), (expected, said)
    assert find_leaks(log, secrets) == []


@pytest.mark.parametrize("told", ["name", "text", "tag", "attribute", "file", "password"])
def test_a_leak_would_be_found(home, log, tmp_path, monkeypatch, told):
    """The control: a careless line anywhere is found, whichever canary it tells."""
    from solekey.crypto import device_key
    from solekey.transfer import uploader

    real = uploader.Uploader.upload

    def careless(self, puts, *rest):
        logging.getLogger("solekey.vault").debug("uploading %s, %r", CANARIES[told], device_key)
        return real(self, puts, *rest)

    monkeypatch.setattr(uploader.Uploader, "upload", careless)
    assert find_leaks(log, use_everything(home, tmp_path)) == [CANARIES[told]]


def test_retries_are_told_without_the_words_of_the_server(home, log):
    answers = iter([problem(503, "trust_stale"), problem(503, "unavailable", {"detail": "name-canary"})])
    home.server.tamper = lambda _, honest: next(answers, honest)
    with solekey.open(home.folder / "laptop", runtime=home.runtime) as account:
        account.sync()
    told = [record.getMessage() for record in log.records if "follows in" in record.getMessage()]
    assert told[0].startswith("GET /v1/devices/events: trust_stale; attempt 2 of 6 follows in ")
    assert "unavailable" in told[1]
    assert find_leaks(log, ["name-canary"]) == []


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/v1/auth/sessions/refresh", "/v1/auth/sessions/refresh"),
        ("/v1/auth/step-up/challenges", "/v1/auth/step-up/challenges"),
        ("/v1/auth/sessions/ses_aaaaaaaaaaaaaaaaaaaaaaaaaa", "/v1/auth/sessions/{}"),
        (f"/v1/vault/objects/{compute_digest(b'x')}", "/v1/vault/objects/{}"),
        (f"/v1/vault/objects/{'a' * 64}", "/v1/vault/objects/{}"),
    ],
)
def test_a_path_is_told_without_its_ids(path, template):
    assert make_template(path) == template


@pytest.mark.parametrize(("flag", "told"), [("-v", (True, False)), ("-vv", (True, True))])
def test_the_command_shows_the_log(home, run_cli, flag, told):
    log = logging.getLogger("solekey")
    before, level = list(log.handlers), log.level
    try:
        code, out, said = run_cli("laptop", "list", flag, "--user-key", home.phrase)
    finally:
        log.handlers, log.level = before, level
    assert code == 0
    assert out == "No items.\n"
    assert ("unlocked, epoch 1" in said, "GET /v1/vault/wraps: 200" in said) == told
    assert home.phrase not in said
