"""Text as files, pipes, editors, keyboards and scanners deliver it."""

import base64
import io
import json
import os
import subprocess
import sys
import unicodedata

import click
import pytest

from solekey.cli.input.text_input import read_secret_file, read_secret_line
from solekey.cli.input.totp_secret import parse_totp_secret
from solekey.crypto.new_password import verify_new_password
from solekey.crypto.typed_words import list_typed_words
from solekey.errors import MetadataError, NotTextError, PasswordUntypeableError
from tests.support.client.fake_server import ORIGIN
from tests.support.client.world import PASSWORD, USERNAME

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
MARKS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


def encode(text: str, encoding: str) -> bytes:
    return MARKS.get(encoding, b"") + text.encode(encoding)


def feed(monkeypatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_comes_from_a_file_of_any_editor(tmp_path, encoding, end):
    path = tmp_path / "secret"
    path.write_bytes(encode("correct hörse" + end, encoding))
    assert read_secret_file("--password", path, words=False) == "correct hörse"


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_comes_from_a_pipe_of_any_system(monkeypatch, encoding, end):
    feed(monkeypatch, encode("correct hörse" + end, encoding))
    assert read_secret_line("--password", words=False) == "correct hörse"


@pytest.mark.parametrize(
    "data", ["hörse".encode("latin-1"), "horse".encode("utf-16-le"), b"\xff\n", b"a\xc3"]
)
def test_another_encoding_is_refused_and_not_quoted(tmp_path, monkeypatch, data):
    path = tmp_path / "secret"
    path.write_bytes(data)
    with pytest.raises(NotTextError) as refusal:
        read_secret_file("--password", path, words=False)
    assert "horse" not in str(refusal.value)
    feed(monkeypatch, data)
    with pytest.raises(NotTextError):
        read_secret_line("--password", words=False)


def test_a_secret_is_one_line_and_the_next_one_is_left(tmp_path, monkeypatch):
    path = tmp_path / "secret"
    path.write_text("one\ntwo\n")
    with pytest.raises(click.UsageError, match="one line"):
        read_secret_file("--password", path, words=False)
    feed(monkeypatch, b"one\ncontent")
    assert read_secret_line("--password", words=False) == "one"
    assert sys.stdin.buffer.read() == b"content"


@pytest.mark.parametrize("path", [".", "/dev/null/x", "nowhere"])
def test_a_file_that_is_none_is_a_usage_error(home, run_cli, path):
    code, _, said = run_cli("laptop", "list", "--user-key", f"@{path}")
    assert code == 2
    assert path in said


SPELLINGS = {
    "as printed": lambda words: " ".join(words),
    "capitals": lambda words: " ".join(word.upper() for word in words),
    "title": lambda words: " ".join(word.title() for word in words),
    "commas": lambda words: ", ".join(words),
    "commas alone": lambda words: ",".join(words),
    "numbered": lambda words: " ".join(f"{n}. {word}" for n, word in enumerate(words, 1)),
    "numbered, one a line": lambda words: "\n".join(f"{n:2} {word}" for n, word in enumerate(words, 1)),
    "numbered, glued": lambda words: "\r\n".join(f"{n}.{word}" for n, word in enumerate(words, 1)),
    "brackets": lambda words: " ".join(f"({n}) {word};" for n, word in enumerate(words, 1)),
    "colons": lambda words: "\n".join(f"#{n}: {word}" for n, word in enumerate(words, 1)),
    "one a line, CR LF": lambda words: "\r\n".join(words) + "\r\n",
    "table": lambda words: "\n".join(" | ".join(words[at : at + 4]) for at in range(0, 24, 4)),
    "quoted": lambda words: '"' + " ".join(words) + '"\n',
    "zero width": lambda words: "\ufeff" + "\u200b ".join(words),
    "sentence": lambda words: " ".join(words).capitalize() + ".",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_words_are_taken_in_every_spelling(home, run_cli, monkeypatch, tmp_path, spelling):
    words = home.phrase.split()
    typed = SPELLINGS[spelling](words)
    assert list_typed_words(typed) == words
    path = tmp_path / "words"
    path.write_bytes(typed.encode())
    assert run_cli("laptop", "list", "--user-key", f"@{path}")[0] == 0
    feed(monkeypatch, typed.encode())
    assert run_cli("laptop", "list", "--user-key", "-")[0] == 0
    monkeypatch.setenv("SOLEKEY_USER_KEY", typed)
    assert run_cli("laptop", "list")[0] == 0


def test_words_on_standard_input_leave_the_content_behind_them(home, run_cli, monkeypatch):
    words = home.phrase.split()
    feed(monkeypatch, ("\n".join(words) + "\nabandon the ship").encode())
    assert run_cli("laptop", "put", "-", "--name", "x", "--user-key", "-")[0] == 0
    assert home.unlock("laptop").get("x").content == b"abandon the ship"


@pytest.mark.parametrize("word", ["abandonn", "aband0n", "1abandon2", "äbandon", "abandon-able"])
def test_a_mistyped_word_stays_one(word):
    assert list_typed_words(word) not in ([], ["abandon"])


@pytest.mark.parametrize(
    "password",
    [
        "a good password\n", "a good password\r\n", "\ufeffa good password", "a good\x1b[A password",
        "a good\tpassword",
        "a good\rpassword", "a good\u2028password", "a good\u202epassword", "a good pass\u200bword",
        "a good\x00one!!",
        "            ", "\u00a0\u3000        ", "a good \ue000 password",
        "a good\x7f password", "a good\x9b password",
    ],
)  # fmt: skip
def test_a_password_that_can_be_typed_nowhere_is_refused(password):
    with pytest.raises(PasswordUntypeableError) as refusal:
        verify_new_password(password, USERNAME)
    assert "good" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "pässwörter sind gut",
        "\u06af\u0644\u200c\u0647\u0627 123456",
        " blanks around ",
    ],
)
def test_a_password_that_can_be_typed_somewhere_is_taken(password):
    assert verify_new_password(password, USERNAME) == password


SECRET = "JBSWY3DPEHPK3PXP"


@pytest.mark.parametrize(
    "given",
    [
        SECRET, SECRET.lower(), "JBSW Y3DP EHPK 3PXP", "jbsw-y3dp-ehpk-3pxp", SECRET + "======",
        f" {SECRET}\n",
        f"otpauth://totp/Solekey:ada?secret={SECRET}&issuer=Solekey",
        f"OTPAUTH://totp/x?issuer=y&secret={SECRET.lower()}%3D%3D&digits=6&period=30&algorithm=sha1",
    ],
)  # fmt: skip
def test_an_authenticator_secret_is_taken_in_every_spelling(given):
    assert base64.b32decode(parse_totp_secret(given)) == base64.b32decode(SECRET)


@pytest.mark.parametrize(
    "given",
    ["not base32!", "", "====", "1890", "otpauth://hotp/x?secret=" + SECRET, "otpauth://totp/x", "otpauth://[",
     f"otpauth://totp/x?secret={SECRET}&digits=8", f"otpauth://totp/x?secret={SECRET}&algorithm=SHA256"],
)  # fmt: skip
def test_an_authenticator_secret_that_is_none_is_a_usage_error(given):
    with pytest.raises(click.UsageError, match="--totp-secret"):
        parse_totp_secret(given)


def test_a_login_with_a_bad_secret_asks_no_server(home, run_cli):
    home.server.requests.clear()
    code, _, said = run_cli("laptop", "login", "--password", "@/dev/null", "--totp-secret", "not base32!")
    assert code == 2
    assert "Update the client" not in said
    assert not home.server.requests


COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Café Ångström") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(("first", "second"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_names_that_look_alike_are_one_item(home, first, second):
    vault = home.unlock("laptop")
    stored = vault.put(first, "one")
    assert vault.get(second).content == b"one"
    again = vault.put(second, "two")
    assert (again.id, again.version, again.conflict) == (stored.id, 2, False)
    assert [info.name for info in vault.list()] == [first]
    vault.remove(second)
    assert vault.list() == []


def test_names_that_look_alike_conflict(home):
    home.add_device("phone")
    laptop, phone = home.unlock("laptop"), home.unlock("phone")
    laptop.put(COMPOSED, "from the laptop")
    stored = phone.put(DECOMPOSED, "from the phone")
    assert stored.conflict
    assert len({unicodedata.normalize("NFC", info.name) for info in laptop.list()}) == 2


def test_names_that_look_alike_are_refused_in_one_call(home):
    with pytest.raises(MetadataError):
        home.unlock("laptop").put_many({COMPOSED: b"1", DECOMPOSED: b"2"})


def test_case_counts_and_ids_do(home):
    vault = home.unlock("laptop")
    vault.put("a", "1")
    stored = vault.put("A", "2")
    assert len(vault.list()) == 2
    assert vault.get(stored.id).content == b"2"


def run_process(tmp_path, arguments: str, redirection: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a stream closed by the shell, as `<&-` does."""
    program = f'exec {sys.executable} -c "from solekey.cli import main; main()" {arguments} {redirection}'
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SOLEKEY_")}
    environment |= {"SOLEKEY_PROFILE": str(tmp_path / "none"), "LC_ALL": "C.UTF-8"}
    return subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    ("arguments", "redirection", "code"),
    [
        ("user-key make", ">&-", 1),
        ("user-key make", "> /dev/full", 1),
        ("user-key make", "<&-", 0),
        ("user-key make", "2>&-", 0),
        ("login", "<&-", 2),
        ("login --password -", "<&-", 1),
        ("login --user-key - --password x", "<&-", 2),
        ("list", "<&- >&- 2>&-", 3),
        ("recovery combine", "<&-", 1),
        ("recovery combine", "< /dev/null", 5),
    ],
)
def test_a_closed_or_full_stream_is_no_traceback(tmp_path, arguments, redirection, code):
    done = run_process(tmp_path, arguments, redirection)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == code, done.stderr
    if redirection == "> /dev/full":
        assert "[disk_full]" in done.stderr
    if redirection == ">&-":
        assert "[stream_closed]" in done.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_of_another_encoding_shows_escapes(tmp_path, encoding, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    done = run_process(tmp_path, "put '/nowhere/手机'", "")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_what_split_prints_is_what_combine_reads(home, run_cli, monkeypatch, tmp_path):
    path, saved = tmp_path / "words", tmp_path / "shares.txt"
    path.write_text(home.phrase)
    for extra in ((), ("--json",)):
        command = ("recovery", "split", "-k", "2", "-n", "3", "--user-key", f"@{path}", *extra)
        code, printed, _ = run_cli("laptop", *command)
        assert code == 0
        feed(monkeypatch, printed.encode())
        assert run_cli("laptop", "recovery", "combine")[1].split() == home.phrase.split()
        saved.write_bytes(("\ufeff" + printed.replace("\n", "\r\n")).encode())
        assert run_cli("laptop", "recovery", "combine", saved)[1].split() == home.phrase.split()


def test_shares_over_several_lines_are_read(home, run_cli, monkeypatch, tmp_path):
    path = tmp_path / "words"
    path.write_text(home.phrase)
    _, printed, _ = run_cli(
        "laptop", "recovery", "split", "-k", "2", "-n", "2", "--user-key", f"@{path}", "--json"
    )
    shares = [share["words"].split() for share in json.loads(printed)["shares"]]
    lines = [line for words in shares for line in (" ".join(words[:20]), " ".join(words[20:]).upper(), "")]
    feed(monkeypatch, "\n".join(lines).encode())
    assert run_cli("laptop", "recovery", "combine")[1].split() == home.phrase.split()


def test_a_password_with_a_mark_in_its_file_is_the_password(home, run_cli, tmp_path):
    path = tmp_path / "password"
    path.write_bytes(encode(PASSWORD + "\r\n", "utf-16"))
    code, _, said = run_cli(
        "phone", "login", "--server", ORIGIN, "--username", USERNAME,
        "--password", f"@{path}", "--code", home.server.code(),
    )  # fmt: skip
    assert code == 0, said


@pytest.mark.parametrize(
    "arguments",
    [
        ("factors", "add-totp", "--new-code", "abc"),
        ("factors", "add-totp", "--new-code", "12345"),
        ("factors", "add-passkey", "--name", ""),
        ("factors", "add-passkey", "--name", "x" * 65),
        ("login", "--code", "1234567"),
        ("login", "--recovery-code", "abc"),
        ("put", "x" * 5000),
        ("put", "/proc/version/x"),
        ("rotate", "policy", "--data-key-days", "x"),
        ("get", "x", "--range", "b-a"),
    ],
    ids=" ".join,
)
def test_a_typing_error_is_named_here_and_is_no_bug_to_report(home, run_cli, arguments):
    home.server.requests.clear()
    code, out, said = run_cli("laptop", *arguments)
    assert (code, out) == (2, "")
    assert "report it" not in said
    assert not home.server.requests
