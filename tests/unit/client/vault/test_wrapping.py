"""A wrap that was stored is read back, opened and compared: nothing is believed of the server's store."""

import os

import pytest

from solekey.crypto import DataKey, UserKey
from solekey.errors import ReadBackError
from solekey.rotation import saga
from solekey.rotation.rotation import change_user_key
from solekey.vault.wrapping import read_back


@pytest.fixture
def unlocked(home):
    return home.unlock("laptop").unlocked


def read(unlocked, expected):
    (live,) = unlocked.streams.vault.live_wraps(unlocked.keyring.user_key.key_id)
    read_back(unlocked.connection, live, unlocked.keyring.user_key, expected)


def test_control_the_key_that_was_wrapped_comes_back(unlocked):
    read(unlocked, unlocked.keyring.data_key(1))
    read(unlocked, None)


def test_another_key_than_was_wrapped_is_noticed(unlocked):
    with pytest.raises(ReadBackError, match="another key"):
        read(unlocked, DataKey.make(1, os.urandom))


@pytest.mark.parametrize(
    "spoil", [lambda wrap: wrap[:-1] + bytes([wrap[-1] ^ 1]), lambda wrap: wrap[:-1], lambda _: b""]
)
def test_a_wrap_that_does_not_open_is_noticed(home, unlocked, spoil):
    ((digest, wrap),) = home.account.wraps.items()
    home.account.wraps[digest] = spoil(wrap)
    with pytest.raises(ReadBackError, match="does not open"):
        read(unlocked, unlocked.keyring.data_key(1))


@pytest.mark.parametrize("fails_at", [None, 0, 1])
def test_wraps_are_read_back_before_they_are_verified_and_again_before_the_key_changes(
    home, monkeypatch, fails_at
):
    vault, verified = home.unlock("laptop"), []
    before = vault.unlocked.streams.devices.key_id

    def note(*arguments):
        verified.append(vault.unlocked.streams.rotation.open.verified is not None)
        if len(verified) - 1 == fails_at:
            raise ReadBackError("planted")
        read_back(*arguments)

    monkeypatch.setattr(saga, "read_back", note)
    if fails_at is None:
        change_user_key(vault, UserKey.make())
        assert verified == [False, True]
        assert vault.unlocked.streams.devices.key_id != before
        return
    with pytest.raises(ReadBackError, match="planted"):
        change_user_key(vault, UserKey.make())
    assert verified == [False, True][: fails_at + 1]
    assert vault.unlocked.streams.devices.key_id == before
