"""The tests' own check for repeated words notices them, and takes no single word for a leak."""

import pytest

from tests.support.spoken_words import repeats

PHRASE = "program people key hood"


@pytest.mark.parametrize("text", ["people key", "(people, KEY)", "a\npeople\nkey: b", "1. program 2. people"])
def test_two_neighbours_are_noticed(text):
    assert repeats(PHRASE, text)


@pytest.mark.parametrize("text", ["", "there is no key provider", "key people", "peoples keys", "hood key"])
def test_single_words_are_not(text):
    assert not repeats(PHRASE, text)
