"""The client against an in-process server: devices of one account, commands, a person at the terminal."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
import pytest

from solekey import Runtime, Server, UserKey, Vault
from solekey.account.enrolment import log_in, trust_device
from solekey.account.session import Session
from solekey.account.sign_up import SignUp
from solekey.files.private_folder import PrivateFolder
from solekey.profile.pins import begin_pins
from solekey.vault.index.index_file import delete_index_file
from solekey.vault.index.item_index import INDEX_FILE
from solekey_protocol.events import Body, Signer
from tests.support.client.fake_server import ORIGIN, FakeServer
from tests.support.durability import write_without_waiting

PASSWORD = "correct horse battery staple"
USERNAME = "ada@example.org"


@dataclass
class World:
    """A server, and devices of one account."""

    server: FakeServer
    folder: Path
    stack: ExitStack
    phrase: str = ""
    sessions: dict[str, Session] = field(default_factory=dict)

    @property
    def runtime(self) -> Runtime:
        return Runtime(now=lambda: self.server.now, sleep=self.server.sleep, http=self.server)

    def sign_up(self, name: str = "laptop") -> Session:
        with SignUp(
            self.folder / name, Server(ORIGIN), username=USERNAME, device_name=name, runtime=self.runtime
        ) as sign_up:
            sign_up.register(PASSWORD)
            session = self.stack.enter_context(sign_up.prove_second_factor(PASSWORD, self.server.code()))
            self.attend(session)
            user_key = sign_up.make_user_key()
            self.phrase = user_key.to_phrase()
            sign_up.found(session, user_key)
        self.sessions[name] = session
        return session

    def log_in(self, name: str) -> Session:
        session = log_in(
            self.folder / name,
            Server(ORIGIN),
            username=USERNAME,
            password=PASSWORD,
            code=self.server.code(),
            device_name=name,
            runtime=self.runtime,
        )
        self.sessions[name] = self.attend(self.stack.enter_context(session))
        return session

    def attend(self, session: Session) -> Session:
        """Sit somebody in front of a session, who proves the second factor when that is asked for again."""
        session.connection.on_step_up = lambda: session.step_up(self.server.code())
        return session

    def add_device(self, name: str) -> Session:
        session = self.log_in(name)
        trust_device(session, self.key())
        return session

    def reopen(self, name: str) -> Session:
        """The device after its program was started anew."""
        return self.attend(self.stack.enter_context(Session.open(self.folder / name, self.runtime)))

    def reopen_without_index(self, name: str) -> Session:
        """The device after its program was started anew, and its index of the items was lost."""
        delete_index_file(self.folder / name / INDEX_FILE)
        return self.reopen(name)

    def key(self) -> UserKey:
        return UserKey.from_phrase(self.phrase)

    def unlock(self, name: str) -> Vault:
        return self.stack.enter_context(self.sessions[name].unlock(self.key()))

    def move_in(self, first: "World") -> None:
        """Take copies of another world's server and devices, as if all had been made here."""
        self.server, self.phrase = first.server.copy(), first.phrase
        for name in first.sessions:
            shutil.rmtree(self.folder / name, ignore_errors=True)
            shutil.copytree(first.folder / name, self.folder / name)
            self.sessions[name] = self.reopen(name)

    def say(self, session: Session, body: Body) -> None:
        """Have a device say something with the user key at hand, as no code of the client would."""
        key = self.key().derive_account_signing_key(session.account)
        session.author.say(lambda: body, signers=lambda _: {Signer.ACCOUNT: key})

    @property
    def account(self):
        return self.server.accounts[USERNAME]


def forget_streams(profile: Path) -> None:
    """Make a device one that has seen nothing of the streams yet."""
    for copy in (profile / "streams").glob("*"):
        copy.unlink()
    begin_pins(PrivateFolder(profile))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    make_argon2_quick(monkeypatch)
    write_without_waiting(monkeypatch)
    with ExitStack() as stack:
        yield World(FakeServer(), tmp_path, stack)


@contextmanager
def build_world(folder: Path, first: World | None = None) -> Iterator[World]:
    """A world that many tests take copies of, perhaps itself a copy; it is finished where the block ends."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        make_argon2_quick(patch)
        write_without_waiting(patch)
        world = World(FakeServer(), folder, stack)
        if first:
            world.move_in(first)
        yield world


@pytest.fixture(scope="session")
def first_home(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The world that every ``home`` is a copy of: to sign up takes longer than most tests."""
    with build_world(tmp_path_factory.mktemp("home")) as first:
        first.sign_up()
    return first


@pytest.fixture
def home(world: World, first_home: World) -> World:
    """A world with one trusted device, ``laptop``."""
    world.move_in(first_home)
    return world


def make_argon2_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MiB and three passes a login are for people, not for tests; tests/unit/client/crypto pays them."""
    from solekey.crypto import login_key

    real: Callable[..., object] = login_key.Argon2id

    def quick(**parameters: object) -> object:
        return real(**{**parameters, "iterations": 1, "lanes": 1, "memory_cost": 64})

    monkeypatch.setattr(login_key, "Argon2id", quick)


@pytest.fixture
def run_cli(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command in this process, against the fake server: (exit code, stdout, stderr)."""
    from solekey import cli, runtime
    from solekey.account import enrolment, moving, session, sign_up

    def make_runtime(**given):
        return replace(world.runtime, **{key: given[key] for key in ("notice",) if key in given})

    for module in (enrolment, moving, session, sign_up, runtime):
        monkeypatch.setattr(module, "Runtime", make_runtime)
    for name in [name for name in os.environ if name.startswith("SOLEKEY_")]:
        monkeypatch.delenv(name)

    def run(device: str, *arguments: str | Path) -> tuple[int, str, str]:
        code = cli.run([*(str(each) for each in arguments), "--profile", str(world.folder / device)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sit a person at a terminal, who gives these answers in order; a function makes its answer then."""

    def sit(*answers: str | Callable[[], str]) -> None:
        remaining = list(answers)

        def answer(prompt: str, **_: object) -> str:
            click.echo(prompt, err=True)
            given = remaining.pop(0)
            return given if isinstance(given, str) else given()

        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(click, "prompt", answer)

    return sit


@pytest.fixture
def program() -> Callable[[str], str]:
    """Find a program of the machine; where CI requires the real ones, a missing one is a failure."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            reason = f"{name} is missing: apt-get install zbar-tools poppler-utils"
            if os.environ.get("SOLEKEY_REQUIRE_REAL") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        return found

    return find
