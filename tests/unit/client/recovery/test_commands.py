"""`solekey recovery` and what else takes a kit, run in this process against a fake server."""

import io
import json
import sys

import pytest

from solekey import UserKey
from solekey.profile.profile import Profile
from solekey.recovery import read_kit
from solekey.recovery.shares import combine_shares, parse_share
from solekey.rotation.rotation import change_user_key, rekey_data
from solekey_protocol.events import Stream
from tests.support.client.fake_factors import TOTP_SECRET
from tests.support.client.fake_server import ORIGIN
from tests.support.client.world import PASSWORD, USERNAME

WRONG_KEY, USAGE, MISBEHAVED, FAILED = 5, 2, 6, 1


def pipe(text: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()))


@pytest.fixture
def files(home, tmp_path, monkeypatch):
    """The home world, with its words in a file; commands run in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "words").write_text(home.phrase)
    return folder


def write_kit_file(run_cli, path="kit.pdf"):
    code, _, said = run_cli("laptop", "recovery", "kit", "-o", path, "--user-key", "@words")
    assert code == 0, said
    return path


def test_kit_writes_the_present_key(run_cli, home, files):
    code, out, _ = run_cli("laptop", "recovery", "kit", "-o", "kit.pdf", "--user-key", "@words", "--json")
    saved = read_kit(files / "kit.pdf")
    assert code == 0
    assert json.loads(out) == {
        "kit": "kit.pdf",
        "account": home.account.account,
        "key_id": saved.kit.key_id,
        "created": saved.kit.created,
    }
    assert saved.user_key == home.key()


def test_kit_refuses_another_key_and_writes_nothing(run_cli, files):
    wrong = UserKey.make().to_phrase()
    code, _, said = run_cli("laptop", "recovery", "kit", "-o", "kit.pdf", "--user-key", wrong)
    assert code == WRONG_KEY
    assert "wrong_user_key" in said
    assert not (files / "kit.pdf").exists()


def test_kit_keeps_a_file_that_exists(run_cli, files):
    (files / "kit.pdf").write_text("precious")
    code, _, said = run_cli("laptop", "recovery", "kit", "-o", "kit.pdf", "--user-key", "@words")
    assert code == FAILED
    assert "kit_exists" in said
    assert (files / "kit.pdf").read_text() == "precious"


def test_letter_paper_is_chosen(run_cli, files):
    from pypdf import PdfReader

    run_cli("laptop", "recovery", "kit", "-o", "kit.pdf", "--user-key", "@words", "--letter")
    assert PdfReader(files / "kit.pdf").pages[0].mediabox.width == 612


def test_test_proves_a_kit(run_cli, files):
    kit = write_kit_file(run_cli)
    code, out, _ = run_cli("laptop", "recovery", "test", kit, "--json")
    made = read_kit(files / kit).kit
    assert code == 0
    assert json.loads(out) == {
        "opens": True,
        "key_id": made.key_id,
        "epoch": 1,
        "outdated": False,
        "kit": {"created": made.created, "server": ORIGIN},
    }
    code, out, _ = run_cli("laptop", "recovery", "test", kit)
    assert (code, "older" in out) == (0, False)


def test_test_proves_words_and_says_what_they_do_not_say(run_cli, files):
    code, out, said = run_cli("laptop", "recovery", "test", "--user-key", "@words")
    assert code == 0
    assert "epoch 1" in out
    assert "how old" in said


def test_test_warns_of_an_outdated_kit(run_cli, home, files):
    kit = write_kit_file(run_cli)
    rekey_data(home.unlock("laptop"))
    code, out, _ = run_cli("laptop", "recovery", "test", kit)
    assert code == 0
    assert "epoch 2" in out
    assert "older than the last rotation" in out
    assert "solekey recovery kit" in out


def test_test_refuses_a_replaced_key(run_cli, home, files):
    kit = write_kit_file(run_cli)
    change_user_key(home.unlock("laptop"), UserKey.make())
    code, _, said = run_cli("laptop", "recovery", "test", kit, "--json")
    assert code == WRONG_KEY
    assert json.loads(said)["error"]["code"] == "wrong_user_key"


def test_test_takes_the_public_part_and_the_words_apart(run_cli, files):
    from solekey.recovery.record import encode_kit_record

    (files / "scanned.txt").write_text(encode_kit_record(read_kit(files / write_kit_file(run_cli)).kit))
    code, out, _ = run_cli("laptop", "recovery", "test", "scanned.txt", "--user-key", "@words", "--json")
    assert (code, json.loads(out)["outdated"]) == (0, False)
    wrong = UserKey.make().to_phrase()
    code, _, said = run_cli("laptop", "recovery", "test", "scanned.txt", "--user-key", wrong)
    assert (code, "kit_mismatch" in said) == (WRONG_KEY, True)


def test_test_finds_a_server_out(run_cli, home, files):
    home.unlock("laptop").put("a", "1")
    kit = write_kit_file(run_cli)
    del home.account.events[Stream.VAULT][-1:]
    home.log_in("phone")
    assert run_cli("phone", "recovery", "test", "--user-key", "@words")[0] == 0
    code, _, said = run_cli("phone", "recovery", "test", kit)
    assert (code, "rollback_detected" in said) == (MISBEHAVED, True)


def test_trust_and_log_in_with_a_kit(run_cli, home, files):
    kit = write_kit_file(run_cli)
    code, out, said = run_cli(
        "phone", "login", "--kit", kit, "--password", PASSWORD, "--totp-secret", TOTP_SECRET, "--json",
        "--code", home.server.code(),
    )  # fmt: skip
    assert code == 0, said
    assert json.loads(out)["standing"] == "pending"
    assert Profile.open(home.folder / "phone").details.username == USERNAME
    code, out, _ = run_cli("phone", "devices", "trust", "--kit", kit, "--json")
    assert (code, json.loads(out)["status"]) == (0, "trusted")


def test_trust_with_a_kit_refuses_a_cheating_server(run_cli, home, files):
    home.unlock("laptop").put("a", "1")
    kit = write_kit_file(run_cli)
    del home.account.events[Stream.VAULT][-1:]
    phone = home.log_in("phone")
    code, _, said = run_cli("phone", "devices", "trust", "--kit", kit)
    assert (code, "rollback_detected" in said) == (MISBEHAVED, True)
    assert phone.devices.own_status.value == "pending"
    assert run_cli("phone", "devices", "trust", "--user-key", "@words")[0] == 0  # without a kit it passes


def split(run_cli, *more):
    code, out, said = run_cli(
        "laptop", "recovery", "split", "-k", "2", "-n", "3", "--user-key", "@words", *more
    )
    assert code == 0, said
    return out


def test_split_and_combine_files(run_cli, home, files):
    paths = split(run_cli, "-o", "shares").split()
    assert len(paths) == 3
    code, out, _ = run_cli("nobody", "recovery", "combine", paths[2], paths[0])
    assert (code, out.strip()) == (0, home.phrase)
    code, _, said = run_cli("nobody", "recovery", "combine", paths[1])
    assert (code, "shares_too_few" in said) == (WRONG_KEY, True)


def test_split_names_account_key_and_set_beside_the_words(run_cli, home, files):
    out = split(run_cli)
    for number in (1, 2, 3):
        assert f"Share {number} of 3; any 2 open it. Set " in out
    assert out.count(home.account.account) == out.count(home.account.states[Stream.DEVICES].key_id) == 3


def test_split_answers_in_json(run_cli, home, files):
    document = json.loads(split(run_cli, "--json"))
    shares = [parse_share(row["words"]) for row in document["shares"]]
    assert [(share.index, share.set) for share in shares] == [(n, document["set"]) for n in (1, 2, 3)]
    assert combine_shares(shares[1:]) == home.key()
    assert document["key_id"] == home.key().derive_key_id(home.account.account)


@pytest.mark.parametrize(("threshold", "shares"), [(1, 3), (4, 3), (2, 17)])
def test_split_refuses_impossible_numbers(run_cli, files, threshold, shares):
    code, _, said = run_cli("laptop", "recovery", "split", "-k", str(threshold), "-n", str(shares))
    assert code == USAGE
    assert "2 to 16 shares" in said


def test_split_refuses_another_key(run_cli, files):
    wrong = UserKey.make().to_phrase()
    assert run_cli("laptop", "recovery", "split", "-k", "2", "-n", "3", "--user-key", wrong)[0] == WRONG_KEY


def test_combine_reads_standard_input(run_cli, home, files, monkeypatch):
    rows = json.loads(split(run_cli, "--json"))["shares"]
    monkeypatch.setattr(sys, "stdin", pipe(f"{rows[0]['words']}\n\n{rows[2]['words']}\n"))
    code, out, _ = run_cli("nobody", "recovery", "combine", "--json")
    assert (code, json.loads(out)["user_key"]) == (0, home.phrase)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda words: ["academc", *words[1:]], "share_unknown_word"),
        (lambda words: [words[1], words[0], *words[2:]], "share_bad_checksum"),
        (lambda words: words[:-1], "share_wrong_length"),
    ],
)
def test_combine_names_what_was_mistyped(run_cli, files, monkeypatch, change, error):
    words = json.loads(split(run_cli, "--json"))["shares"][0]["words"].split()
    monkeypatch.setattr(sys, "stdin", pipe(" ".join(change(words))))
    code, out, said = run_cli("nobody", "recovery", "combine", "--json")
    refusal = json.loads(said)["error"]
    assert (code, out, refusal["code"]) == (WRONG_KEY, "", error)


def test_combine_writes_a_kit(run_cli, home, files):
    paths = split(run_cli, "-o", "shares").split()
    code, out, _ = run_cli("laptop", "recovery", "combine", *paths[:2], "-o", "kit.pdf")
    assert code == 0
    assert read_kit(files / "kit.pdf").user_key == home.key()
    assert home.phrase.split()[0] not in out.split()


def test_combine_keeps_the_key_at_a_provider(run_cli, home, files, monkeypatch):
    monkeypatch.setenv("SOLEKEY_PASSPHRASE", "a long passphrase for a stick")
    paths = split(run_cli, "-o", "shares").split()
    code, out, said = run_cli("nobody", "recovery", "combine", *paths[1:], "--to", "file:stick.key", "--json")
    assert code == 0, said
    assert json.loads(out)["account"] == home.account.account
    code, out, said = run_cli("laptop", "recovery", "test", "--user-key-from", "file:stick.key", "--json")
    assert (code, json.loads(out)["opens"]) == (0, True), said
    assert run_cli("nobody", "recovery", "combine", *paths, "--to", "file:x", "-o", "y.pdf")[0] == USAGE


SIGN_UP = ("signup", "--server", ORIGIN, "--username", USERNAME, "--password", PASSWORD)


def founded(world):
    return world.account.states[Stream.DEVICES].account_key is not None


def test_nobody_to_ask_founds_no_account(run_cli, world):
    code, _, said = run_cli("laptop", *SIGN_UP, "--code", world.server.code())
    assert code == USAGE
    assert "--accept-risk" in said
    assert not world.server.requests  # nor registers one


def test_accept_risk_founds_with_and_without_a_kit(run_cli, world, tmp_path):
    kit = tmp_path / "kit.pdf"
    code, out, said = run_cli(
        "laptop", *SIGN_UP, "--code", world.server.code(), "--accept-risk", "--kit", kit, "--json"
    )
    assert code == 0, said
    steps = [json.loads(line) for line in out.splitlines()]
    [shown] = [step for step in steps if step.get("step") == "user_key"]
    assert read_kit(kit).user_key == UserKey.from_phrase(shown["user_key"])
    assert founded(world)
    assert run_cli("laptop", "recovery", "test", kit)[0] == 0


def test_a_kit_that_an_interrupted_sign_up_left_is_taken_up(run_cli, world, tmp_path):
    kit = tmp_path / "kit.pdf"
    arguments = (*SIGN_UP, "--code", world.server.code(), "--accept-risk", "--kit", kit)

    def die(request):
        if request.method == "POST" and "devices" in request.url.path:
            raise KeyboardInterrupt

    world.server.before = die
    assert run_cli("laptop", *arguments)[0] == 130
    first = kit.read_bytes()
    assert not founded(world)
    world.server.be_honest()
    code, _, said = run_cli("laptop", *arguments)
    assert code == 0, said
    assert kit.read_bytes() == first
    assert run_cli("laptop", "recovery", "test", kit)[0] == 0


def test_a_kit_of_another_account_is_not_taken_up(run_cli, world, kit, user_key, tmp_path):
    from solekey.recovery import write_kit

    path = write_kit(kit, user_key, tmp_path / "kit.pdf")
    code, _, said = run_cli("laptop", *SIGN_UP, "--code", world.server.code(), "--accept-risk", "--kit", path)
    assert (code, "kit_exists" in said) == (FAILED, True)
    assert not founded(world)


def test_words_that_were_made_before_need_no_second_confirmation(run_cli, world, tmp_path):
    key, kit = UserKey.make(), tmp_path / "kit.pdf"
    code, _, said = run_cli(
        "laptop", *SIGN_UP, "--code", world.server.code(), "--user-key", key.to_phrase(), "--kit", kit
    )
    assert code == 0, said
    assert read_kit(kit).user_key == key


def test_a_new_user_key_needs_its_kit_too(run_cli, home, files):
    before = home.account.states[Stream.DEVICES].key_id
    assert run_cli("laptop", "rotate", "user-key", "--user-key", "@words")[0] == USAGE
    home.add_device("phone")
    assert run_cli("laptop", "devices", "revoke", "phone", "--yes", "--user-key", "@words")[0] == USAGE
    assert home.account.states[Stream.DEVICES].key_id == before
    assert len(home.account.states[Stream.DEVICES].trusted) == 2
    code, _, said = run_cli(
        "laptop",
        "devices",
        "revoke",
        "phone",
        "--yes",
        "--user-key",
        "@words",
        "--accept-risk",
        "--kit",
        "new.pdf",
        "-q",
    )
    assert code == 0, said
    assert home.account.states[Stream.DEVICES].key_id == read_kit(files / "new.pdf").kit.key_id != before
    assert run_cli("laptop", "recovery", "test", "new.pdf")[0] == 0


def test_a_rotation_never_takes_up_an_old_kit(run_cli, home, files):
    old = write_kit_file(run_cli)
    code, _, said = run_cli(
        "laptop", "rotate", "user-key", "--user-key", "@words", "--accept-risk", "--kit", old
    )
    assert (code, "kit_exists" in said) == (FAILED, True)
    new = UserKey.make().to_phrase()
    code, _, said = run_cli(
        "laptop", "rotate", "user-key", "--user-key", "@words", "--new-user-key", new, "--kit", old
    )
    assert (code, "kit_exists" in said) == (FAILED, True)
