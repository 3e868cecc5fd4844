"""Shares: the official SLIP-39 vectors through our functions, and what people do wrong with paper."""

import itertools
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic import EncryptedMasterSecret, split_ems

from solekey.crypto import UserKey
from solekey.errors import (
    ForeignShareError,
    KitUnreadableError,
    ShareChecksumError,
    ShareCountError,
    ShareError,
    ShareLengthError,
    SharesMismatchError,
    ShareUnsupportedError,
    ShareWordError,
    TooFewSharesError,
)
from solekey.recovery.documents import read_share, write_share
from solekey.recovery.paper import Paper
from solekey.recovery.record import ShareRecord, encode_share_record
from solekey.recovery.shares import SHARE_LIST, combine_shares, parse_share, split_user_key
from tests.support.spoken_words import repeats

VECTORS = json.loads((Path(__file__).parent / "vectors" / "slip39.json").read_text())
FITTING = {20, 23, 44, 45}
"""The valid vectors of 256 bits without groups. Their passphrase is TREZOR."""


def split(user_key, threshold=2, shares=3):
    return split_user_key(user_key, threshold=threshold, shares=shares, random=os.urandom)


def number_of(vector):
    return int(vector[0].split(".")[0])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector[0])
def test_official_vectors(vector):
    """Each vector gives its secret, if it is of 256 bits and one group; every other one is refused."""
    _, mnemonics, secret, _ = vector
    if number_of(vector) in FITTING:
        found = combine_shares([parse_share(words) for words in mnemonics], passphrase=b"TREZOR")
        assert bytes(found.expose()).hex() == secret
        return
    with pytest.raises(ShareError):
        combine_shares([parse_share(words) for words in mnemonics], passphrase=b"TREZOR")


@pytest.mark.parametrize(
    ("number", "refusal"),
    [
        (21, ShareChecksumError),
        (22, ShareChecksumError),  # padding that is not zero: no share was ever written so
        (24, TooFewSharesError),
        (33, ShareUnsupportedError),
        (36, ShareUnsupportedError),
        (1, ShareLengthError),
    ],
)
def test_vectors_are_refused_for_their_own_reason(number, refusal):
    [vector] = [vector for vector in VECTORS if number_of(vector) == number]
    with pytest.raises(refusal):
        combine_shares([parse_share(words) for words in vector[1]])


def test_the_fitting_vectors_are_all_that_are_valid_and_fit():
    fitting = {number_of(vector) for vector in VECTORS if len(vector[2]) == 64 and "group" not in vector[0]}
    assert fitting == FITTING


@pytest.mark.parametrize(("threshold", "shares"), [(2, 2), (2, 3), (3, 5), (16, 16)])
def test_any_threshold_of_the_shares_gives_the_key_and_fewer_do_not(user_key, threshold, shares):
    made = split(user_key, threshold, shares)
    assert len({share.to_words() for share in made}) == shares
    for some in itertools.combinations(made, threshold):
        assert combine_shares(reversed(some)) == user_key
    for some in itertools.combinations(made, threshold - 1):
        with pytest.raises(TooFewSharesError) as refusal:
            combine_shares(some)
        assert (refusal.value.found, refusal.value.threshold) == (threshold - 1, threshold)


@settings(max_examples=10)
@given(st.binary(min_size=32, max_size=32), st.data())
def test_every_key_comes_back_from_words_in_any_spelling(secret, data):
    shares = data.draw(st.integers(2, 6))
    threshold = data.draw(st.integers(2, shares))
    made = split(UserKey(secret), threshold, shares)
    order = data.draw(st.permutations(made))
    spelt = ["\n ".join(share.to_words().upper().split()) for share in order]
    assert combine_shares([parse_share(words) for words in spelt]) == UserKey(secret)


def test_shares_of_the_same_key_differ_from_set_to_set(user_key):
    first, second = split(user_key), split(user_key)
    assert {share.to_words() for share in first}.isdisjoint(share.to_words() for share in second)


@pytest.mark.parametrize(
    ("threshold", "shares"), [(1, 1), (1, 3), (0, 2), (4, 3), (2, 17), (17, 17), (-1, 2)]
)
def test_impossible_numbers_are_refused(user_key, threshold, shares):
    with pytest.raises(ShareCountError):
        split(user_key, threshold, shares)


def test_the_same_share_twice_counts_once(user_key):
    one, two, _ = split(user_key)
    with pytest.raises(TooFewSharesError):
        combine_shares([one, one])
    assert combine_shares([one, two, one]) == user_key


def test_nothing_is_no_share():
    with pytest.raises(TooFewSharesError):
        combine_shares([])


def test_shares_of_different_sets_are_refused(user_key):
    one, two = split(user_key)[0], split(user_key)[1]
    assert one.set != two.set  # of 32,768 sets
    with pytest.raises(ForeignShareError, match=str(two.set)):
        combine_shares([one, two])


def make_forged(user_key, share):
    """A share of the same set and number with another value, and a right checksum."""
    return parse_share(replace(share.raw, value=bytes(byte ^ 1 for byte in share.raw.value)).mnemonic())


def test_a_forged_share_is_refused(user_key):
    one, two, three = split(user_key)
    with pytest.raises(SharesMismatchError):
        combine_shares([one, make_forged(user_key, two)])
    with pytest.raises(SharesMismatchError):  # also where the first ones would be enough
        combine_shares([one, three, make_forged(user_key, two)])
    with pytest.raises(ForeignShareError):
        combine_shares([one, two, make_forged(user_key, two)])
    assert combine_shares([one, two, three]) == user_key


def test_more_shares_than_enough_must_agree(user_key, monkeypatch):
    """A forger who has a share needs 2^32 attempts to get past SLIP-39's own check; here it is past."""
    from solekey.recovery import shares

    found = itertools.count()
    sealed = EncryptedMasterSecret(1, extendable=True, iteration_exponent=0, ciphertext=bytes(32))
    monkeypatch.setattr(
        shares, "recover_ems", lambda _: replace(sealed, ciphertext=bytes([next(found)]) * 32)
    )
    made = [parse_share(share.mnemonic()) for share in split_ems(1, [(2, 3)], sealed)[0]]
    combine_shares(made[:2])
    with pytest.raises(SharesMismatchError, match="same secret"):
        combine_shares(made)


def test_an_unknown_word_is_named_with_what_may_be_meant(user_key):
    words = split(user_key)[0].to_words().split()
    words[4:5] = ["academc"]
    with pytest.raises(ShareWordError) as refusal:
        parse_share(" ".join(words))
    assert (refusal.value.position, refusal.value.word) == (5, "academc")
    assert "academic" in refusal.value.suggestions
    assert "word 5" in refusal.value.diagnostics()


@pytest.mark.parametrize("place", range(1, 34))
def test_a_mistaken_word_is_noticed_wherever_it_stands(user_key, place):
    words = split(user_key)[0].to_words().split()
    words[place - 1] = next(word for word in sorted(SHARE_LIST) if word != words[place - 1])
    with pytest.raises(ShareChecksumError) as refusal:
        parse_share(" ".join(words))
    assert not repeats(" ".join(words), str(refusal.value))


@pytest.mark.parametrize("count", [0, 1, 20, 32, 34])
def test_another_number_of_words_is_refused(user_key, count):
    words = (split(user_key)[0].to_words().split() * 2)[:count]
    with pytest.raises(ShareLengthError):
        parse_share(" ".join(words))


def test_a_share_that_would_take_minutes_is_refused_at_once():
    sealed = EncryptedMasterSecret(1, extendable=True, iteration_exponent=15, ciphertext=bytes(32))
    [[share, _]] = split_ems(1, [(2, 2)], sealed)
    with pytest.raises(ShareUnsupportedError):
        parse_share(share.mnemonic())


def test_a_share_prints_nothing(user_key):
    share = split(user_key)[0]
    assert not repeats(share.to_words(), repr(share))
    assert str(share.raw.value) not in repr(share)


def make_record(kit, share, **changes):
    record = ShareRecord(kit.account, kit.key_id, kit.created, share.set, share.index, share.threshold, 3)
    return replace(record, **changes)


@pytest.mark.parametrize("paper", Paper)
def test_a_share_on_paper_is_read_back(kit, user_key, tmp_path, paper):
    for share in split(user_key):
        record = make_record(kit, share)
        path = write_share(share, record, tmp_path / f"{share.index}.pdf", paper=paper)
        assert read_share(path) == (share, record)


def test_a_share_as_text_is_read(kit, user_key, tmp_path):
    share, path = split(user_key)[0], tmp_path / "share.txt"
    path.write_text(share.to_words())
    assert read_share(path) == (share, None)
    path.write_text(f"{encode_share_record(make_record(kit, share))}\n{share.to_words()}\n")
    assert read_share(path) == (share, make_record(kit, share))


def test_a_share_under_the_name_of_another_is_refused(kit, user_key, tmp_path):
    share, path = split(user_key)[0], tmp_path / "share.txt"
    path.write_text(f"{encode_share_record(make_record(kit, share, index=2))}\n{share.to_words()}\n")
    with pytest.raises(KitUnreadableError):
        read_share(path)
    path.write_text(encode_share_record(make_record(kit, share)) + " SOLEKEY-SHARE-1{}")
    with pytest.raises(KitUnreadableError):
        read_share(path)
