"""What an attack is tried on: an account with a history, a server that may cheat, and two devices that read.

The phone has followed all but the last commit, the tablet was switched off since it was trusted. Attacks are
in the modules beside this one; `spec/hostile-server.md` says how each must end.
"""

import shutil
import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from solekey import Runtime, Server, Vault
from solekey.account.enrolment import log_in, trust_device
from solekey.account.session import Session
from solekey.crypto import ItemContext, ItemMetadata, seal_bytes
from solekey.errors import SolekeyError
from solekey.recovery import RecoveryKit
from solekey.recovery.kit import make_kit
from solekey.transfer import upload_spool
from solekey_protocol.change_list import Change, Part
from solekey_protocol.event import Event, encode_event
from solekey_protocol.events import Body, Signer, Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import Digest, ItemId, Timestamp, compute_digest
from solekey_protocol.statements import SignedStatement, Statement
from tests.support.client.fake_parts import FakeAccount
from tests.support.client.fake_server import ORIGIN, FakeServer
from tests.support.client.world import PASSWORD, USERNAME, World
from tests.support.content import list_objects_of
from tests.system.adversary.reading.front import Front, serve_on_sockets

NOTE: Final = b"DE99 2222 the correct one"
OLD_NOTE: Final = b"DE00 1111 the older one.."
OTHER: Final = b"GB00 3333 another number."
FILM: Final = b"".join(index.to_bytes(4, "big") for index in range(300_000))
DRAFT: Final = b"DE77 4444 never committed"
CONTENTS: Final[Mapping[str, bytes]] = {"film": FILM, "note": NOTE, "other": OTHER}
PART_BYTES: Final = 512 * 1024
RANGE: Final = (700_000, 200_000)
"""Of the film: chunks of both middle parts, and whole parts nowhere."""

Attack = Callable[["Scene"], None]


@dataclass(frozen=True, slots=True)
class History:
    """An account with a history, to be copied for each attack."""

    server: FakeServer
    older: FakeAccount
    folder: Path
    older_profile: Path
    phrase: str
    note: ItemId
    draft: bytes
    kit: RecoveryKit

    @classmethod
    def make(cls, folder: Path, patch: pytest.MonkeyPatch) -> "History":
        patch.setattr(upload_spool, "MAX_PART_BYTES", PART_BYTES)
        with ExitStack() as stack:
            world = World(FakeServer(), folder, stack)
            world.sign_up("laptop")
            world.add_device("phone")
            world.add_device("tablet")
            vault = world.unlock("laptop")
            note = vault.put("note", OLD_NOTE)
            world.unlock("phone").list()
            older = copy_account(world.account)
            older_profile = Path(shutil.copytree(folder / "phone", folder / "older-phone"))
            film = folder / "film.bin"
            film.write_bytes(FILM)
            vault.put_file(film, "film")
            vault.put("note", NOTE)
            vault.put("gone", b"removed")
            vault.remove("gone")
            world.unlock("phone").list()
            vault.put("other", OTHER)
            draft = seal_bytes(
                DRAFT,
                metadata=ItemMetadata("note", "text/plain", 0, 0),
                data_key=vault.unlocked.keyring.data_key(1),
                context=ItemContext(world.account.account, note.id, 2),
                random=vault.unlocked.connection.runtime.random,
            )
            with world.key() as user_key:
                kit = make_kit(world.sessions["laptop"], user_key)
            return cls(world.server, older, folder, older_profile, world.phrase, note.id, draft, kit)


def copy_account(account: FakeAccount) -> FakeAccount:
    """Copy what the server has of an account, as a backup would."""
    events = {stream: list(account.events[stream]) for stream in Stream}
    copied = replace(
        account,
        events=events,
        wraps=dict(account.wraps),
        objects=dict(account.objects),
        names=[dict(name) for name in account.names],
        codes=list(account.codes),
    )
    copied.states = dict(account.states)
    return copied


@dataclass(slots=True)
class Scene:
    """One try. ``honest`` has the account as it was before the attack."""

    history: History
    world: World
    attacked: FakeAccount
    honest: FakeAccount
    patch: pytest.MonkeyPatch
    front: Front | None = None
    minutes_pass: bool = False
    _clock_s: float = 0.0

    @classmethod
    def open(cls, history: History, folder: Path, stack: ExitStack) -> "Scene":
        shutil.copytree(history.folder, folder, dirs_exist_ok=True)
        server = FakeServer()
        server.now, server.made = history.server.now, history.server.made
        account = copy_account(history.server.accounts[USERNAME])
        server.accounts[USERNAME] = account
        server.sessions = {
            token: (account, device, session)
            for token, (_, device, session) in history.server.sessions.items()
        }
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        world = World(server, folder, stack, history.phrase)
        return cls(history, world, account, copy_account(account), patch)

    @property
    def server(self) -> FakeServer:
        return self.world.server

    @property
    def account(self) -> FakeAccount:
        return self.world.account

    @property
    def events(self) -> list[Event]:
        """The vault stream as the server shows it."""
        return self.account.events[Stream.VAULT]

    @property
    def profiles(self) -> list[Path]:
        return [self.world.folder / device for device in ("phone", "tablet")]

    def serve(self, change: Callable[[ssl.SSLContext], None] = lambda _: None) -> Front:
        """Have the devices reach the server through real sockets and TLS."""
        folder = self.world.folder / "front"
        opened = serve_on_sockets(self.server, folder, self.profiles, change)
        self.front = self.world.stack.enter_context(opened)
        return self.front

    @property
    def runtime(self) -> Runtime:
        """What the devices run on: the server in this process, or on sockets."""
        if self.front is None:
            return self.world.runtime
        return replace(self.world.runtime, http=None, monotonic=self._tell_time)

    def _tell_time(self) -> float:
        self._clock_s += 60.0 if self.minutes_pass else 0.001
        return self._clock_s

    def be_honest(self) -> None:
        """End the attack: the server has and shows again what it had."""
        self.server.be_honest()
        self.patch.undo()
        self.minutes_pass = False
        if self.front is not None:
            self.front.be_honest()
        self.server.accounts[USERNAME] = self.attacked
        kept = copy_account(self.honest)
        for name in ("events", "states", "wraps", "objects", "names", "kdf"):
            setattr(self.account, name, getattr(kept, name))

    def open_vault(self, device: str) -> Vault:
        """Unlock a device in a program of its own."""
        session = Session.open(self.world.folder / device, self.runtime)
        self.world.sessions[device] = self.world.attend(self.world.stack.enter_context(session))
        return self.world.unlock(device)

    def find_change(self, name: str) -> Change:
        """Find what was committed of an item, as the honest owner knows it."""
        vault = self.open_vault("laptop")
        return vault.unlocked.index.items[vault.find(name).id]

    def digests(self, name: str) -> list[str]:
        return [str(part.digest) for part in self.find_change(name).parts]

    def show(self, said: Body | SignedStatement, stream: Stream = Stream.VAULT) -> Event:
        """Append an event as a hostile server does: it verifies nothing."""
        events = self.account.events[stream]
        event = encode_event(said, account=self.account.account, after=events[-1].head, time=self._time())
        events.append(event)
        return event

    def sign(self, body: Body, *, by: str = "laptop", **keys: Any) -> SignedStatement:
        """Sign the next statement of its stream: by a device of the account, or whatever key is given."""
        state = self.account.states[body.STREAM]
        head = self.account.events[body.STREAM][-1].head
        key = keys.get("device") or self.world.reopen(by).connection.profile.device_key
        heads = keys.get("heads", state.chain.seen)
        statement = Statement(self.account.account, head.seq + 1, head.digest, heads, key.device_id, body)
        message = statement.signing_bytes()
        signatures = {Signer.DEVICE: key.sign(message)}
        for signer in body.SIGNERS:
            if signer is not Signer.DEVICE:
                signatures[signer] = self._key(signer, keys).sign(message)
        return SignedStatement(statement, signatures)

    def commit(self, *changes: Change, encoded: bytes | None = None, **options: Any) -> Event:
        """Commit anything, signed as an unlocked device would, at a server that does not look."""
        kind = options.pop("kind", CommitKind.DELTA)
        listed = list_objects_of(kind, *changes) if encoded is None else (encoded,)
        self.account.objects |= {compute_digest(data): data for data in listed}
        last = [event.body.commit for event in self.events if isinstance(event.body, ItemsCommitted)][-1]
        body = ItemsCommitted(
            commit=last + 1,
            kind=kind,
            epoch=options.pop("epoch", 1),
            changes=compute_digest(listed[0]),
            count=len(changes),
            bytes=sum(change.size for change in changes),
        )
        return self.show(self.sign(body, **options))

    def seal(
        self, content: bytes, name: str, item: ItemId, version: int, alter: Callable[[bytes], bytes] = bytes
    ) -> Change:
        """Seal an envelope under the account's own key, and upload it."""
        vault = self.open_vault("laptop")
        envelope = alter(
            seal_bytes(
                content,
                metadata=ItemMetadata(name, "text/plain", 0, 0),
                data_key=vault.unlocked.keyring.data_key(1),
                context=ItemContext(self.account.account, item, version),
                random=vault.unlocked.connection.runtime.random,
            )
        )
        digest = compute_digest(envelope)
        self.account.objects[digest] = envelope
        header = compute_digest(envelope[:74])
        return Change(item, version, 1, (Part(Digest(digest), len(envelope)),), header)

    def tamper(self, path: str, change: Callable[[httpx.Request, httpx.Response], httpx.Response]) -> None:
        """Change the answers to requests whose path ends so."""

        def spoil(request: httpx.Request, response: httpx.Response) -> httpx.Response:
            return change(request, response) if request.url.path.endswith(path) else response

        self.server.tamper = spoil

    def _key(self, signer: Signer, keys: Mapping[str, Any]) -> Any:
        if signer.value in keys:
            return keys[signer.value]
        if signer is Signer.ACCOUNT:
            return self.world.key().derive_account_signing_key(self.account.account)
        vault = self.open_vault("laptop")
        return vault.unlocked.keyring.data_key(1).derive_commit_key(self.account.account)

    def _time(self) -> Timestamp:
        return Timestamp.from_datetime(self.server.now)


def read_all(scene: Scene, device: str) -> None:
    """Unlock, list, and get every item; whatever is read must be what was committed."""
    vault = scene.open_vault(device)
    listing = vault.list()
    for unreadable in listing.unreadable:
        raise unreadable.error
    assert {info.name for info in listing} == set(CONTENTS)
    for name, content in CONTENTS.items():
        assert vault.get(name).content == content


def read_note(scene: Scene, device: str) -> None:
    assert scene.open_vault(device).get(scene.history.note).content == NOTE


def read_by_name(scene: Scene, device: str) -> None:
    assert scene.open_vault(device).get("note").content == NOTE


def write(scene: Scene, device: str) -> None:
    """Put a new item, and read it back."""
    vault = scene.open_vault(device)
    name = f"new {scene.server.made}"
    vault.put(name, b"new")
    assert vault.get(name).content == b"new"


def read_film(scene: Scene, device: str) -> None:
    assert scene.open_vault(device).get("film").content == FILM


def read_range(scene: Scene, device: str) -> None:
    start, size = RANGE
    assert scene.open_vault(device).get_range("film", start, size) == FILM[start : start + size]


def list_items(scene: Scene, device: str) -> None:
    """List: an item that does not open is named with its own error."""
    listing = scene.open_vault(device).list()
    for unreadable in listing.unreadable:
        raise unreadable.error
    assert {info.name: info.type for info in listing} == {
        "film": "application/octet-stream",
        "note": "application/octet-stream",
        "other": "application/octet-stream",
    }


def log_in_anew(scene: Scene, device: str, kit: RecoveryKit | None = None) -> None:
    """Log in on a new device, trust it with the user key, and read."""
    del device
    scene.server.sleep(30)  # a code of the authenticator that was not used
    name = f"new {scene.server.made}"
    session = log_in(
        scene.world.folder / name,
        Server(ORIGIN),
        username=USERNAME,
        password=PASSWORD,
        code=scene.server.code(),
        device_name=name,
        runtime=scene.world.runtime,
        kit=kit,
    )
    with session:
        trust_device(session, scene.world.key())
        with session.unlock(scene.world.key()) as vault:
            assert {name: vault.get(name).content for name in CONTENTS} == CONTENTS


def log_in_with_kit(scene: Scene, device: str) -> None:
    """The same, with a recovery kit that was made at the end of the history."""
    log_in_anew(scene, device, scene.history.kit)


READS: Final[Mapping[str, Callable[[Scene, str], None]]] = {
    "everything": read_all,
    "an item": read_note,
    "an item by name": read_by_name,
    "a large item": read_film,
    "a range": read_range,
    "the list": list_items,
    "after a write": write,
    "from a new device": log_in_anew,
    "with a kit": log_in_with_kit,
}
"""What is read, by the words of the page."""

ATTACKS: Final[dict[str, Attack]] = {}
"""Every attack by its name on the page."""


def attack(name: str) -> Callable[[Attack], Attack]:
    """Register an attack under the name that it has on the page."""

    def register(run: Attack) -> Attack:
        assert name not in ATTACKS, name
        ATTACKS[name] = run
        return run

    return register


def find_code(scene: Scene, what: str, device: str) -> str:
    """Read, and return the code of the error that it ends in; empty: it did not."""
    try:
        READS[what](scene, device)
    except SolekeyError as error:
        return error.code
    return ""
