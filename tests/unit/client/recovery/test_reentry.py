"""Words entered again: right ones stay, mistakes are named, and only the very key comes back."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solekey.crypto import UserKey
from solekey.errors import PhraseLengthError, UnknownWordError, WipedSecretError, WordsDifferError
from solekey.recovery import confirm_words
from solekey.recovery.reentry import Reentry
from tests.support.client.kits import KEY_BYTES

WORDS = UserKey(KEY_BYTES).to_phrase().split()


def change(place, word):
    return " ".join([*WORDS[: place - 1], word, *WORDS[place:]])


def test_all_words_at_once_give_the_key(user_key):
    assert confirm_words(user_key, "  ".join(WORDS).upper()) == user_key


@given(st.lists(st.integers(1, 24), max_size=24))
def test_words_in_any_pieces_give_the_key(cuts):
    user_key = UserKey(KEY_BYTES)
    reentry, places = Reentry(user_key), sorted({0, *cuts, 24})
    found = None
    for start, end in itertools.pairwise(places):
        assert found is None
        assert reentry.entered == start
        found = reentry.enter(" ".join(WORDS[start:end]))
    assert found == user_key


def test_an_unknown_word_is_named_and_the_ones_before_stay(user_key):
    reentry = Reentry(user_key)
    assert reentry.enter(" ".join(WORDS[:5])) is None
    with pytest.raises(UnknownWordError, match="word 8 ") as refusal:
        reentry.enter(" ".join([*WORDS[5:7], WORDS[7][:-1] + "q"]))
    assert refusal.value.position == 8
    assert reentry.entered == 7
    assert reentry.enter(" ".join(WORDS[7:])) == user_key


@pytest.mark.parametrize("place", [1, 12, 24])
def test_a_word_that_is_another_is_named(user_key, place):
    reentry = Reentry(user_key)
    with pytest.raises(WordsDifferError) as refusal:
        reentry.enter(change(place, "zoo"))
    assert refusal.value.positions == (place,)
    assert reentry.entered == place - 1
    assert reentry.enter(" ".join(WORDS[place - 1 :])) == user_key


def test_two_words_in_the_wrong_order_are_named(user_key):
    with pytest.raises(WordsDifferError) as refusal:
        confirm_words(user_key, " ".join([WORDS[1], WORDS[0], *WORDS[2:]]))
    assert refusal.value.positions == (1, 2)


def test_the_words_of_another_key_are_refused(user_key):
    with pytest.raises(WordsDifferError):
        confirm_words(user_key, UserKey(bytes(range(32))).to_phrase())


@pytest.mark.parametrize("count", [0, 1, 23])
def test_too_few_words_are_refused_at_once_only_where_all_are_asked_for(user_key, count):
    with pytest.raises(PhraseLengthError):
        confirm_words(user_key, " ".join(WORDS[:count]))
    assert Reentry(user_key).enter(" ".join(WORDS[:count])) is None


def test_too_many_words_are_refused(user_key):
    with pytest.raises(PhraseLengthError):
        confirm_words(user_key, " ".join([*WORDS, WORDS[0]]))


def test_the_refusal_does_not_say_the_right_word(user_key):
    with pytest.raises(WordsDifferError) as refusal:
        confirm_words(user_key, change(6, "zoo"))
    assert WORDS[5] not in f"{refusal.value} {refusal.value.diagnostics()}".split()


def test_the_confirmed_key_is_the_one_that_was_entered(user_key):
    confirmed = confirm_words(user_key, " ".join(WORDS))
    user_key.wipe()
    assert confirmed.to_phrase() == " ".join(WORDS)
    with pytest.raises(WipedSecretError):
        user_key.to_phrase()
