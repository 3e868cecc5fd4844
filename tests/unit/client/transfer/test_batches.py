"""Small items are sent in batches, and the next is sealed while one is on its way."""

import os
import threading
from types import SimpleNamespace

import pytest

from solekey.crypto import ItemMetadata
from solekey.crypto.data_key import DataKey
from solekey.progress import ignore_progress
from solekey.transfer import uploader
from solekey.transfer.drafts import Put
from solekey.transfer.uploader import Uploader
from solekey_protocol.ids import ItemId
from tests.support.actors import Actor
from tests.support.keys import derive_raw

ACCOUNT = Actor("ana", "laptop").account
ITEMS = [ItemId.from_raw(derive_raw(f"item {number}")) for number in range(4)]
PUTS = [Put(item, 0, ItemMetadata("n", "text/plain", 1, 2), b"x" * 600) for item in ITEMS]
WAIT_S = 30


def upload(put_many, monkeypatch):
    monkeypatch.setattr(uploader, "_BATCH_BYTES", 1)  # a batch an item
    objects = SimpleNamespace(put_many=put_many)
    return Uploader(objects, None, ACCOUNT, os.urandom).upload(PUTS, DataKey(1, bytes(32)), ignore_progress)


def test_the_next_batch_is_sealed_while_one_is_on_its_way(monkeypatch):
    second_sealed, sent = threading.Event(), []
    seal, sealed = uploader.seal_bytes, []

    def seal_and_note(*content, **options):
        sealed.append(content)
        if len(sealed) == 2:
            second_sealed.set()
        return seal(*content, **options)

    def put_many(parts):
        assert second_sealed.wait(WAIT_S)
        sent.extend(parts)

    monkeypatch.setattr(uploader, "seal_bytes", seal_and_note)
    changes = upload(put_many, monkeypatch)
    assert [change.item for change in changes] == ITEMS
    assert sorted(map(len, sent)) == [change.size for change in changes]


def test_a_batch_that_fails_ends_the_upload(monkeypatch):
    def put_many(_):
        raise ConnectionError("away")

    with pytest.raises(ConnectionError):
        upload(put_many, monkeypatch)
