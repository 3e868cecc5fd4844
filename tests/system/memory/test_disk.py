"""Nothing unlocked is written to disk: not by the commands, not for a moment, not in a temporary file.

The real command drives the real platform in a home of its own; a recorder keeps every file that it writes,
also those that it removes. Only what the user asked to be written may hold plaintext. Spec: keys.md §7.
"""

import os
from itertools import count
from pathlib import Path

import pytest

from solekey import UserKey
from solekey.account.session import Session
from solekey.audit import find_leaks
from solekey.vault.index.item_index import INDEX_FILE
from solekey_protocol.limits import MIB
from tests.support.platform_process import PlatformProcess
from tests.system.memory.canaries import (
    NAME,
    PASSWORD,
    PLAINTEXTS,
    TAG,
    TEXT,
    collect_data_keys,
    collect_plaintexts,
    collect_user_key,
)
from tests.system.memory.recorded_cli import RecordedCli

pytestmark = pytest.mark.slow

_users = count(1)


@pytest.fixture
def cli(platform: PlatformProcess, tmp_path: Path) -> RecordedCli:
    return RecordedCli(tmp_path, platform.url, platform.ca).make()


class Story:
    """One account, driven by commands; gathers the secrets that took part."""

    def __init__(self, cli: RecordedCli) -> None:
        self.cli = cli
        self.username = f"disk{next(_users)}"
        self.secrets = collect_plaintexts()
        self.phrase = ""
        self.totp = ""

    def run(self, *arguments: str, planted: str = "", device: str = "laptop", **secrets: str) -> str:
        profile = str(self.cli.profile(device))
        given = {"SOLEKEY_PASSWORD": PASSWORD, "SOLEKEY_USER_KEY": self.phrase, **secrets}
        return self.cli.run("--profile", profile, *arguments, planted=planted, **given)

    def make_words(self) -> str:
        return self.cli.run("user-key", "make").strip()

    def sign_up(self) -> None:
        self.phrase = self.make_words()
        signup = ("signup", "--username", self.username, "--code", "auto", "--accept-risk")
        document = self.cli.run_json(
            "--profile",
            str(self.cli.profile("laptop")),
            *signup,
            SOLEKEY_PASSWORD=PASSWORD,
            SOLEKEY_USER_KEY=self.phrase,
        )
        self.totp = document["totp"]["secret"]
        self.secrets["totp secret"] = self.totp.encode()
        self.collect("first")

    def add_device(self, device: str) -> None:
        self.run("login", "--username", self.username, device=device, SOLEKEY_TOTP_SECRET=self.totp)
        self.run("devices", "trust", device=device)

    def collect(self, when: str) -> None:
        """Learn the keys that are in force, as the user's own program could."""
        with Session.open(self.cli.profile("laptop")) as session:
            self.secrets |= collect_user_key(self.phrase, session.account, f"{when} user key")
            with session.unlock(UserKey.from_phrase(self.phrase)) as vault:
                keys = collect_data_keys(vault)
        self.secrets |= {f"{when} {name}": key for name, key in keys.items()}


def tell(story: Story, given: Path) -> None:
    """The whole life of an account."""
    film = given / f"{NAME}.mkv"
    film.write_bytes(b"".join(TEXT.encode() + os.urandom(64 * 1024) for _ in range(20)))
    assert film.stat().st_size > MIB
    story.sign_up()
    story.run("put", "--name", NAME, "--text", TEXT, "--tag", TAG)
    story.run("put", str(film), "--tag", TAG)
    assert TEXT in story.run("get", NAME)
    assert TEXT in story.run("get", film.name)
    assert NAME in story.run("list")
    wanted = story.cli.wanted / "film.mkv"
    story.run("get", film.name, "--output", str(wanted))
    assert wanted.read_bytes() == film.read_bytes()
    story.add_device("phone")
    assert TEXT in story.run("get", NAME, device="phone")
    for command in (("rotate", "user-key"), ("rotate", "data-key"), ("devices", "revoke", "phone")):
        words = story.make_words()
        target = ("devices", "revoke", find_device(story), "--yes") if command[0] == "devices" else command
        new = {} if command[1] == "data-key" else {"SOLEKEY_NEW_USER_KEY": words}
        story.run(*target, **new)
        story.phrase = words if new else story.phrase
        story.collect(" ".join(command))


def find_device(story: Story) -> str:
    with Session.open(story.cli.profile("phone")) as session:
        return session.devices.own_id


def find_unexpected(secrets, cli):
    """Find leaks, but for the authenticator's secret while a sign-up is on its way (authentication.md §2.4).

    What was written and deleted since is in the records; it must not be in the folder any more.
    """
    records = str(cli.record)
    return [
        leak
        for leak in find_leaks(secrets, cli.places())
        if leak.secret != "totp secret" or not str(leak.place).startswith(records)
    ]


def test_nothing_unlocked_is_written_to_disk(cli, tmp_path):
    story = Story(cli)
    given = tmp_path / "given"
    given.mkdir()
    tell(story, given)
    assert len([name for name in story.secrets if "data key" in name]) >= 4  # one a collection, at least
    assert find_unexpected(story.secrets, cli) == []
    assert not (cli.profile("laptop") / "signup.json").exists()
    keys = {name: secret for name, secret in story.secrets.items() if name not in PLAINTEXTS}
    assert find_leaks(keys, cli.wanted_places()) == []
    others = [(kind, Path(where)) for kind, where in cli.log() if kind != "written"]
    assert {kind for kind, _ in others} <= {"nameless", "database"}  # what they held is in the records
    assert {where.name for kind, where in others if kind == "database"} == {INDEX_FILE}
    assert all(where == cli.wanted or where.is_relative_to(cli.home) for _, where in others)
    written = {Path(what) for kind, what in cli.log() if kind == "written"}
    allowed = (cli.home, cli.wanted, Path("/dev"))
    assert [path for path in written if not any(path.is_relative_to(folder) for folder in allowed)] == []


# Each is a build that leaks on purpose; a command is run with it.
WRITES_A_KEY_FOR_A_MOMENT = """
import tempfile
from solekey.vault import keyring
real = keyring.open_live_wrap
def careless(*arguments):
    key = real(*arguments)
    with tempfile.NamedTemporaryFile() as file:
        file.write(key.expose().hex().encode())
        file.flush()
    return key
keyring.open_live_wrap = careless
"""
SPOOLS_PLAINTEXT = """
import os, pathlib
from solekey.vault import vault
real = vault.Vault.put
def careless(self, name, content, **more):
    spool = pathlib.Path(os.environ["XDG_CACHE_HOME"], "spool")
    spool.write_text(content)
    stored = real(self, name, content, **more)
    spool.unlink()
    return stored
vault.Vault.put = careless
"""
NAMES_A_FILE_AFTER_AN_ITEM = """
import pathlib
from solekey.vault import vault
real = vault.Vault.put
def careless(self, name, content, **more):
    pathlib.Path(f"{name}.lock").touch()
    return real(self, name, content, **more)
vault.Vault.put = careless
"""
NOTES_IN_A_DATABASE = """
import sqlite3
from solekey.vault import vault
real = vault.Vault.put
def careless(self, name, content, **more):
    database = sqlite3.connect("notes.sqlite", isolation_level=None)
    database.execute("CREATE TABLE IF NOT EXISTS notes (text)")
    database.cursor().execute("INSERT INTO notes VALUES (?)", (content.encode().hex(),))
    database.execute("PRAGMA secure_delete = ON")
    database.execute("DELETE FROM notes")
    database.close()
    return real(self, name, content, **more)
vault.Vault.put = careless
"""
REPLACES_A_NOTE = """
import pathlib
from solekey.crypto import user_key
real = user_key.UserKey.from_phrase.__func__
def careless(kind, phrase):
    note = pathlib.Path("note")
    note.write_text(phrase)
    note.write_text("nothing")
    return real(kind, phrase)
user_key.UserKey.from_phrase = classmethod(careless)
"""


@pytest.fixture(scope="module")
def ada(platform: PlatformProcess, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """An account that all leaking builds work with: each leaks something else."""
    story = Story(RecordedCli(tmp_path_factory.mktemp("ada"), platform.url, platform.ca).make())
    story.sign_up()
    assert find_unexpected(story.secrets, story.cli) == []
    return story


@pytest.mark.parametrize(
    ("planted", "secret", "spelling"),
    [
        (WRITES_A_KEY_FOR_A_MOMENT, "first data key 1", "hex"),
        (SPOOLS_PLAINTEXT, "text", "raw"),
        (NAMES_A_FILE_AFTER_AN_ITEM, "name", "raw"),
        (NOTES_IN_A_DATABASE, "text", "hex"),
        (REPLACES_A_NOTE, "first user key's words 1-4", "raw"),
    ],
    ids=[
        "a key for a moment",
        "a plaintext spool",
        "a file's name",
        "a database for a moment",
        "a note that is overwritten",
    ],
)
def test_a_build_that_writes_a_secret_is_found(ada, planted, secret, spelling):
    ada.run("put", "--name", NAME, "--text", TEXT, planted=planted)
    leaks = find_leaks(ada.secrets, ada.cli.places())
    assert (secret, spelling) in {(leak.secret, leak.spelling) for leak in leaks}


NAMELESS_FILE = "import tempfile; tempfile.TemporaryFile()"
OTHER_PROGRAM = "import subprocess; subprocess.run(['true'])"
MAPPED_MEMORY = "import mmap; mmap.mmap(-1, 4096)"
OTHER_DATABASE = "import sqlite3; sqlite3.Connection('other.sqlite')"


@pytest.mark.parametrize("planted", [NAMELESS_FILE, OTHER_PROGRAM, MAPPED_MEMORY, OTHER_DATABASE])
def test_what_the_recorder_cannot_copy_is_found(cli, planted):
    cli.run("user-key", "make", planted=planted)
    assert {kind for kind, _ in cli.log()} - {"written"}
