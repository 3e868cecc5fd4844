"""What the real client does while everything is recorded: the life of an account on two devices.

Each step has a name, so that two lives can be laid side by side; the secrets that take part are collected.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from evidence.canaries import Canaries
from evidence.client_secrets import ClientSecrets
from solekey import Server, UserKey
from solekey.account.enrolment import log_in, trust_device
from solekey.account.session import Session
from solekey.account.sign_up import SignUp
from solekey.crypto.device_key import SoftwareDeviceKey
from solekey.errors import LoginRefusedError
from solekey.recovery.shares import split_user_key
from solekey.rotation.revocation import revoke_device
from solekey.rotation.rotation import change_user_key, rekey_data
from solekey.vault.new_content import NewContent
from tests.support.people.codes import Codes

LAPTOP, PHONE = "laptop", "phone"
_WORDS = 4
"""Words of a phrase that are searched for together."""


@dataclass
class Life:
    """One user's life: what they know, where their devices are, and which steps were taken when."""

    server: Server
    folder: Path
    canaries: Canaries
    secrets: ClientSecrets
    phrases: list[str] = field(default_factory=list)
    codes: Codes = field(default_factory=Codes)
    steps: list[tuple[str, float]] = field(default_factory=list)
    """Names, and when they began (monotonic seconds)."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Take one step."""
        self.steps.append((name, time.monotonic()))
        yield

    def key(self) -> UserKey:
        """The user key, typed in."""
        return UserKey.from_phrase(self.phrases[-1])

    def make_key(self) -> UserKey:
        """Make a user key, write its words down, and have shares of it made."""
        made = UserKey.make()
        self._note_key(made)
        return made

    def open(self, device: str) -> Session:
        """Open the session of a device, whose tokens are renewed at once.

        They would run out somewhere in a long life, in each of two at another place, and positions of the
        ``auth`` stream would differ from there on.
        """
        session = Session.open(self.folder / device)
        connection = session.connection
        connection.adopt(replace(connection.tokens, expires_at=connection.runtime.now()))
        return session

    def log_in(self, device: str, password: str | None = None, code: str | None = None) -> Session:
        """Log in, on a device new or known."""
        session = log_in(
            self.folder / device,
            self.server,
            username=self.canaries.username,
            password=password or self.canaries.password,
            code=code or self.codes.next(),
            device_name=device,
        )
        self.note_device(session)
        return session

    def _note_key(self, key: UserKey) -> None:
        number, phrase = len(self.phrases) + 1, key.to_phrase()
        self.phrases.append(phrase)
        self.secrets.add("phrase", phrase.encode())
        words = phrase.split()
        for at in range(0, len(words), _WORDS):
            self.secrets.add(f"words of phrase {number}", " ".join(words[at : at + _WORDS]).encode())
        for share in split_user_key(key, threshold=2, shares=3, random=os.urandom):
            self.secrets.add(f"recovery share of phrase {number}", share.to_words().encode())

    def note_device(self, session: Session) -> None:
        """Note the device's private key."""
        device_key = session.connection.profile.device_key
        if isinstance(device_key, SoftwareDeviceKey):
            self.secrets.add("device private key", device_key.to_private_bytes())


def live(life: Life, when_unlocked: Callable[[], None] = lambda: None, *, short: bool = False) -> None:
    """Live the whole life, or the short one, on one device.

    ``when_unlocked`` is called in the middle of it, with the account unlocked.
    """
    sign_up(life)
    keep_items(life, when_unlocked)
    if not short:
        add_phone(life)
        change_both_keys(life)
        lose_phone(life)
    read_back(life)
    guess_wrong(
        life
    )  # last: a service records it when its timer comes, and other steps would see that or not


def sign_up(life: Life) -> None:
    """Sign up on the laptop."""
    canaries = life.canaries
    with (
        life.step("sign up"),
        SignUp(
            life.folder / LAPTOP, life.server, username=canaries.username, device_name=LAPTOP
        ) as signing_up,
    ):
        life.codes.secret = signing_up.register(canaries.password).secret
        with signing_up.prove_second_factor(canaries.password, life.codes.next()) as session:
            life.note_device(session)
            signing_up.found(session, life.make_key())


def keep_items(life: Life, when_unlocked: Callable[[], None] = lambda: None) -> None:
    """Put notes and files, edit, describe and remove; then what happens while the account is unlocked."""
    first, *rest = life.canaries.notes
    edited = life.canaries.edited
    with life.open(LAPTOP) as session, session.unlock(life.key()) as vault:
        with life.step("put a note"):
            vault.put(
                first.name, first.content, type=first.type, tags=first.tags, attributes=first.attributes
            )
        with life.step("put several notes at once"):
            vault.put_many(
                {note.name: NewContent(note.content, note.type, note.tags, note.attributes) for note in rest}
            )
        for number, file in enumerate(life.canaries.files, start=1):
            path = life.folder / file.name
            path.write_bytes(file.content)
            with life.step(f"put file {number}"):
                vault.put_file(path, type=file.type, tags=file.tags)
        with life.step("edit a note"):
            item = rest[0].name
            vault.put(item, edited.content, type=edited.type, tags=edited.tags, attributes=edited.attributes)
        with life.step("rename a note"):
            vault.describe(rest[1].name, name=edited.name)
        with life.step("remove a note"):
            vault.remove(rest[2].name)
        with life.step("list and read"):
            vault.list()
            _demand(vault.get(first.name).content == first.content, "a note came back different")
            vault.get_file(life.canaries.files[-1].name, life.folder / "copy")
        when_unlocked()


def guess_wrong(life: Life) -> None:
    """Type a wrong password."""
    with life.step("a wrong password"):
        try:
            life.log_in("stranger", life.canaries.wrong_password, code="000000")
        except LoginRefusedError:
            return
    raise StoryBrokenError("a wrong password was taken")


def add_phone(life: Life) -> None:
    """Add a phone; both devices edit the same note at once."""
    note = life.canaries.notes[0]
    with life.step("add a phone"), life.log_in(PHONE) as phone:
        trust_device(phone, life.key())
        with phone.unlock(life.key()) as on_phone:
            _demand(on_phone.get(note.name).content == note.content, "the phone reads another note")
    with (
        life.open(LAPTOP) as laptop,
        life.open(PHONE) as phone,
        laptop.unlock(life.key()) as on_laptop,
        phone.unlock(life.key()) as on_phone,
        life.step("two edits at once"),
    ):
        on_laptop.get(note.name)
        on_phone.get(note.name)
        on_laptop.put(note.name, note.content[::-1])
        on_phone.put(note.name, note.content[1:] + b".")


def change_both_keys(life: Life) -> None:
    """Make recovery codes, change the password, the user key and the data key."""
    canaries = life.canaries
    with life.open(LAPTOP) as session:
        with life.step("new recovery codes"):
            session.step_up(life.codes.next())
            session.factors.make_recovery_codes()
        with life.step("change the password"):
            session.change_password(canaries.password, canaries.new_password)
        with session.unlock(life.key()) as vault:
            with life.step("change the user key"):
                change_user_key(vault, life.make_key())
            with life.step("change the data key"):
                rekey_data(vault)


def lose_phone(life: Life) -> None:
    """Revoke the phone."""
    with life.step("log in with the new password"):
        life.log_in(PHONE, life.canaries.new_password).close()
    with (
        life.open(PHONE) as phone,
        life.open(LAPTOP) as session,
        session.unlock(life.key()) as vault,
        life.step("revoke the phone"),
    ):
        revoke_device(vault, phone.connection.profile.device_key.device_id, life.make_key())


def read_back(life: Life) -> None:
    """Read everything once more, from the laptop."""
    with (
        life.step("read everything"),
        life.open(LAPTOP) as session,
        session.unlock(life.key()) as vault,
    ):
        for info in vault.list():
            vault.get(info.id)


class StoryBrokenError(Exception):
    """Something did not happen as the story tells it: there is no evidence of anything."""


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StoryBrokenError(otherwise)
