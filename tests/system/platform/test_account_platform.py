"""``solekey`` against the real platform: the password changed and stretched, the account closed."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from solekey.account.session import Session
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import LoginKeyChange, LoginKeyChanged
from tests.support.people.command_user import CommandUser
from tests.support.platform_process import PlatformProcess
from tests.system.platform.test_factor_platform import Door

pytestmark = pytest.mark.slow

DEMANDING = Path(__file__).with_name("demanding_platform.py")  # a program: it patches threads when imported
NEW = "another horse, another staple"
FLOOR = {"memory_kib": 64 * 1024, "iterations": 3, "lanes": 4}
WANTED = {"memory_kib": 96 * 1024, "iterations": 4, "lanes": 4}
_names = count(1)


def sign_up(platform: PlatformProcess, folder: Path) -> CommandUser:
    door = cast("Any", Door(platform.url, platform.ca))
    person = CommandUser(f"dora{next(_names)}", folder, door)
    person.sign_up("laptop")
    return person


@pytest.fixture
def dora(platform: PlatformProcess, tmp_path: Path) -> CommandUser:
    """Has signed up on her laptop and logged in on her phone."""
    person = sign_up(platform, tmp_path)
    person.make_recovery_codes("laptop")
    assert person.log_in("phone").exit_code == 0
    return person


def refusal(person: CommandUser, device: str, *arguments: str) -> str:
    outcome = person.try_(device, *arguments)
    assert outcome.exit_code != 0, outcome.output
    return outcome.error_code()


def test_a_changed_password_ends_the_other_sessions_and_opens_the_same_data(dora: CommandUser) -> None:
    dora.do("laptop", "put", "--name", "note", "--text", "kept")
    assert dora.do("phone", "status")["sessions"] == 2
    wrong = refusal(dora, "laptop", "password", "change", "--password", NEW, "--new-password", NEW)
    assert wrong == "login_refused"
    changed = dora.do("laptop", "password", "change", "--new-password", NEW)
    assert changed == {"changed": True, "other_sessions": 0}
    assert refusal(dora, "phone", "status") == "session_ended"
    assert refusal(dora, "phone", "login", *dora.prove()) == "login_refused"
    dora.password = NEW
    assert dora.log_in("phone").exit_code == 0
    dora.do("phone", "devices", "trust")
    assert dora.do("phone", "get", "note")["text"] == "kept"


def test_a_closed_account_is_closed_for_every_device(dora: CommandUser) -> None:
    stated = dora.do("laptop", "status")
    assert (stated["username"], stated["sessions"]) == (dora.name, 2)
    wrong = refusal(dora, "laptop", "account", "close", "--confirm", dora.name, "--password", NEW)
    assert wrong == "login_refused"
    assert dora.do("laptop", "account", "close", "--confirm", dora.name) == {"closed": dora.account}
    assert refusal(dora, "phone", "status") == "session_ended"
    assert refusal(dora, "laptop", "login", *dora.prove()) == "login_refused"
    taken = dora.try_("tablet", "signup", "--code", "auto", "--accept-risk", SOLEKEY_USER_KEY="")
    assert taken.error_code() == "username_taken"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[PlatformProcess]:
    """A platform whose operator changes his mind."""
    process = PlatformProcess(tmp_path / "data")
    process.folder.mkdir()
    process.start()
    yield process
    process.stop()


def known_work(person: CommandUser, device: str) -> dict[str, int]:
    """With how much work the last login of a device stretched the password."""
    known = json.loads((person.folder / device / "profile.json").read_text())["kdf_known"]
    return {name: known[name] for name in FLOOR}


def test_who_logs_in_has_the_password_stretched_as_the_operator_asks(
    own: PlatformProcess, tmp_path: Path
) -> None:
    eve = sign_up(own, tmp_path)
    assert known_work(eve, "laptop") == FLOOR
    own.stop()
    own.program = (str(DEMANDING),)
    own.start()
    assert eve.log_in("laptop").exit_code == 0
    assert known_work(eve, "laptop") == WANTED
    assert eve.log_in("phone").exit_code == 0  # a new device: it knows what the server says
    assert known_work(eve, "phone") == WANTED
    with Session.open(eve.folder / "laptop") as session:
        session.sync()
        bodies = [event.body for event in session.streams.events(Stream.AUTH)]
        open_sessions = len(session.streams.auth.sessions)
    changed = [body.reason for body in bodies if isinstance(body, LoginKeyChanged)]
    assert changed == [LoginKeyChange.KDF_UPGRADED]
    assert open_sessions == 3  # none has ended
