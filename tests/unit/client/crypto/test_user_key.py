"""The user key, its phrase, and what is derived from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solekey.crypto import UserKey
from solekey.errors import PhraseChecksumError, PhraseError, PhraseLengthError, UnknownWordError
from solekey_protocol.ids import AccountId
from solekey_protocol.statements import verify_signature
from tests.support.crypto.fixtures import counting

ACCOUNT = AccountId.from_raw(counting(0x20, 16))
OTHER_ACCOUNT = AccountId.from_raw(counting(0x21, 16))

# From the BIP-39 reference vectors (trezor/python-mnemonic vectors.json), 256 bits.
BIP39 = [
    ("00" * 32, "abandon " * 23 + "art"),
    (
        "7f" * 32,
        (
            "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth "
            "useful legal winner thank year wave sausage worth title"
        ),
    ),
    (
        "80" * 32,
        (
            "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor "
            "acoustic avoid letter advice cage absurd amount doctor acoustic bless"
        ),
    ),
    ("ff" * 32, "zoo " * 23 + "vote"),
    (
        "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
        (
            "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy "
            "gospel tennis maple dilemma loan word shrug inflict delay length"
        ),
    ),
]


@pytest.mark.parametrize(("entropy", "phrase"), BIP39)
def test_the_phrase_is_bip39(entropy, phrase):
    assert UserKey(bytes.fromhex(entropy)).to_phrase() == phrase
    assert UserKey.from_phrase(phrase) == UserKey(bytes.fromhex(entropy))


@given(st.binary(min_size=32, max_size=32))
def test_a_phrase_comes_back_in_any_spelling(secret):
    phrase = UserKey(secret).to_phrase()
    assert len(phrase.split(" ")) == 24
    assert UserKey.from_phrase(f"  {phrase.upper()}\n".replace(" ", " \t")) == UserKey(secret)


@pytest.mark.parametrize("count", [0, 1, 12, 23, 25, 48])
def test_another_number_of_words_is_said(count):
    with pytest.raises(PhraseLengthError) as caught:
        UserKey.from_phrase("zoo " * count)
    assert (caught.value.found, caught.value.expected) == (count, 24)
    assert "24 words" in caught.value.diagnostics()


@pytest.mark.parametrize(
    ("mistyped", "suggested"),
    [("abandn", "abandon"), ("vot", "vote"), ("letterr", "letter"), ("acousticc", "acoustic"), ("zo", "zoo")],
)
def test_an_unknown_word_is_named_with_its_place_and_suggestions(mistyped, suggested):
    words = BIP39[0][1].split()
    words[6] = mistyped
    with pytest.raises(UnknownWordError) as caught:
        UserKey.from_phrase(" ".join(words))
    error = caught.value
    assert (error.word, error.position) == (mistyped, 7)
    assert suggested in error.suggestions
    assert len(error.suggestions) <= 3
    assert suggested in error.diagnostics()
    assert f"word 7 of the recovery phrase, {mistyped!r}" in str(error)


def test_a_word_like_no_other_has_no_suggestions_and_is_cut():
    with pytest.raises(UnknownWordError) as caught:
        UserKey.from_phrase("q" * 100_000)
    assert caught.value.suggestions == ()
    assert len(str(caught.value)) < 200
    assert "word 1" in caught.value.diagnostics()


def test_swapped_words_fail_the_checksum():
    words = BIP39[4][1].split()
    words[0], words[1] = words[1], words[0]
    with pytest.raises(PhraseChecksumError) as caught:
        UserKey.from_phrase(" ".join(words))
    assert "compare" in caught.value.diagnostics()


@given(st.text())
def test_any_text_is_a_phrase_or_a_phrase_error(text):
    with pytest.raises(PhraseError):
        UserKey.from_phrase(text)


def test_each_derivation_is_separate_from_every_other():
    key = UserKey(counting(0, 32))
    derived = set()
    for account in (ACCOUNT, OTHER_ACCOUNT):
        derived |= {
            key.derive_key_id(account),
            bytes(key.derive_wrapping_key(account).expose())[:16].hex(),
            bytes(key.derive_account_signing_key(account).expose())[:16].hex(),
        }
    assert len(derived) == 6
    assert key.derive_wrapping_key(ACCOUNT).key_id == key.derive_key_id(ACCOUNT)
    assert key.derive_wrapping_key(ACCOUNT) == key.derive_wrapping_key(ACCOUNT)


def test_the_account_signing_key_signs_what_the_verifier_accepts():
    signing_key = UserKey(counting(0, 32)).derive_account_signing_key(ACCOUNT)
    verify_signature(signing_key.public_key, b"message", signing_key.sign(b"message"))


def test_make_takes_its_bytes_from_the_operating_system(monkeypatch):
    monkeypatch.setattr("os.urandom", lambda size: counting(7, size))
    assert UserKey.make() == UserKey(counting(7, 32))
