"""A kit is proven against the account as it is now; what it pins holds the server to its history.

Each refusal stands beside the same world without the cheating or the mistake, which passes; and where a kit
finds a cheating server out, the same device without a kit is shown to believe it.
"""

import json
from dataclasses import replace

import pytest

from solekey import Server, UserKey
from solekey.account.enrolment import log_in, trust_device
from solekey.errors import (
    HistoryForkError,
    KitMismatchError,
    RollbackError,
    RotationError,
    TamperedWrapError,
    WipedSecretError,
    WrongUserKeyError,
)
from solekey.recovery import KitProof
from solekey.recovery.kit import make_kit
from solekey.recovery.proof import verify_kit
from solekey.rotation.revocation import revoke_device
from solekey.rotation.rotation import change_user_key, rekey_data
from solekey_protocol.event import encode_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import Timestamp
from solekey_protocol.streams import AuthStream, DeviceStatus
from tests.support.client.fake_server import ORIGIN
from tests.support.client.kits import ACCOUNT
from tests.support.client.world import PASSWORD, USERNAME

AN_HOUR_S = 3600


@pytest.fixture
def full(home):
    """A world with items and a kit, as the laptop has made it."""
    vault = home.unlock("laptop")
    vault.put("a", "1")
    vault.put("a", "2")
    home.server.sleep(AN_HOUR_S)  # the session is refreshed, and nobody signs to have seen that
    home.sessions["laptop"].sync()
    return home


def make(world, name="laptop"):
    return make_kit(world.sessions[name], world.key())


def prove(world, kit, name="laptop"):
    return verify_kit(world.reopen(name), world.key(), kit)


def log_in_with(world, kit):
    session = log_in(
        world.folder / "phone",
        Server(ORIGIN),
        username=USERNAME,
        password=PASSWORD,
        code=world.server.code(),
        device_name="phone",
        runtime=world.runtime,
        kit=kit,
    )
    return world.stack.enter_context(session)


def test_a_kit_says_what_the_device_has_verified(full):
    kit, session = make(full), full.sessions["laptop"]
    assert kit.account == session.account
    assert kit.key_id == session.streams.devices.key_id == full.key().derive_key_id(kit.account)
    assert (kit.server, kit.username) == (ORIGIN, USERNAME)
    assert kit.created == Timestamp.from_datetime(full.server.now)
    assert set(kit.heads) == {Stream.AUTH, Stream.DEVICES, Stream.VAULT}  # there was no rotation
    for stream, head in kit.heads.items():
        assert head == full.account.events[stream][-1].head
    assert kit.log_head is None


def test_a_kit_opens_the_data_key_in_force(full):
    kit, key = make(full), full.key()
    assert verify_kit(full.reopen("laptop"), key, kit) == KitProof(kit.key_id, 1, outdated=False)
    with pytest.raises(WipedSecretError):
        key.to_phrase()
    assert verify_kit(full.reopen("laptop"), full.key()) == KitProof(kit.key_id, 1, outdated=None)


def test_the_words_of_another_key_are_refused(full):
    with pytest.raises(WrongUserKeyError):
        verify_kit(full.reopen("laptop"), UserKey.make(), make(full))


def test_the_kit_of_another_account_is_refused(full):
    with pytest.raises(KitMismatchError, match=ACCOUNT):
        prove(full, replace(make(full), account=ACCOUNT))


def test_a_tampered_wrap_is_found(full):
    kit, [digest] = make(full), full.account.wraps
    wrap = full.account.wraps[digest]
    full.account.wraps[digest] = wrap[:-1] + bytes([wrap[-1] ^ 1])
    with pytest.raises(TamperedWrapError):
        prove(full, kit)
    full.account.wraps[digest] = wrap
    prove(full, kit)


def test_a_kit_of_a_replaced_key_opens_nothing(full):
    kit, old = make(full), full.key()
    change_user_key(full.unlock("laptop"), UserKey.make())
    with pytest.raises(WrongUserKeyError):
        verify_kit(full.reopen("laptop"), old, kit)


def test_the_kit_of_a_new_key_is_not_outdated_by_its_own_change(full):
    """It is made before its key comes into force, so that the change itself is not in its heads."""
    vault, new = full.unlock("laptop"), UserKey.make()
    kit, phrase = make_kit(vault.unlocked, new), new.to_phrase()
    change_user_key(vault, new)
    full.phrase = phrase
    assert prove(full, kit).outdated is False


def test_a_later_rekey_outdates_a_kit(full):
    kit = make(full)
    rekey_data(full.unlock("laptop"))
    assert prove(full, kit) == KitProof(kit.key_id, 2, outdated=True)
    assert prove(full, make(full)).outdated is False


def test_a_revocation_outdates_the_kit_that_was_made_before_it(full):
    full.add_device("tablet")
    vault, new = full.unlock("laptop"), UserKey.make()
    kit, phrase = make_kit(vault.unlocked, new), new.to_phrase()
    revoke_device(vault, full.sessions["tablet"].devices.own_id, new)
    full.phrase = phrase
    assert prove(full, kit).outdated is True
    assert prove(full, make(full)).outdated is False


def test_a_key_never_comes_back(full):
    phrase = full.phrase
    vault = full.unlock("laptop")
    full.phrase = UserKey.make().to_phrase()
    change_user_key(vault, UserKey.from_phrase(full.phrase))
    with pytest.raises(RotationError, match="was the account's before"):
        change_user_key(full.unlock("laptop"), UserKey.from_phrase(phrase))


def test_clocks_do_not_decide(full):
    kit = replace(make(full), created=Timestamp("2099-01-01T00:00:00.000Z"))
    rekey_data(full.unlock("laptop"))
    assert prove(full, kit).outdated is True


def withhold(world):
    """The server forgets the last commit; nobody who has not seen it can know."""
    del world.account.events[Stream.VAULT][-1:]


def rewrite(world):
    """The server tells another story of the same length, in the stream that it writes alone."""
    account = world.account
    events = account.events[Stream.AUTH]
    later = Timestamp.from_datetime(world.server.now.replace(year=2027))
    before = events[-2]
    events[-1] = encode_event(events[-1].body, account=account.account, after=before.head, time=later)
    state = AuthStream.start(account.account)
    for event in events:
        state = state.evolve(event)
    account.states[Stream.AUTH] = state


CHEATS = pytest.mark.parametrize(
    ("cheat", "refusal"),
    [(withhold, RollbackError), (rewrite, HistoryForkError)],
    ids=["withhold", "rewrite"],
)


@CHEATS
def test_a_new_device_without_a_kit_believes_the_server(full, cheat, refusal):
    del refusal
    make(full)
    cheat(full)
    phone = full.add_device("phone")
    assert phone.devices.own_status is DeviceStatus.TRUSTED


@CHEATS
def test_a_new_device_with_a_kit_does_not_log_in_to_a_cheating_server(full, cheat, refusal):
    kit = make(full)
    cheat(full)
    with pytest.raises(refusal):
        log_in_with(full, kit)
    assert full.account.states[Stream.DEVICES].devices.keys() == {full.sessions["laptop"].devices.own_id}


@CHEATS
def test_a_new_device_with_a_kit_is_not_trusted_by_a_cheating_server(full, cheat, refusal):
    kit = make(full)
    cheat(full)
    phone, key = full.log_in("phone"), full.key()
    with pytest.raises(refusal):
        trust_device(phone, key, kit=kit)
    assert phone.devices.own_status is DeviceStatus.PENDING
    with pytest.raises(WipedSecretError):
        key.to_phrase()
    evidence = full.folder / "phone" / "fork-evidence.json"
    assert evidence.exists() == (refusal is HistoryForkError)


def test_a_new_device_with_a_kit_is_trusted_by_an_honest_server(full):
    kit = make(full)
    full.unlock("laptop").put("a", "later than the kit")
    phone = log_in_with(full, kit)
    trust_device(phone, full.key(), kit=kit)
    assert phone.devices.own_status is DeviceStatus.TRUSTED
    with phone.unlock(full.key()) as vault:
        assert vault.get("a").content == b"later than the kit"


def test_the_evidence_names_both_sides(full):
    kit = make(full)
    rewrite(full)
    phone = full.log_in("phone")
    with pytest.raises(HistoryForkError):
        trust_device(phone, full.key(), kit=kit)
    evidence = json.loads((full.folder / "phone" / "fork-evidence.json").read_text())
    pinned = kit.heads[Stream.AUTH]
    assert (evidence["stream"], evidence["seq"], evidence["ours"]) == ("auth", pinned.seq, pinned.digest)
    assert evidence["theirs"] == full.account.events[Stream.AUTH][pinned.seq - 1].raw.decode()


def test_a_new_device_with_another_accounts_kit_is_not_trusted(full):
    kit = replace(make(full), account=ACCOUNT)
    phone = full.log_in("phone")
    with pytest.raises(KitMismatchError):
        trust_device(phone, full.key(), kit=kit)
    assert phone.devices.own_status is DeviceStatus.PENDING


@CHEATS
def test_a_kit_finds_out_a_server_that_cheats_on_a_device_without_a_memory(full, cheat, refusal):
    kit = make(full)
    cheat(full)
    phone = full.log_in("phone")
    assert verify_kit(phone, full.key()).epoch == 1
    with pytest.raises(refusal):
        verify_kit(phone, full.key(), kit)
