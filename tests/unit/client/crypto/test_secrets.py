"""Secrets print nothing, do not travel, and can be wiped."""

import copy
import json
import logging
import os
import pickle
import traceback

import pytest

from solekey.crypto import DataKey, SecretBytes, SoftwareDeviceKey, UserKey
from solekey.errors import WipedSecretError

CANARY = bytes(range(0x90, 0xB0))
SECRETS = [
    SecretBytes(CANARY),
    UserKey(CANARY),
    DataKey(1, CANARY),
    SoftwareDeviceKey(CANARY),
]


@pytest.fixture(params=SECRETS, ids=lambda secret: type(secret).__name__)
def secret(request):
    return request.param


def test_prints_only_redacted(secret, caplog):
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r", secret, secret)
    printed = [repr(secret), str(secret), f"{secret}", f"{[secret]}", caplog.text]
    for text in printed:
        assert "<redacted>" in text
        assert CANARY.hex() not in text
        assert repr(CANARY)[2:-1] not in text


def test_the_redaction_check_would_see_a_leak():
    assert CANARY.hex() in f"{CANARY.hex()}"
    assert repr(CANARY)[2:-1] in repr([CANARY])


def test_a_traceback_with_the_secret_in_it_stays_redacted(secret):
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError(secret)
    text = "".join(traceback.format_exception(caught.value))
    assert "<redacted>" in text
    assert repr(CANARY)[2:-1] not in text


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_refuses_pickling(secret, protocol):
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        pickle.dumps(secret, protocol)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_refuses_copying(secret, duplicate):
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        duplicate(secret)


def test_is_no_json_no_dictionary_key_and_has_no_dict(secret):
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError, match="unhashable"):
        hash(secret)
    assert not hasattr(secret, "__dict__")


def test_equality_needs_the_same_type_and_bytes():
    assert UserKey(CANARY) == UserKey(CANARY)
    assert UserKey(CANARY) != UserKey(os.urandom(32))
    assert UserKey(CANARY) != SoftwareDeviceKey(CANARY)
    assert UserKey(CANARY) != CANARY
    assert DataKey(1, CANARY) == DataKey(1, CANARY)
    assert DataKey(1, CANARY) != DataKey(2, CANARY)
    assert DataKey(1, CANARY) != CANARY


def test_the_end_of_the_block_wipes_the_buffer():
    with UserKey(CANARY) as key:
        view = key.expose()
        assert view == CANARY
    assert view == bytes(32)
    with pytest.raises(WipedSecretError):
        key.expose()
    with pytest.raises(WipedSecretError):
        key.to_phrase()


def test_an_exposed_view_cannot_be_written():
    with pytest.raises(TypeError):
        UserKey(CANARY).expose()[0] = 0


@pytest.mark.parametrize("size", [0, 31, 33])
def test_refuses_another_size_without_showing_the_bytes(size):
    with pytest.raises(ValueError, match=f"UserKey needs 32 bytes, got {size}"):
        UserKey(bytes(size))


def test_a_data_key_takes_its_bytes_from_the_source():
    assert DataKey.make(3, lambda size: CANARY[:size]) == DataKey(3, CANARY)


@pytest.mark.parametrize("epoch", [-1, 0, 2**31])
def test_a_data_key_refuses_epochs_outside_the_limits(epoch):
    with pytest.raises(ValueError, match="epoch"):
        DataKey(epoch, CANARY)
