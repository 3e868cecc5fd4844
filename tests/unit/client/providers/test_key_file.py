"""The key file's format: every byte is bound, and each failure has its name. Spec: key-providers.md §2."""

import struct

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from solekey import errors
from solekey.providers.key_file import KEY_FILE_BYTES, open_key_file, parse_key_file, seal_key_file
from tests.support.client.places import ADA, BOB, PASSPHRASE, make_key
from tests.support.crypto.fixtures import counting, make_salt

FIELDS = {
    "magic": (0, 4),
    "suite": (4, 1),
    "kind": (5, 1),
    "memory": (6, 4),
    "iterations": (10, 4),
    "lanes": (14, 4),
    "salt": (18, 16),
    "account": (34, 16),
    "key_id": (50, 16),
    "commitment": (66, 32),
    "ciphertext": (98, 32),
    "tag": (130, 16),
}
NAMED = (
    errors.MalformedKeyFileError,
    errors.UnsupportedFormatError,
    errors.KeyFileKdfError,
    errors.ForeignUserKeyError,
    errors.WrongPassphraseError,
    errors.TamperedKeyFileError,
)


@pytest.fixture
def sealed(quick_argon2) -> bytes:
    return seal_key_file(make_key(), ADA, PASSPHRASE, make_salt)


def put(data: bytes, field: str, value: bytes) -> bytes:
    start, size = FIELDS[field]
    assert len(value) == size
    return data[:start] + value + data[start + size :]


def flip(data: bytes, field: str) -> bytes:
    start, size = FIELDS[field]
    return data[: start + size - 1] + bytes([data[start + size - 1] ^ 1]) + data[start + size :]


def test_real_parameters_open_what_they_sealed():
    data = seal_key_file(make_key(), ADA, PASSPHRASE, make_salt)
    assert open_key_file(data, ADA, PASSPHRASE) == make_key()
    with pytest.raises(errors.WrongPassphraseError):
        open_key_file(data, ADA, PASSPHRASE + "!")


def test_the_fields_are_where_the_spec_says(sealed):
    assert len(sealed) == KEY_FILE_BYTES == sum(size for _, size in FIELDS.values())
    parts = {name: sealed[start : start + size] for name, (start, size) in FIELDS.items()}
    assert parts["magic"] == b"SKF1"
    assert (parts["suite"], parts["kind"]) == (b"\x01", b"\x01")
    assert struct.unpack(">III", sealed[6:18]) == (65536, 3, 4)
    assert parts["salt"] == make_salt(16)
    assert parts["account"] == ADA.raw
    assert parts["key_id"].hex() == make_key().derive_key_id(ADA)
    header = parse_key_file(sealed)
    assert (header.account, header.key_id) == (ADA, make_key().derive_key_id(ADA))


@pytest.mark.parametrize(
    ("field", "error"),
    [
        ("magic", errors.UnsupportedFormatError),  # its last byte is the format version
        ("suite", errors.UnsupportedFormatError),
        ("kind", errors.UnsupportedFormatError),
        ("account", errors.ForeignUserKeyError),
        ("salt", errors.WrongPassphraseError),
        ("key_id", errors.WrongPassphraseError),
        ("memory", errors.WrongPassphraseError),
        ("commitment", errors.WrongPassphraseError),
        ("ciphertext", errors.TamperedKeyFileError),
        ("tag", errors.TamperedKeyFileError),
    ],
)
def test_a_flipped_bit_is_refused_under_its_name(sealed, field, error):
    assert open_key_file(sealed, ADA, PASSPHRASE) == make_key()  # positive control
    with pytest.raises(error):
        open_key_file(flip(sealed, field), ADA, PASSPHRASE)


def test_an_altered_header_looks_like_a_wrong_passphrase(sealed):
    """The page says that nobody can tell them apart; so do class and message."""
    failures = []
    for data, passphrase in ((sealed, "another passphrase"), (flip(sealed, "salt"), PASSPHRASE)):
        with pytest.raises(errors.WrongPassphraseError) as caught:
            open_key_file(data, ADA, passphrase)
        failures.append(str(caught.value))
    assert failures[0] == failures[1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory", 65535),
        ("memory", 0),
        ("memory", 2**20 + 1),
        ("memory", 2**32 - 1),
        ("iterations", 2),
        ("iterations", 17),
        ("iterations", 2**32 - 1),
        ("lanes", 3),
        ("lanes", 17),
    ],
)
def test_cost_outside_of_floor_and_ceiling_is_refused_before_it_is_paid(sealed, monkeypatch, field, value):
    from solekey.crypto import login_key

    monkeypatch.setattr(login_key, "Argon2id", lambda **_: pytest.fail("the passphrase was stretched"))
    with pytest.raises(errors.KeyFileKdfError):
        open_key_file(put(sealed, field, value.to_bytes(4, "big")), ADA, PASSPHRASE)


def test_another_account_is_refused_before_the_passphrase_is_used(sealed, monkeypatch):
    from solekey.crypto import login_key

    monkeypatch.setattr(login_key, "Argon2id", lambda **_: pytest.fail("the passphrase was stretched"))
    with pytest.raises(errors.ForeignUserKeyError):
        open_key_file(sealed, BOB, PASSPHRASE)


def test_a_file_rewritten_for_another_account_does_not_open(sealed):
    with pytest.raises(errors.WrongPassphraseError):
        open_key_file(put(sealed, "account", BOB.raw), BOB, PASSPHRASE)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 97, 98, 145, 147, 4096])
def test_another_length_is_no_key_file(sealed, size):
    with pytest.raises(errors.MalformedKeyFileError):
        open_key_file((sealed * 30)[:size], ADA, PASSPHRASE)


def test_a_passphrase_is_the_same_however_it_was_typed(quick_argon2):
    composed, decomposed = "caf\u00e9 au lait noir", "cafe\u0301 au lait noir"
    data = seal_key_file(make_key(), ADA, composed, make_salt)
    assert open_key_file(data, ADA, decomposed) == make_key()


@pytest.mark.parametrize("passphrase", ["", "elevenchars", "\ud800" * 12])
def test_a_weak_or_unreadable_new_passphrase_is_refused(quick_argon2, passphrase):
    with pytest.raises(errors.WeakPassphraseError):
        seal_key_file(make_key(), ADA, passphrase, make_salt)


def test_an_unreadable_passphrase_opens_nothing(sealed):
    with pytest.raises(errors.WrongPassphraseError):
        open_key_file(sealed, ADA, "\ud800" * 12)


def test_a_fresh_salt_makes_another_file(quick_argon2):
    first, second = (
        seal_key_file(make_key(), ADA, PASSPHRASE, lambda size, start=start: counting(start, size))
        for start in (1, 2)
    )
    for name, (start, size) in FIELDS.items():
        same = first[start : start + size] == second[start : start + size]
        assert same == (name not in {"salt", "commitment", "ciphertext", "tag"})


ANYWHERE = st.integers(0, KEY_FILE_BYTES - 1)
MUTATIONS = st.one_of(
    st.tuples(st.just("change"), ANYWHERE, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("cut"), ANYWHERE, st.just(b"")),
    st.tuples(st.just("insert"), ANYWHERE, st.binary(min_size=1, max_size=200)),
    st.tuples(st.just("replace"), st.just(0), st.binary(max_size=300)),
    st.tuples(st.just("keep the head"), st.just(0), st.binary(min_size=140, max_size=140)),
)


def mutate(sealed: bytes, kind: str, at: int, with_: bytes) -> bytes:
    match kind:
        case "change":
            return (sealed[:at] + with_ + sealed[at + len(with_) :])[:KEY_FILE_BYTES]
        case "cut":
            return sealed[:at]
        case "insert":
            return sealed[:at] + with_ + sealed[at:]
        case "keep the head":
            return sealed[:6] + with_
        case _:
            return with_


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutation=MUTATIONS)
def test_mutations_only_ever_raise_the_named_errors(sealed, mutation):
    mutated = mutate(sealed, *mutation)
    assume(mutated != sealed)
    with pytest.raises(NAMED):
        open_key_file(mutated, ADA, PASSPHRASE)


def test_the_commitment_is_what_tells_a_wrong_passphrase(sealed, monkeypatch):
    """Positive control: without the comparison, a wrong passphrase would be called tampering."""
    from solekey.providers import key_file

    monkeypatch.setattr(key_file.hmac, "compare_digest", lambda *_: True)
    with pytest.raises(errors.TamperedKeyFileError):
        open_key_file(sealed, ADA, "another passphrase")
