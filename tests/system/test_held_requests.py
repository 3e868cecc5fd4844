"""Two devices, and any one statement of a rotation held back while the other device does something.

The counter-examples of spec/models, and every place beside them: the request waits on its way until the other
device is done, and arrives then; its sender has waited for it, or is long gone. Whatever happens, everything
that was acknowledged opens with the account's user key, and the open rotation can be ended.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest

from solekey import UserKey, Vault
from solekey.errors import NewUserKeyNeededError, SolekeyError
from solekey.rotation.revocation import revoke_device
from solekey.rotation.rotation import abort_rotation, change_user_key, rekey_data, resume_rotation
from solekey_protocol.events import Stream
from tests.support.client.world import World

pytestmark = pytest.mark.slow

MOST_STATEMENTS = 9
"""No rotation here says more; a request that is never sent is never held back."""


class Gone(BaseException):
    """The sender's program has ended."""


@dataclass
class Household:
    """A laptop that rotates, a phone that gets in between, and who knows which words."""

    world: World
    phrases: list[str] = field(default_factory=list)
    items: dict[str, bytes] = field(default_factory=dict)
    phone: Vault | None = None

    def make_key(self) -> UserKey:
        self.phrases.append(UserKey.make().to_phrase())
        return UserKey.from_phrase(self.phrases[-1])

    def put(self, vault: Vault, name: str, content: bytes) -> None:
        vault.put(name, content)
        self.items[name] = content

    def key_of(self, key_id: str | None) -> UserKey | None:
        for phrase in self.phrases:
            key = UserKey.from_phrase(phrase)
            if key.derive_key_id(self.world.account.account) == key_id:
                return key
        return None

    def open(self) -> Vault:
        """Unlock the phone, after its program was started anew, with the account's present words."""
        key = self.key_of(self.world.account.states[Stream.DEVICES].key_id)
        assert key is not None, "the account has a user key that nobody wrote down"
        return self.world.stack.enter_context(self.world.reopen("phone").unlock(key))

    def read(self) -> dict[str, bytes]:
        vault = self.open()
        return {info.name: vault.get(info.id).content for info in vault.list()}

    def end_rotation(self) -> None:
        """End the open rotation: to its end where somebody knows the new words, else given up."""
        vault = self.open()
        open_rotation = vault.unlocked.streams.rotation.open
        if open_rotation is None:
            return
        try:
            resume_rotation(vault, self.key_of(open_rotation.started.to_key_id))
        except NewUserKeyNeededError:
            abort_rotation(vault)


@pytest.fixture
def household(home):
    vault = home.unlock("laptop")
    found = Household(home, [home.phrase])
    found.put(vault, "a", b"1")
    found.put(vault, "b", b"2")
    home.add_device("phone")
    found.phone = home.unlock("phone")
    return found


def change(household: Household, vault: Vault) -> None:
    change_user_key(vault, household.make_key())


def rekey(household: Household, vault: Vault) -> None:  # each takes the same
    rekey_data(vault)


def give_up(household: Household, vault: Vault) -> None:
    abort_rotation(vault)


def resume(household: Household, vault: Vault) -> None:
    vault.unlocked.streams.sync()
    rotation = vault.unlocked.streams.rotation.open
    resume_rotation(vault, household.key_of(rotation.started.to_key_id) if rotation else None)


def put(household: Household, vault: Vault) -> None:
    household.put(vault, "c", b"3")


def give_up_and_rekey(household: Household, vault: Vault) -> None:
    abort_rotation(vault)
    rekey_data(vault)


def give_up_and_change(household: Household, vault: Vault) -> None:
    abort_rotation(vault)
    change_user_key(vault, household.make_key())


def revoke_the_laptop(household: Household, vault: Vault) -> None:
    laptop = household.world.sessions["laptop"].connection.profile.device_key.device_id
    revoke_device(vault, laptop, household.make_key())


Doing = Callable[[Household, Vault], None]
BETWEEN: tuple[Doing, ...] = (
    give_up,
    resume,
    put,
    give_up_and_rekey,
    give_up_and_change,
    revoke_the_laptop,
)


def run_between(household: Household, doing: Doing) -> None:
    """What the phone does meanwhile; it may be refused, or have nothing to do."""
    assert household.phone is not None
    with contextlib.suppress(SolekeyError):
        doing(household, household.phone)


def hold(household: Household, nth: int, doing: Doing, *, gone: bool) -> list[httpx.Request]:
    """Hold the nth statement back until the phone is done; return the requests whose sender is gone."""
    server, count, left = household.world.server, 0, []

    def before(request: httpx.Request) -> None:
        nonlocal count
        if not request.url.path.endswith("/statements"):
            return
        count += 1
        if count != nth:
            return
        server.be_honest()
        run_between(household, doing)
        if gone:
            left.append(request)
            raise Gone

    server.before = before
    return left


@pytest.mark.parametrize("gone", [False, True], ids=["waits", "is-gone"])
@pytest.mark.parametrize("between", BETWEEN, ids=lambda doing: doing.__name__)
@pytest.mark.parametrize("rotation", [change, rekey], ids=lambda doing: doing.__name__)
@pytest.mark.parametrize("nth", range(1, MOST_STATEMENTS + 1))
def test_any_statement_of_a_rotation_may_be_late(household, nth, rotation, between, gone):
    laptop = household.world.unlock("laptop")
    left = hold(household, nth, between, gone=gone)
    with contextlib.suppress(SolekeyError, Gone):
        rotation(household, laptop)
    household.world.server.be_honest()
    for request in left:
        household.world.server.handle_request(request)  # taken or refused
    assert household.read() == household.items
    household.end_rotation()
    assert household.world.account.states[Stream.ROTATION].open is None
    assert household.read() == household.items
