"""What was signed of a queue and not answered: every attempt is looked for until one is concluded."""

from types import SimpleNamespace

import pytest

from solekey.crypto import DataKey
from solekey.errors import EpochKeyMissingError
from solekey.files.private_folder import PrivateFolder
from solekey.offline.attempts import Attempts, TakenError
from solekey_protocol.change_list import Change
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import AccountId, ItemId, compute_digest
from solekey_protocol.statements import Head

ACCOUNT = AccountId.from_raw(bytes(16))
ITEMS = [ItemId.from_raw(bytes([number]) * 16) for number in range(3)]
LISTS = [compute_digest(bytes([number])) for number in range(4)]
KEY = DataKey(1, bytes(range(32)))


class Stream:
    """The vault's stream as a queue sees it."""

    def __init__(self):
        self.written = []
        self.vault = SimpleNamespace(epoch=1)

    def head(self, _):
        return Head(len(self.written), LISTS[0])

    def events(self, _):
        return self.written

    def write(self, changes):
        body = ItemsCommitted(len(self.written) + 1, CommitKind.DELTA, 1, changes, 1, 1)
        self.written.append(SimpleNamespace(body=body))


@pytest.fixture
def stream():
    stream = Stream()
    stream.write(LISTS[3])  # before anything was sent
    return stream


@pytest.fixture
def attempts(stream, tmp_path):
    folder = PrivateFolder(tmp_path / "profile")
    folder.make()
    (folder.path / "queue").mkdir(mode=0o700)
    queue = SimpleNamespace(folder=folder, account=ACCOUNT, random=bytes)
    unlocked = SimpleNamespace(streams=stream, keyring=SimpleNamespace(data_key=lambda _: KEY))

    def find_key(epoch):
        if epoch != KEY.epoch:
            raise EpochKeyMissingError(epoch)
        return KEY

    return Attempts(unlocked, queue, find_key)


def change(number, version):
    return Change(ITEMS[number], version, 0, ())


@pytest.mark.parametrize("arrives", [0, 1, 2])
def test_whichever_attempt_arrives_is_found_with_what_it_made(stream, attempts, arrives):
    for number in range(3):
        attempts.note(LISTS[number], {7: change(number, number + 1)})
    stream.write(compute_digest(b"another device's"))
    assert attempts.find_taken() == {}  # the control
    stream.write(LISTS[arrives])
    stream.write(compute_digest(b"another device's, too"))
    assert attempts.find_taken() == {7: (ITEMS[arrives], arrives + 1)}
    attempts.forget()
    assert attempts.find_taken() == {}


def test_nothing_is_signed_again_once_an_earlier_attempt_has_arrived(stream, attempts):
    attempts.note(LISTS[0], {7: change(0, 1)})
    attempts.note(LISTS[1], {7: change(0, 1)})
    stream.write(LISTS[0])
    with pytest.raises(TakenError):
        attempts.note(LISTS[2], {7: change(0, 2)})
    assert attempts.find_taken() == {7: (ITEMS[0], 1)}


def test_what_was_there_before_the_attempt_is_not_the_attempt(stream, attempts):
    attempts.note(LISTS[3], {7: change(0, 1)})
    assert attempts.find_taken() == {}
    stream.write(LISTS[3])
    assert attempts.find_taken() == {7: (ITEMS[0], 1)}
