"""Re-encryption: batches that an interruption does not repeat, two devices at once, and what is looked at."""

import os
from collections import Counter

import pytest

from solekey import UserKey
from solekey.errors import RotationError, TransferBusyError
from solekey.rotation import rekey, saga
from solekey.rotation.rekey_spool import RekeySpool
from solekey.rotation.rotation import abort_rotation, change_user_key, rekey_data, resume_rotation
from solekey.transfer.uploader import Uploader
from solekey_protocol.events import Stream
from solekey_protocol.events.rotation import RotationStarted
from tests.support.client.transfers import await_transfers

ITEMS = 60


class Died(BaseException):
    """The process is gone."""


@pytest.fixture
def many(home, monkeypatch):
    """Two devices, and items that are re-encrypted in batches of ten."""
    monkeypatch.setattr(rekey, "BATCH_ITEMS", 10)
    home.unlock("laptop").put_many({f"item {number}": f"content {number}" for number in range(ITEMS)})
    home.add_device("phone")
    return home


@pytest.fixture
def sealed(monkeypatch):
    """How often each item was sealed."""
    counted = Counter()
    seal = Uploader.seal_small

    def count(self, put, content, data_key):
        counted[put.item] += 1
        return seal(self, put, content, data_key)

    monkeypatch.setattr(Uploader, "seal_small", count)
    return counted


def die_after(world, commits):
    """Die when so many re-encrypted batches are committed and the next one is on its way."""
    seen = 0

    def before(request):
        nonlocal seen
        if request.url.path.endswith("/statements") and b'"rekey"' in request.content:
            seen += 1
            if seen > commits:
                raise Died

    world.server.before = before


def die_in_a_rekey(world, name, commits):
    """Re-encrypt until the process dies; what it had under way is over when this returns."""
    die_after(world, commits)
    with pytest.raises(Died):
        rekey_data(world.unlock(name))
    await_transfers()
    world.server.be_honest()


def read_all(world, name):
    with world.reopen(name).unlock(world.key()) as vault:
        return {info.name: vault.get(info.id).content.decode() for info in vault.list()}


def expected():
    return {f"item {number}": f"content {number}" for number in range(ITEMS)}


def starts(world):
    bodies = [event.body for event in world.account.events[Stream.ROTATION]]
    return [body for body in bodies if isinstance(body, RotationStarted)]


def test_what_was_sealed_before_a_kill_is_not_sealed_again(many, sealed):
    die_in_a_rekey(many, "laptop", 3)
    assert len(sealed) > 40
    with many.reopen("laptop").unlock(many.key()) as resumed:
        resume_rotation(resumed)
    assert set(sealed.values()) == {1}
    assert len(sealed) == ITEMS
    assert read_all(many, "phone") == expected()
    assert not list((many.folder / "laptop" / "rekey").iterdir())


def test_a_damaged_file_of_a_batch_is_sealed_anew(many, sealed):
    die_in_a_rekey(many, "laptop", 3)
    for path in (many.folder / "laptop" / "rekey").glob("*.sealed"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    with many.reopen("laptop").unlock(many.key()) as resumed:
        resume_rotation(resumed)
    assert len(sealed) == ITEMS
    assert set(sealed.values()) == {1, 2}
    assert read_all(many, "phone") == expected()


def test_only_ciphertext_is_kept_between_runs(many):
    die_in_a_rekey(many, "laptop", 1)
    kept = b"".join(path.read_bytes() for path in (many.folder / "laptop" / "rekey").glob("*.sealed"))
    assert kept
    assert b"content" not in kept
    assert b"item " not in kept


def test_two_programs_of_a_profile_do_not_re_encrypt_the_same(many):
    vault = many.unlock("laptop")
    folder = vault.unlocked.connection.profile.folder
    with RekeySpool.held(folder, 2), pytest.raises(TransferBusyError):
        rekey_data(vault)
    resume_rotation(vault)
    assert read_all(many, "phone") == expected()


def test_a_device_joins_the_re_encryption_that_another_one_began(many, sealed):
    phone, joined = many.unlock("phone"), []

    def join(done, total):
        if done == 20 and not joined:
            joined.append(rekey_data(phone))

    began = rekey_data(many.unlock("laptop"), progress=join)
    assert joined == [began]
    assert len(starts(many)) == 1
    assert many.account.states[Stream.ROTATION].completed == (began,)
    assert sum(sealed.values()) <= ITEMS + 20  # the two that the laptop had under way
    assert read_all(many, "laptop") == expected()


def test_of_two_that_begin_at_once_one_wins_and_the_other_joins(many):
    """Both have looked before either has spoken; then the faster one's program ends."""
    phone = many.unlock("phone")

    def die(request):
        if request.url.path == "/v1/vault/statements":
            raise Died

    def begin_faster(request):
        if request.url.path == "/v1/rotation/statements" and b"rotation_started" in request.content:
            many.server.before = die
            with pytest.raises(Died):
                rekey_data(phone)
            many.server.be_honest()

    many.server.before = begin_faster
    joined = rekey_data(many.unlock("laptop"))
    assert [body.rotation for body in starts(many)] == [joined]
    assert many.account.states[Stream.ROTATION].completed == (joined,)
    assert read_all(many, "phone") == expected()


def test_two_changes_to_the_same_words_are_one(many):
    new = UserKey.make().to_phrase()
    phone, joined = many.unlock("phone"), []

    def before(request):
        if request.url.path == "/v1/rotation/statements" and b"rotation_verified" in request.content:
            many.server.be_honest()
            joined.append(change_user_key(phone, UserKey.from_phrase(new)))

    many.server.before = before
    began = change_user_key(many.unlock("laptop"), UserKey.from_phrase(new))
    assert joined == [began]
    many.phrase = new
    assert read_all(many, "laptop") == expected()


def test_of_two_changes_to_other_words_the_first_counts_and_the_other_is_told(many):
    first, second = UserKey.make().to_phrase(), UserKey.make()
    phone, told = many.unlock("phone"), []

    def before(request):
        if request.url.path == "/v1/rotation/statements" and b"rotation_verified" in request.content:
            many.server.be_honest()
            with pytest.raises(RotationError, match="begun first, to other words") as caught:
                change_user_key(phone, second)
            told.append(caught.value)

    many.server.before = before
    change_user_key(many.unlock("laptop"), UserKey.from_phrase(first))
    assert told
    many.phrase = first
    assert read_all(many, "phone") == expected()


def abort_and_begin(world, begin):
    """Let the phone give up the rotation before it is verified, begin one, and die after its first wrap."""
    phone, statements = world.unlock("phone"), []

    def die(request):
        if request.url.path == "/v1/vault/statements":
            statements.append(request)
        if len(statements) > 1 or (statements and request.url.path == "/v1/rotation/statements"):
            raise Died

    def be_faster(request):
        if request.url.path == "/v1/rotation/statements" and b"rotation_verified" in request.content:
            world.server.be_honest()
            abort_rotation(phone)
            world.server.before = die
            with pytest.raises(Died):
                begin(phone)
            world.server.be_honest()

    world.server.before = be_faster


def test_a_rotation_that_is_begun_afterwards_is_left_alone(many):
    """Found by spec/models (joins/without-asked): the laptop went on with whatever was open."""
    abort_and_begin(many, lambda phone: change_user_key(phone, UserKey.make()))
    with pytest.raises(RotationError, match="change of the user key is open"):
        rekey_data(many.unlock("laptop"))


def test_wraps_of_a_re_encryption_that_took_its_place_are_read_back_too(many, monkeypatch):
    """Found by spec/models (joins/without-asked:read): they were verified unread."""
    laptop, read, read_back = many.unlock("laptop"), [], saga.read_back

    def note(connection, live, *keys):
        if connection is laptop.unlocked.connection:
            read.append(live.wrapped.epoch)
        read_back(connection, live, *keys)

    monkeypatch.setattr(saga, "read_back", note)
    abort_and_begin(many, rekey_data)
    rekey_data(laptop)
    assert read == [2, 3]
    assert read_all(many, "phone") == expected()


def test_a_user_key_change_looks_at_no_item(many):
    """Whatever the number of items: it is about wraps alone."""
    asked = []
    vault = many.unlock("laptop")
    vault.refresh()
    many.unlock("phone").put("later", "x")
    many.server.before = lambda request: asked.append(request.url.path)
    change_user_key(vault, UserKey.make())
    assert asked
    assert not [path for path in asked if "/objects" in path]


def test_a_re_encryption_of_one_device_is_given_up_by_another(many):
    die_in_a_rekey(many, "laptop", 2)
    phone = many.unlock("phone")
    assert abort_rotation(phone) is not None
    before = many.account.states[Stream.VAULT].head
    assert resume_rotation(phone) is None  # nothing is re-encrypted under an epoch that was given up
    assert many.account.states[Stream.VAULT].head == before
    assert read_all(many, "laptop") == expected()
    rekey_data(phone)
    assert {wrap.wrapped.epoch for wrap in many.account.states[Stream.VAULT].live_wraps()} == {3}
    assert read_all(many, "laptop") == expected()


def test_who_re_encrypts_goes_on_with_another_one_when_it_was_given_up(many):
    phone, given_up = many.unlock("phone"), []

    def give_up(request):
        if not given_up and request.url.path.endswith("/statements") and b'"rekey"' in request.content:
            given_up.append(True)
            abort_rotation(phone)

    many.server.before = give_up
    rekey_data(many.unlock("laptop"))
    assert given_up
    assert [start.to_epoch for start in starts(many)] == [2, 3]
    assert {wrap.wrapped.epoch for wrap in many.account.states[Stream.VAULT].live_wraps()} == {3}
    assert read_all(many, "phone") == expected()


def test_contents_are_what_they_were_whatever_their_size(home):
    contents = {f"{size}": os.urandom(size) for size in (0, 1, 300, 70_000, 900_000, 1_200_000)}
    vault = home.unlock("laptop")
    vault.put_many(contents)
    rekey_data(vault)
    with home.reopen("laptop").unlock(home.key()) as again:
        assert {info.name: again.get(info.id).content for info in again.list()} == contents
