"""The public face: what an app imports, does with an account, and is told when it is not possible."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import solekey
from solekey import Account, DeviceStatus, NewContent, RevocationReason, Server, SignUp, UserKey
from solekey.errors import (
    AccountLockedError,
    NewUserKeyNeededError,
    NotLoggedInError,
    ProviderEmptyError,
    SessionEndedError,
    SpecError,
    StepUpRequiredError,
    WrongUserKeyError,
)
from solekey.recovery import read_kit, write_kit
from tests.support.client.fake_server import ORIGIN
from tests.support.client.world import PASSWORD, USERNAME
from tests.support.spoken_words import repeats

THREADS = 6
ROUNDS = 3


def open_account(world, name="laptop", **named) -> Account:
    named.setdefault("on_step_up", world.server.code)
    return world.stack.enter_context(solekey.open(world.folder / name, runtime=world.runtime, **named))


@pytest.fixture
def account(home) -> Account:
    """The unlocked account of a trusted device."""
    return open_account(home, key=home.key())


def test_a_sign_up_gives_an_account(world):
    with SignUp(world.folder / "mine", Server(ORIGIN), username=USERNAME, runtime=world.runtime) as sign_up:
        sign_up.register(PASSWORD)
        assert not sign_up.logged_in
        sign_up.prove_second_factor(PASSWORD, world.server.code())
        with sign_up.make_user_key() as key:
            kit = sign_up.make_kit(key)
            write_kit(kit, key, world.folder / "kit.pdf")
            with sign_up.found(key) as account, account.keys.unlock(key) as items:
                items.put("note", "hello")
                assert account.items.get("note").content == b"hello"
                saved = read_kit(world.folder / "kit.pdf")
                assert account.keys.verify_kit(saved.user_key, saved.kit).epoch == 1
        assert sign_up.founded
    assert (account.username, account.server) == (USERNAME, ORIGIN)


def test_a_sign_up_goes_on_in_another_program(world):
    arguments = (world.folder / "mine", ORIGIN)
    with SignUp(*arguments, username=USERNAME, runtime=world.runtime) as sign_up:
        sign_up.register(PASSWORD)
        sign_up.prove_second_factor(PASSWORD, world.server.code())
    with SignUp(*arguments, username=USERNAME, runtime=world.runtime) as sign_up:
        assert sign_up.resumes
        assert sign_up.logged_in
        with sign_up.make_user_key() as key, sign_up.found(key) as account:
            assert account.devices.own_status is DeviceStatus.TRUSTED


def test_a_locked_account_says_so(home):
    account = open_account(home)
    assert not account.keys.is_unlocked
    with pytest.raises(AccountLockedError):
        _ = account.items
    with pytest.raises(AccountLockedError):
        account.keys.change_data_key()
    assert [info.name for info in account.devices.list()] == ["laptop"]
    with account.keys.unlock(home.key()):
        account.items.put("note", "hello")
    with pytest.raises(AccountLockedError):
        account.items.list()


def test_a_key_may_be_used_twice_and_is_wiped_by_whom_it_belongs_to(home):
    account, key = open_account(home), home.key()
    for content in ("one", "two"):
        with account.keys.unlock(key) as items:
            items.put("note", content)
    with account.keys.unlock(key), UserKey.make() as new:
        account.keys.change_user_key(new)
        assert new.to_phrase()
    assert key.to_phrase() == home.phrase


def test_blocks_share_the_keys_until_the_last_one_ends(home):
    account = open_account(home)
    with account.keys.unlock(home.key()):
        with account.keys.unlock(home.key()) as items:
            items.put("note", "hello")
        with pytest.raises(WrongUserKeyError), account.keys.unlock(UserKey.make()):
            pass
        assert account.items.get("note").content == b"hello"
    assert not account.keys.is_unlocked


def test_closing_wipes_the_keys(home):
    account = open_account(home, key=home.key())
    items = account.items
    keyring = items.unlocked.keyring
    account.close()
    with pytest.raises(solekey.SolekeyError):
        keyring.user_key.wrapping_key.expose()
    with pytest.raises(AccountLockedError):
        _ = account.items


def test_a_wrong_key_opens_nothing_and_closes_what_was_opened(home):
    with pytest.raises(WrongUserKeyError):
        open_account(home, key=UserKey.make())


def test_the_place_of_the_key_is_remembered(home):
    passphrases = {"ask": lambda _: "eight words that nobody else would ever guess"}
    account = open_account(home, **passphrases)
    with pytest.raises(ProviderEmptyError), account.keys.unlock():
        pass
    place = f"file:{home.folder / 'key'}"
    account.keys.store(place, home.key())
    assert account.keys.stored_at == place
    with account.keys.unlock() as items:
        items.put("note", "hello")
    again = open_account(home, key=place, **passphrases)
    assert again.items.get("note").content == b"hello"
    assert account.keys.forget() == place
    assert account.keys.stored_at is None
    assert not (home.folder / "key").exists()


def test_words_are_no_place_and_are_not_repeated(home):
    with pytest.raises(SpecError) as caught:
        open_account(home, key=home.phrase)
    assert not repeats(home.phrase, str(caught.value))


def test_every_put_takes_type_tags_and_attributes(account, tmp_path):
    described = {"type": "text/x-test", "tags": ("kitchen",), "attributes": {"room": "7"}}
    path = tmp_path / "file"
    path.write_bytes(b"file")
    large = tmp_path / "large"
    large.write_bytes(bytes(3_000_000))
    account.items.put("put", "text", **described)
    account.items.put_file(path, **described)
    account.items.put_file(str(large), **described)
    account.items.put_stream("stream", io.BytesIO(b"stream").read, **described)
    account.items.put_many({"many": NewContent("text", **described), "plain": b"bytes", "words": "text"})
    found = {info.name: info for info in account.items.list()}
    for name in ("put", "file", "large", "stream", "many"):
        info = found[name]
        assert (info.type, info.tags, dict(info.attributes)) == ("text/x-test", ("kitchen",), {"room": "7"})
        assert info.created <= info.modified
    assert (found["plain"].type, found["words"].type) == ("application/octet-stream", "text/plain")
    assert {info.name: info.size for info in found.values()} == {
        "put": 4, "file": 4, "large": 3_000_000, "stream": 6, "many": 4, "plain": 5, "words": 4,
    }  # fmt: skip


def test_sizes_are_known_to_another_program(home, account, tmp_path):
    (tmp_path / "large").write_bytes(bytes(3_000_001))
    account.items.put_file(tmp_path / "large")
    account.items.put("small", "four")
    other = open_account(home, key=home.key())
    assert {info.name: info.size for info in other.items.list()} == {"large": 3_000_001, "small": 4}


@pytest.mark.parametrize(
    ("described", "complaint"),
    [
        ({"tags": "kitchen"}, "tags: expected a sequence of texts"),
        ({"tags": [1]}, "tags: expected a sequence of texts"),
        ({"attributes": "room"}, "attributes: expected a mapping"),
    ],
)
def test_what_describes_an_item_is_of_the_right_type(account, tmp_path, described, complaint):
    (tmp_path / "file").write_bytes(b"file")
    for put in (
        lambda: account.items.put("note", "text", **described),
        lambda: account.items.put_file(tmp_path / "file", **described),
        lambda: account.items.put_stream("note", io.BytesIO(b"x").read, **described),
        lambda: account.items.put_many({"note": NewContent("text", **described)}),
    ):
        with pytest.raises(TypeError, match=complaint):
            put()
    assert account.items.list() == []


def test_paths_are_texts_or_paths(home, account):
    folder = home.folder
    (folder / "file").write_bytes(b"file")
    for path in (str(folder / "file"), folder / "file"):
        account.items.put_file(path)
    for path in (str(folder / "out"), Path(folder / "out")):
        account.items.get_file("file", path)
    with solekey.open(str(folder / "laptop"), runtime=home.runtime) as again:
        assert again.id == account.id


def test_a_new_device_is_trusted_by_the_key_or_approved_by_code(home, account):
    def log_in(name):
        return home.stack.enter_context(
            solekey.log_in(
                home.folder / name,
                server=ORIGIN,
                username=USERNAME,
                password=PASSWORD,
                code=home.server.code(),
                device_name=name,
                runtime=home.runtime,
            )
        )

    phone = log_in("phone")
    assert phone.devices.own_status is DeviceStatus.PENDING
    with pytest.raises(AccountLockedError):
        phone.devices.trust()
    with phone.keys.unlock(home.key()):
        assert phone.devices.trust(kit=account.keys.make_kit(home.key())).status is DeviceStatus.TRUSTED
        phone.items.put("from the phone", "hello")
    tablet = log_in("tablet")
    code = tablet.devices.derive_code()
    assert account.devices.approve(code.encode_text()).name == "tablet"
    assert tablet.devices.wait_until_trusted().this_device
    assert account.items.get("from the phone").content == b"hello"


def test_a_device_is_revoked_under_a_new_key(home, account):
    home.add_device("phone")
    phone = account.devices.find("phone")
    assert account.devices.needs_new_user_key(phone.id)
    with pytest.raises(NewUserKeyNeededError):
        account.devices.revoke(phone.id, None)
    with UserKey.make() as new:
        revocation = account.devices.revoke(phone.id, new, reason=RevocationReason.STOLEN)
        assert revocation.was_trusted
        assert account.keys.status().key_id == new.derive_key_id(account.id)


def test_the_keys_are_changed_on_demand(account):
    before = account.keys.status()
    assert (before.open_rotation, before.epoch, before.policy) == (None, 1, None)
    account.items.put("note", "hello")
    account.keys.change_data_key()
    policy = account.keys.set_policy(user_key_max_age_days=90, data_key_max_age_days=30)
    now = account.keys.status()
    assert (now.epoch, now.policy, now.completed) == (2, policy, 1)
    assert account.keys.resume() is None
    assert account.keys.abort() is None
    assert account.keys.find_leftovers() == ()
    assert account.keys.find_missing() == ()


def test_removed_items_come_back(account):
    account.items.put("note", "hello", tags=["kitchen"])
    account.items.remove("note")
    (removed,) = account.items.list_removed()
    assert removed.metadata.name == "note"
    assert account.items.restore("note").name == "note"
    assert account.items.find("note").tags == ("kitchen",)


def test_a_fresh_second_factor_is_asked_for_when_it_is_needed(home):
    home.server.sleep(3600)
    (totp,) = open_account(home).factors.list()
    refusing = open_account(home, on_step_up=None)
    with pytest.raises(StepUpRequiredError):
        refusing.factors.make_recovery_codes()
    asked = []

    def ask():
        asked.append(True)
        return home.server.code()

    account = open_account(home, on_step_up=ask)
    assert account.factors.make_recovery_codes().codes
    assert asked == [True]
    assert totp.factor is solekey.Factor.TOTP


def test_one_class_says_that_it_is_time_to_log_in_again(home):
    account, other = open_account(home), open_account(home)
    (session,) = account.sessions.list()
    other.sessions.end(session.id)
    with pytest.raises(NotLoggedInError) as ended:
        account.sync()
    assert isinstance(ended.value, SessionEndedError)
    with pytest.raises(NotLoggedInError):
        open_account(home)


def run_threads(work):
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


def test_threads_share_one_account(home, account):
    barrier = threading.Barrier(THREADS)

    def work(number):
        barrier.wait()
        for round_ in range(ROUNDS):
            name = f"note {number} {round_}"
            account.items.put(name, name)
            assert account.items.get(name).content == name.encode()
            assert b"".join(account.items.iter_content(name)) == name.encode()
            assert len(account.devices.list()) == 1

    run_threads(work)
    assert len(account.items.list()) == THREADS * ROUNDS
    assert list(home.folder.rglob("*evidence*")) == []


def test_threads_may_each_unlock(home):
    account = open_account(home)

    def work(number):
        with account.keys.unlock(home.key()) as items:
            items.put(f"note {number}", "hello")

    run_threads(work)
    assert not account.keys.is_unlocked
    with account.keys.unlock(home.key()) as items:
        assert len(items.list()) == THREADS


def test_two_accounts_of_one_profile_go_on_side_by_side(home):
    accounts = [open_account(home, key=home.key()) for _ in range(2)]

    def work(number):
        account = accounts[number % 2]
        for round_ in range(ROUNDS):
            name = f"note {number} {round_}"
            assert not account.items.put(name, name).conflict
            assert account.items.get(name).content == name.encode()

    run_threads(work)
    for account in accounts:
        assert len(account.items.list()) == THREADS * ROUNDS
    assert list(home.folder.rglob("*evidence*")) == []


class NoLock:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def list_twice_at_once(home, account, patience_s):
    """List from two threads; the first is held up, in the middle of following a commit, for the second.

    Returns what each has found, and whether the second was done while the first was held up.
    """
    with home.sessions["phone"].unlock(home.key()) as phone:
        phone.put("from the phone", "hello")
    second = threading.Event()
    held = threading.Event()
    overtaken = []

    def hold_up(request):
        if request.url.path.endswith("/objects/fetch") and not held.is_set():
            held.set()
            overtaken.append(second.wait(patience_s))

    home.server.before = hold_up
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(account.items.list)
        assert held.wait(30)
        other = pool.submit(account.items.list)
        other.add_done_callback(lambda _: second.set())
        return [len(found.result()) for found in (first, other)], overtaken


def test_a_thread_waits_for_another_that_follows_a_commit(home, account):
    home.add_device("phone")
    account.sync()
    assert list_twice_at_once(home, account, patience_s=0.2) == ([1, 1], [False])


def test_without_the_lock_a_thread_follows_the_same_commit_meanwhile(home, account):
    home.add_device("phone")
    account.sync()
    account.items.unlocked.streams.lock = NoLock()
    assert list_twice_at_once(home, account, patience_s=30) == ([1, 1], [True])
