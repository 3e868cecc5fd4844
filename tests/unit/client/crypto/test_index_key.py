"""The key of the item index, computed again from the specification: item-index.md §2."""

import hashlib
import hmac
import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from solekey.crypto import DataKey
from solekey.crypto.index_key import IndexKey
from solekey.errors import OpenError
from solekey_protocol.ids import AccountId

ACCOUNT, OTHER = AccountId.from_raw(b"account".ljust(16)), AccountId.from_raw(b"other".ljust(16))
SECRET, SALT, PLACE = bytes(range(32)), bytes(range(100, 132)), b"a place"


def make_key(*, secret: bytes = SECRET, epoch: int = 7, account: AccountId = ACCOUNT, salt: bytes = SALT):
    return IndexKey(DataKey(epoch, secret), account, salt, os.urandom)


def derive(label: bytes, size: int) -> bytes:
    info = label + b"\x00" + ACCOUNT.raw + (7).to_bytes(4, "big")
    return HKDF(SHA256(), size, SALT, info).derive(SECRET)


def test_it_is_what_the_specification_says():
    key, block = make_key(), derive(b"solekey/v1/index", 64)
    assert key.commitment == block[32:]
    sealed = key.seal(b"a row", PLACE)
    assert AESGCM(block[:32]).decrypt(sealed[:12], sealed[12:], ACCOUNT.raw + PLACE) == b"a row"
    name_key = derive(b"solekey/v1/index-names", 32)
    expected = hmac.digest(name_key, "größe".encode(), hashlib.sha256)[:16]
    assert key.derive_name_tag("größe") == expected


OTHERS = {
    "another data key": {"secret": bytes(32)},
    "another epoch": {"epoch": 8},
    "another account": {"account": OTHER},
    "another salt": {"salt": bytes(32)},
}


@pytest.mark.parametrize("other", OTHERS)
def test_each_part_of_the_context_makes_another_key(other):
    key, another = make_key(), make_key(**OTHERS[other])
    assert another.commitment != key.commitment
    assert another.derive_name_tag("a") != key.derive_name_tag("a")
    with pytest.raises(OpenError):
        another.open(key.seal(b"a row", PLACE), PLACE)


def test_a_row_opens_at_its_place_alone():
    key = make_key()
    sealed = key.seal(b"a row", PLACE)
    assert make_key().open(sealed, PLACE) == b"a row"  # the control
    for place in (b"", PLACE[:-1], PLACE + b"\x00", b"another"):
        with pytest.raises(OpenError):
            key.open(sealed, place)
    with pytest.raises(OpenError):
        key.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), PLACE)
