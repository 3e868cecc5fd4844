"""The end of the unlocked block wipes every key, however it ends; what uses one afterwards is refused."""

import pytest

from solekey import UserKey
from solekey.account.enrolment import trust_device
from solekey.errors import WipedSecretError, WrongUserKeyError
from solekey.rotation.rotation import change_user_key, rekey_data


class Interrupted(BaseException):
    """The block ends with anything."""


def collect_keys(vault):
    """Every key object that an unlocked vault works with."""
    keyring = vault.unlocked.keyring
    epochs = {live.wrapped.epoch for live in vault.unlocked.streams.vault.live_wraps(keyring.user_key.key_id)}
    data_keys = [keyring.data_key(epoch) for epoch in epochs]
    return [keyring.user_key.wrapping_key, keyring.user_key.signing_key, *data_keys]


def assert_wiped(*keys):
    for key in keys:
        with pytest.raises(WipedSecretError):
            key.expose()


def test_the_end_of_the_block_wipes_all_keys(home):
    user_key = home.key()
    with home.sessions["laptop"].unlock(user_key) as vault:
        vault.put("notes", "hello")
        keys = [user_key, *collect_keys(vault)]
        views = [key.expose() for key in keys]
        assert all(any(view) for view in views)
    assert_wiped(*keys)
    assert not any(any(view) for view in views)  # overwritten, not only forgotten
    with pytest.raises(WipedSecretError):
        user_key.derive_wrapping_key(vault.unlocked.account)
    with pytest.raises(WipedSecretError):
        keys[2].sign(b"a certificate")


@pytest.mark.parametrize(
    "use",
    [
        lambda vault: vault.get("notes"),
        lambda vault: vault.put("notes", "again"),
        lambda vault: vault.unlocked.keyring.data_key(1),
        lambda vault: vault.unlocked.keyring.load(),
        rekey_data,
    ],
    ids=["get", "put", "data_key", "load", "rekey"],
)
def test_a_vault_that_outlives_its_block_is_of_no_use(home, use):
    with home.sessions["laptop"].unlock(home.key()) as vault:
        vault.put("notes", "hello")
    with pytest.raises(WipedSecretError):
        use(vault)


@pytest.mark.parametrize("end", [RuntimeError, Interrupted])
def test_a_block_that_fails_wipes_all_keys(home, end):
    user_key, keys = home.key(), []

    def fail():
        with home.sessions["laptop"].unlock(user_key) as vault:
            keys.extend(collect_keys(vault))
            raise end

    with pytest.raises(end):
        fail()
    assert len(keys) == 3
    assert_wiped(user_key, *keys)


def test_an_unlocking_that_fails_wipes_the_user_key(home):
    other = UserKey.make()
    with pytest.raises(WrongUserKeyError), home.sessions["laptop"].unlock(other):
        pass
    assert_wiped(other)


def test_trusting_a_device_wipes_the_user_key(home):
    key = home.key()
    trust_device(home.log_in("phone"), key)
    assert_wiped(key)


def test_a_user_key_change_wipes_the_old_keys_at_once_and_the_new_ones_at_the_end(home):
    new = UserKey.make()
    with home.sessions["laptop"].unlock(home.key()) as vault:
        old_user_key = vault.unlocked.keyring.user_key
        change_user_key(vault, new)
        assert_wiped(old_user_key.wrapping_key, old_user_key.signing_key)
        later = collect_keys(vault)
    assert_wiped(new, *later)


def test_a_rekey_leaves_no_key_behind(home):
    with home.sessions["laptop"].unlock(home.key()) as vault:
        vault.put("notes", "hello")
        before = collect_keys(vault)
        rekey_data(vault)
        after = collect_keys(vault)
    assert_wiped(*before, *after)
