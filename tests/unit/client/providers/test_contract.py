"""What every place that keeps a user key promises, tried on each: a file, a keyring, a real PKCS#11 token."""

from dataclasses import dataclass
from typing import Any

import pytest

from solekey.errors import (
    ForeignUserKeyError,
    NotLoggedInError,
    ProviderEmptyError,
    ProviderError,
    ProviderOccupiedError,
    ProviderReadOnlyError,
)
from solekey.providers import UserKeyProvider, open_provider
from tests.support.client.places import ADA, BOB, PASSPHRASE, Answers, MemoryKeyring, make_key
from tests.support.engines.softhsm import PIN


@dataclass
class Place:
    """A spec, and what may be done behind the provider's back."""

    spec: str
    person: Answers
    shared: bool
    """Whether several accounts keep their keys side by side under the same spec."""

    def open(self, account=ADA) -> UserKeyProvider:
        return open_provider(self.spec, account=account, ask=self.person)


@pytest.fixture(params=["file", "keyring", "pkcs11"])
def place(request: pytest.FixtureRequest, person: Answers) -> Place:
    if request.param == "file":
        request.getfixturevalue("quick_argon2")
        return Place(f"file:{request.getfixturevalue('tmp_path')}/ada.key", person, shared=False)
    if request.param == "keyring":
        request.getfixturevalue("memory_keyring")
        return Place("keyring:tests", person, shared=True)
    token: Any = request.getfixturevalue("token")
    return Place(token.spec(), person, shared=True)


def test_what_was_stored_is_loaded(place):
    place.open().store(make_key())
    assert place.open().load() == make_key()
    assert place.open().spec == place.spec


def test_an_empty_place_says_so(place):
    with pytest.raises(ProviderEmptyError):
        place.open().load()


def test_what_was_deleted_is_gone(place):
    place.open().store(make_key())
    place.open().delete()
    with pytest.raises(ProviderEmptyError):
        place.open().load()
    place.open().delete()  # nothing to do


def test_a_deleted_place_takes_another_key(place):
    place.open().store(make_key())
    place.open().delete()
    place.open().store(make_key(1))
    assert place.open().load() == make_key(1)


def test_another_key_is_never_overwritten_silently(place):
    place.open().store(make_key())
    with pytest.raises(ProviderOccupiedError):
        place.open().store(make_key(1))
    assert place.open().load() == make_key()


def test_another_key_is_overwritten_when_it_is_asked_for(place):
    place.open().store(make_key())
    place.open().store(make_key(1), replace=True)
    assert place.open().load() == make_key(1)


def test_the_same_key_is_stored_again(place):
    for _ in range(2):
        place.open().store(make_key())
    assert place.open().load() == make_key()


def test_another_account_never_gets_the_key(place):
    place.open().store(make_key())
    with pytest.raises(ProviderEmptyError if place.shared else ForeignUserKeyError):
        place.open(BOB).load()


def test_another_account_never_destroys_the_key(place):
    place.open().store(make_key())
    if place.shared:
        place.open(BOB).store(make_key(2))
        assert place.open(BOB).load() == make_key(2)
        place.open(BOB).delete()
    else:
        for replace in (False, True):
            with pytest.raises(ForeignUserKeyError):
                place.open(BOB).store(make_key(2), replace=replace)
        with pytest.raises(ForeignUserKeyError):
            place.open(BOB).delete()
    assert place.open().load() == make_key()


def test_storing_leaves_the_given_key_usable(place):
    with make_key() as key:
        place.open().store(key)
        assert key == make_key()


def test_what_is_loaded_may_be_wiped(place):
    place.open().store(make_key())
    place.open().load().wipe()
    assert place.open().load() == make_key()


def test_an_account_is_needed(place):
    with pytest.raises(NotLoggedInError):
        place.open(None)


def test_no_secret_is_shown(place, caplog):
    provider = place.open()
    provider.store(make_key())
    failures = []
    for operation in (lambda: provider.store(make_key(1)), place.open(BOB).load):
        with pytest.raises(ProviderError) as caught:
            operation()
        failures.append(caught.value)
    shown = f"{provider!r} {failures!r} {[error.diagnostics() for error in failures]} {caplog.text}"
    for secret in (PASSPHRASE, PIN, bytes(make_key().expose()).hex()):
        assert secret not in shown


def test_a_prompt_takes_words_and_stores_nothing():
    provider = open_provider("prompt:", account=None, ask=lambda _: make_key().to_phrase())
    assert provider.load() == make_key()
    for operation in (lambda: provider.store(make_key()), provider.delete):
        with pytest.raises(ProviderReadOnlyError):
            operation()


def test_the_keyring_of_the_tests_is_one_that_is_not_refused(memory_keyring):
    assert isinstance(memory_keyring, MemoryKeyring)
    assert memory_keyring.priority >= 1
