"""Two devices of an account do what people do, in any order, over ways that fail; a third one looks on.

After every step the onlooker reads all items, and they must be what the model allows: no acknowledged edit is
lost, none is done twice, none overwrites what its author had not seen, and nothing shows up that nobody did.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import solekey
from solekey import Account, Runtime, UserKey
from solekey.crypto import login_key
from solekey.errors import (
    AmbiguousNameError,
    ItemChangedError,
    ItemMissingError,
    SolekeyError,
    WrongUserKeyError,
)
from tests.support.client.fake_server import FakeServer
from tests.support.client.world import World
from tests.system.interleavings.model import ANY, GONE, Model
from tests.system.interleavings.wire import Cut, Wire

DEVICES = ("laptop", "phone")
ONLOOKER = "tablet"
NAMES = ("notes", "plan")

devices = st.sampled_from(DEVICES)
names = st.sampled_from(NAMES)
cuts = st.one_of(st.none(), st.tuples(st.sampled_from(Cut), st.integers(0, 12)))


class Household(RuleBasedStateMachine):
    """The devices, the ways, and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.stack = ExitStack()
        self.accounts: dict[str, Account] = {}
        self.offline: set[str] = set()
        self.written = 0

    @initialize()
    def begin(self) -> None:
        """Found the account, and trust its devices."""
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.stack.enter_context(mock.patch.object(login_key, "Argon2id", make_quick(login_key.Argon2id)))
        self.server = FakeServer()
        self.wires = {name: Wire(self.server) for name in (*DEVICES, ONLOOKER)}
        with ExitStack() as sessions:
            self.world = World(self.server, folder, sessions)
            self.world.sign_up(DEVICES[0])
            for name in (*DEVICES[1:], ONLOOKER):
                self.world.add_device(name)
        self.phrases = [self.world.phrase]
        for name in self.wires:
            self._open(name)

    # What a device does.

    @rule(device=devices, name=names, cut=cuts)
    def put(self, device: str, name: str, cut: tuple[Cut, int] | None) -> None:
        """Put by name: it replaces what this device knows, or stands beside it."""
        content = self._write()
        targets = self.model.find(name)
        replaces = self.model.must_replace(device, targets[0]) if len(targets) == 1 else None
        with self._acting(device, cut, name) as acting:
            self.model.may(ANY, content)
            try:
                stored = self.accounts[device].items.put(name, content)
            except AmbiguousNameError:
                assert len(targets) > 1 or device in self.offline
                return
            if device in self.offline:
                self.model.acknowledged.add(content)
                return
            assert stored.conflict is not True or replaces is not True, "a device was in conflict with itself"
            assert replaces is not False or stored.id not in targets, "what its author had not seen is gone"
            self.model.pending[ANY, content] -= 1
            self.model.put(device, stored.id, stored.version, stored.name, content)
            acting.done = True

    @rule(device=devices, name=names)
    def get(self, device: str, name: str) -> None:
        """Read by name: what was read is what the next edit is based on."""
        if device in self.offline:
            return
        targets = self.model.find(name)
        try:
            item = self.accounts[device].items.get(name)
        except WrongUserKeyError:  # other words, and then another data key: they have to be entered
            self._reopen(device)
            return
        except (ItemMissingError, AmbiguousNameError):
            assert len(targets) != 1
            return
        known = self.model.items[item.info.id]
        assert (item.content, item.version) == (known.contents[-1], known.version)
        self.model.seen[device, item.info.id] = item.version

    @rule(device=devices, name=names, cut=cuts)
    def remove(self, device: str, name: str, cut: tuple[Cut, int] | None) -> None:
        """Remove by name: refused where another version is there than this device knows."""
        targets = self.model.find(name)
        replaces = self.model.must_replace(device, targets[0]) if len(targets) == 1 else None
        with self._acting(device, cut, name) as acting:
            for target in targets if device not in self.offline else (ANY,):
                self.model.may(target, GONE)
            try:
                removed = self.accounts[device].items.remove(name)
            except (ItemMissingError, AmbiguousNameError):
                assert len(targets) != 1 or device in self.offline or cut is not None
                acting.done = True
            except ItemChangedError:
                assert replaces is not True
                acting.done = True
            else:
                if device not in self.offline:
                    assert replaces is not False, "what its author had not seen was removed"
                    self.model.pending[removed.id, GONE] -= 1
                    self.model.remove(device, removed.id)
                    acting.done = True

    @rule(device=devices, cut=cuts)
    def change_data_key(self, device: str, cut: tuple[Cut, int] | None) -> None:
        """Re-encrypt everything."""
        if device not in self.offline:
            with self._acting(device, cut):
                self.accounts[device].keys.change_data_key()

    @rule(device=devices, cut=cuts)
    def change_user_key(self, device: str, cut: tuple[Cut, int] | None) -> None:
        """Write new words down, and put them in the place of the old ones."""
        if device not in self.offline:
            new = UserKey.make()
            self.phrases.append(new.to_phrase())
            with self._acting(device, cut):
                self.accounts[device].keys.change_user_key(new)

    @rule(device=devices, cut=cuts)
    def resume(self, device: str, cut: tuple[Cut, int] | None) -> None:
        """Go on with whatever rotation is open, on either device."""
        if device not in self.offline:
            with self._acting(device, cut):
                self.accounts[device].keys.resume(UserKey.from_phrase(self.phrases[-1]))

    @rule(device=devices)
    def abort(self, device: str) -> None:
        """Give up whatever rotation is open."""
        if device not in self.offline:
            with self._acting(device, None):
                self.accounts[device].keys.abort()

    @rule(device=devices)
    def start_anew(self, device: str) -> None:
        """The device's program ends, and is started again."""
        if device not in self.offline:
            self._reopen(device)
            self.look_on()

    @rule(device=devices)
    def leave_the_server(self, device: str) -> None:
        """From here on the device finds no server, and queues what it writes."""
        if device not in self.offline:
            self.offline.add(device)
            self.wires[device].down = True
            self._reopen(device)

    @rule(device=devices)
    def come_back(self, device: str) -> None:
        """The server is there again: what was queued is sent."""
        if device in self.offline:
            self.offline.discard(device)
            self.wires[device].down = False
            self._reopen(device)
            for name in NAMES:
                self._forget_seen(device, name)
            assert len(self.accounts[device].queue) == 0, "something waits that nothing keeps from going"
            self.look_on()

    @precondition(lambda self: any(wire.held for wire in self.wires.values()))
    @rule()
    def deliver(self) -> None:
        """A request arrives that was held back for long."""
        next(wire for wire in self.wires.values() if wire.held).deliver()
        self.look_on()

    # What must hold.

    def look_on(self) -> None:
        """The onlooker reads all that is new; it must be what the model allows."""
        items = self._onlooker().items
        listing = items.list()
        assert not listing.unreadable
        for info in listing:
            self._adopt(info.id, info.name, info.version)
        for removed in items.list_removed():
            if removed.id not in self.model.items:  # put and removed since the last look
                self._adopt(removed.id, removed.metadata.name, removed.metadata.revision)
        self.model.adopt_removals({info.id for info in listing})

    def _adopt(self, item: str, name: str, versions: int) -> None:
        known = self.model.items.get(item)
        before = known.contents if known is not None else []
        items = self.accounts[ONLOOKER].items
        new = [items.get(item, version=version).content for version in range(len(before) + 1, versions + 1)]
        self.model.adopt(item, name, [*before, *new])

    def teardown(self) -> None:
        """In the end everybody is back, and every edit that was acknowledged can be read."""
        try:
            if self.accounts:
                self._come_to_rest()
        finally:
            for account in self.accounts.values():
                account.close()
            self.stack.close()

    def _come_to_rest(self) -> None:
        for device in DEVICES:
            self.come_back(device)
        items = self._onlooker().items
        shown = {content for each in self.model.items.values() for content in each.contents}
        assert self.model.acknowledged <= shown, "an acknowledged edit is lost"
        for item, known in self.model.items.items():
            for version, content in enumerate(known.contents, start=1):
                assert items.get(item, version=version).content == content

    # How it is done.

    @contextmanager
    def _acting(
        self, device: str, cut: tuple[Cut, int] | None, name: str | None = None
    ) -> Iterator["_Acting"]:
        """Do something over a way that may be cut; a refusal is none of an acknowledged edit."""
        acting = _Acting()
        try:
            with self.wires[device].cut(*cut or (None, 0)) if device not in self.offline else ExitStack():
                yield acting
        except SolekeyError:
            pass
        if device not in self.offline:
            if not acting.done:
                self._reopen(device)
                self._forget_seen(device, name)
            self.look_on()

    def _write(self) -> bytes:
        self.written += 1
        return b"content %d" % self.written

    def _forget_seen(self, device: str, name: str | None) -> None:
        """What a device has written without an answer it may know or not: the model foretells nothing."""
        for item, each in self.model.items.items():
            if each.name == name:
                self.model.seen.pop((device, item), None)

    def _reopen(self, device: str) -> None:
        self.accounts.pop(device).close()
        self._open(device)

    def _open(self, device: str) -> None:
        for phrase in reversed(self.phrases):
            with suppress(WrongUserKeyError):
                self.accounts[device] = self._open_with(device, UserKey.from_phrase(phrase))
                self.accounts[device].items.list()  # from here on it knows them without the server, too
                return
        raise AssertionError("none of the words that were written down open the account")

    def _open_with(self, device: str, key: UserKey) -> Account:
        runtime = Runtime(now=lambda: self.server.now, sleep=self.server.sleep, http=self.wires[device])
        offline = "always" if device in self.offline else "never"
        return solekey.open(
            self.world.folder / device,
            key=key,
            on_step_up=lambda: self.server.code(),
            offline=offline,
            runtime=runtime,
        )

    def _onlooker(self) -> Account:
        self._reopen(ONLOOKER)  # it may have been a re-key, or other words
        return self.accounts[ONLOOKER]


class _Acting:
    """Whether what was done was answered."""

    done = False


def make_quick(real):
    """64 MiB and three passes a login are for people, not for tests."""
    return lambda **given: real(**{**given, "iterations": 1, "lanes": 1, "memory_cost": 64})
