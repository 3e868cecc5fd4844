"""A person at a terminal: no account is founded, and no new user key comes into force, before its recovery
kit was saved and its words were entered again. Against the real platform.
"""

import json
import stat
import subprocess
from dataclasses import dataclass

import pytest

from solekey.crypto import UserKey
from solekey.errors import PhraseChecksumError
from solekey.recovery import read_kit
from tests.support.people.terminal_user import PASSWORD, SOLEKEY, TerminalUser

pytestmark = pytest.mark.slow


@dataclass
class KitHolder(TerminalUser):
    """A user with one device, whose answers but those about the recovery kit are settings."""

    def __post_init__(self):
        ours = {
            "SERVER": self.url,
            "CA": str(self.ca),
            "USERNAME": self.username,
            "PASSWORD": PASSWORD,
            "PROFILE": str(self.folder / "profile"),
        }
        self.settings = {f"SOLEKEY_{name}": value for name, value in ours.items()}

    def script(self, *arguments):
        done = subprocess.run(
            [SOLEKEY, *arguments, "--json"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        said = (done.stdout if done.returncode == 0 else done.stderr).splitlines()
        return done.returncode, json.loads(said[-1]) if said and said[-1].startswith("{") else said

    def key_id(self):
        code, status = self.script("status")
        assert code == 0, status
        return status["key_id"]

    def sign_up(self):
        """Sign up as a script; the kit is kit.pdf, its words are in the file ``words``."""
        arguments = ("signup", "--code", "auto", "--accept-risk", "--kit", "kit.pdf")
        code, said = self.script(*arguments)
        assert code == 0, said
        (self.folder / "words").write_text(words_of(self.folder / "kit.pdf"))


@pytest.fixture
def ada(platform, tmp_path):
    return KitHolder(tmp_path, platform.url, platform.ca)


def words_of(path):
    return read_kit(path).user_key.to_phrase()


def save_kit(terminal, path):
    terminal.expect("Save the recovery kit (PDF) as [solekey-kit-")
    terminal.type(str(path))
    terminal.expect("Print it and put it in a safe place")
    terminal.expect("Then press Enter")
    terminal.type("")


def test_signing_up_ends_when_the_kit_was_saved_and_entered_again(ada):
    (ada.folder / "taken.pdf").write_text("precious")
    with ada.sit_down("signup", "--code", "auto") as terminal:
        terminal.expect("Save the recovery kit (PDF) as")
        terminal.type("taken.pdf")
        terminal.expect("That does not work")
        save_kit(terminal, "kit.pdf")
        terminal.expect("Words from 1 to 24")
        words = words_of(ada.folder / "kit.pdf").split()
        assert stat.S_IMODE((ada.folder / "kit.pdf").stat().st_mode) == 0o600
        assert ada.key_id() is None  # nothing is in force yet

        terminal.type(UserKey(bytes(range(32))).to_phrase())  # a phrase, but another one
        terminal.expect("Not the saved words at position 1,")
        assert ada.key_id() is None
        terminal.type(" ".join([*words[:3], "slekey"]))
        terminal.expect("Word 4 of the recovery phrase, 'slekey', is not in the word list")
        terminal.expect("Words from 4 to 24")
        terminal.type(" ".join([*words[3:9], "zoo" if words[9] != "zoo" else "zone"]))
        terminal.expect("Not the saved words at position 10")
        terminal.expect("Words from 10 to 24")
        assert ada.key_id() is None
        terminal.type(" ".join(words[9:15]).upper())
        terminal.expect("Words from 16 to 24")
        terminal.type(" ".join(words[15:]))
        terminal.expect("Ready. Account acc_")
        assert terminal.wait() == 0
    kit = read_kit(ada.folder / "kit.pdf").kit
    assert ada.key_id() == kit.key_id
    code, proof = ada.script("recovery", "test", "kit.pdf")
    assert (code, proof["outdated"]) == (0, False)
    assert (ada.folder / "taken.pdf").read_text() == "precious"


def test_the_words_that_are_shown_are_those_of_the_kit_and_leave_the_screen(ada):
    with ada.sit_down("signup", "--code", "auto", "--kit", "kit.pdf") as terminal:
        shown = terminal.expect("Then press Enter")
        phrase = words_of(ada.folder / "kit.pdf")
        numbered = [f"{place:2} {word} " for place, word in enumerate(phrase.split(), start=1)]
        assert [each for each in numbered if each not in shown] == []
        terminal.type("")
        terminal.expect("Words from 1 to 24")
        terminal.type(phrase)  # or the text of the QR code, which is the same
        assert terminal.wait() == 0
    before, _, shown_apart = terminal.raw.partition(b"\x1b[?1049h")  # the alternate screen: no scroll-back
    apart, left, after = shown_apart.partition(b"\x1b[?1049l")
    assert left
    assert all(f"{place:2} {word} ".encode() in apart for place, word in enumerate(phrase.split(), start=1))
    assert phrase.split()[0].encode() + b" " not in before
    assert b"Enter the words" in after


def test_giving_up_founds_nothing_and_the_saved_kit_is_taken_up_again(ada):
    with ada.sit_down("signup", "--code", "auto", "--kit", "kit.pdf") as terminal:
        terminal.expect("Then press Enter")
        terminal.type("")
        terminal.expect("Words from 1 to 24")
        terminal.give_up()
        assert terminal.wait() == 130
    assert ada.key_id() is None
    saved = (ada.folder / "kit.pdf").read_bytes()
    with ada.sit_down("signup", "--code", "auto", "--kit", "kit.pdf") as terminal:
        terminal.expect("Then press Enter")
        terminal.type("")
        terminal.expect("Words from 1 to 24")
        terminal.type(words_of(ada.folder / "kit.pdf"))
        assert terminal.wait() == 0, terminal.said
    assert (ada.folder / "kit.pdf").read_bytes() == saved
    assert ada.key_id() == read_kit(ada.folder / "kit.pdf").kit.key_id


def test_giving_up_without_a_kit_file_makes_another_key(ada):
    with ada.sit_down("signup", "--code", "auto") as terminal:
        save_kit(terminal, "first.pdf")
        terminal.expect("Words from 1 to 24")
        terminal.give_up()
        assert terminal.wait() == 130
    with ada.sit_down("signup", "--code", "auto") as terminal:
        save_kit(terminal, "second.pdf")
        terminal.expect("Words from 1 to 24")
        terminal.type(words_of(ada.folder / "first.pdf"))  # the wrong kit
        terminal.expect("Not the saved words")
        assert ada.key_id() is None
        terminal.type(words_of(ada.folder / "second.pdf"))
        assert terminal.wait() == 0
    assert ada.key_id() == read_kit(ada.folder / "second.pdf").kit.key_id


def test_a_new_user_key_is_in_force_when_its_kit_was_entered_again(ada):
    ada.sign_up()
    before = ada.key_id()
    with ada.sit_down("rotate", "user-key", "--user-key", "@words") as terminal:
        save_kit(terminal, "new.pdf")
        terminal.expect("Words from 1 to 24")
        terminal.type((ada.folder / "words").read_text())  # the old kit's words
        terminal.expect("Not the saved words")
        assert ada.key_id() == before
        terminal.type(words_of(ada.folder / "new.pdf"))
        terminal.expect("The new user key is in force")
        assert terminal.wait() == 0
    assert ada.key_id() == read_kit(ada.folder / "new.pdf").kit.key_id != before
    code, refusal = ada.script("recovery", "test", "kit.pdf")
    assert (code, refusal["error"]["code"]) == (5, "wrong_user_key")
    code, proof = ada.script("recovery", "test", "new.pdf")
    assert (code, proof["outdated"]) == (0, False)
    assert ada.script("rotate", "data-key", "--user-key", words_of(ada.folder / "new.pdf"))[0] == 0
    code, proof = ada.script("recovery", "test", "new.pdf")
    assert (code, proof["outdated"], proof["epoch"]) == (0, True, 2)


def test_giving_up_a_rotation_leaves_the_old_key(ada):
    ada.sign_up()
    before = ada.key_id()
    with ada.sit_down("rotate", "user-key", "--user-key", "@words") as terminal:
        save_kit(terminal, "new.pdf")
        terminal.expect("Words from 1 to 24")
        terminal.give_up()
        assert terminal.wait() == 130
    assert ada.key_id() == before
    code, status = ada.script("rotate", "status")
    assert (code, status["open"]) == (0, None)
    assert ada.script("recovery", "test", "kit.pdf")[0] == 0


def test_shares_are_asked_for_one_by_one(ada):
    ada.sign_up()
    code, made = ada.script("recovery", "split", "-k", "2", "-n", "3", "--user-key", "@words")
    assert code == 0
    one, two, _ = [row["words"] for row in made["shares"]]
    code, others = ada.script("recovery", "split", "-k", "2", "-n", "2", "--user-key", "@words")
    foreign = others["shares"][1]["words"]
    words = one.split()
    with ada.sit_down("recovery", "combine") as terminal:
        terminal.expect("Share 1 (33 words)")
        terminal.type(" ".join(["academc", *words[1:]]))
        terminal.expect("did you mean academic")
        terminal.type(" ".join([words[1], words[0], *words[2:]]))
        terminal.expect("checksum is wrong")
        terminal.type(one)
        terminal.expect("Share 2 of 2 (33 words)")
        terminal.type(one)
        terminal.expect("entered already")
        terminal.type(foreign)
        terminal.expect("This share is of set")
        terminal.expect("Share 2 of 2 (33 words)")
        terminal.type(two)
        terminal.expect((ada.folder / "words").read_text())
        assert terminal.wait() == 0


def find_wrong_end(words):
    """A last word that makes no phrase of the words before it."""
    for word in ("zoo", "abandon"):
        try:
            UserKey.from_phrase(" ".join([*words[:23], word]))
        except PhraseChecksumError:
            return word
    raise AssertionError("one of two words is wrong")


@pytest.mark.parametrize(
    "command", [("recovery", "test"), ("user-key", "check"), ("list",), ("devices", "trust")]
)
def test_words_are_asked_for_until_they_are_right(ada, command):
    """In every prompt: piece by piece, a mistyped word alone, and none of it in the scroll-back."""
    ada.sign_up()
    words = (ada.folder / "words").read_text().split()
    with ada.sit_down(*command) as terminal:
        terminal.expect("User key (24 words")
        terminal.type(" ".join([*words[:3], "slekey"]))
        terminal.expect("Word 4 of the recovery phrase, 'slekey', is not in the word list")
        terminal.expect("Words from 4 to 24")
        terminal.type(" ".join(words[3:10]))
        terminal.expect("Words from 11 to 24")
        terminal.type(" ".join([*words[10:23], find_wrong_end(words)]))  # words of the list, but not these
        terminal.expect("Words from 1 to 24")
        terminal.type(" ".join(words))
        assert terminal.wait() == 0, terminal.said
    before, _, apart = terminal.raw.partition(b"\x1b[?1049h")
    _, left, after = apart.partition(b"\x1b[?1049l")
    assert left
    assert words[5].encode() + b" " + words[6].encode() not in before + after
