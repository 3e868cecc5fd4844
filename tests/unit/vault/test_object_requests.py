"""Objects: whose they are, many at once, parts of them."""

import json
from dataclasses import replace

import pytest

from solekey_protocol.encoding import parse_cbor
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import compute_digest
from solekey_protocol.limits import MAX_BATCH_OBJECTS, MAX_PART_BYTES
from solekey_service.refusals import BadRequest
from tests.support.content import change_of
from tests.unit.vault.vault_rig import ITEM, LAPTOP, STRANGER


def test_objects_belong_to_one_account(vault):
    vault.commit(change_of(ITEM, 1))
    digest = change_of(ITEM, 1).parts[0].digest
    answer = vault.api.post_missing(STRANGER.request({"digests": [digest]}))
    assert json.loads(answer.body) == {"missing": [digest]}
    assert parse_cbor(vault.api.get_wraps(STRANGER.request(method="GET")).body, max_bytes=99) == {"wraps": []}


def test_batches(vault):
    bodies = [b"a", b"b" * 70_000, b"c"]
    answer = vault.api.post_objects(LAPTOP.cbor_request({"objects": bodies}))
    assert json.loads(answer.body) == {"stored": 3}
    again = vault.api.post_objects(LAPTOP.cbor_request({"objects": [*bodies, b"d"]}))
    assert json.loads(again.body) == {"stored": 1}
    assert vault.has(*bodies, b"d", b"e") == [True, True, True, True, False]
    for wrong in ({}, {"objects": ["text"]}, {"objects": [b""]}, {"objects": [], "more": 1}, [b"a"]):
        with pytest.raises(BadRequest):
            vault.api.post_objects(LAPTOP.cbor_request(wrong))
    with pytest.raises(BadRequest):
        vault.api.post_objects(LAPTOP.cbor_request({"objects": [b"x"] * (MAX_BATCH_OBJECTS + 1)}))
    cut = replace(LAPTOP.cbor_request({"objects": bodies}), body=b"\xa1gobjects\x83Aa")
    with pytest.raises(MalformedError):
        vault.api.post_objects(cut)
    for wrong in ({"digests": []}, {"digests": "0"}, {"digests": ["0" * 64] * (MAX_BATCH_OBJECTS + 1)}):
        with pytest.raises(BadRequest):
            vault.api.post_missing(LAPTOP.request(wrong))
    with pytest.raises(MalformedError):
        vault.api.post_missing(LAPTOP.request({"digests": ["x"]}))
    for wrong in (0, -1, True, "9", MAX_PART_BYTES + 1):
        with pytest.raises(BadRequest):
            vault.api.post_fetch(LAPTOP.request({"digests": ["0" * 64], "max_bytes_each": wrong}))


def test_a_fetch_stops_where_an_answer_is_full(vault):
    bodies = [bytes([n]) * (3 * 1024 * 1024) for n in range(4)]
    vault.put(*bodies)
    digests = [compute_digest(body) for body in bodies]
    answer = vault.api.post_fetch(LAPTOP.request({"digests": digests}))
    assert parse_cbor(answer.body, max_bytes=2**24)["objects"] == bodies[:2]


def test_ranges(vault):
    body = bytes(range(256)) * 400
    vault.put(body)
    digest = compute_digest(body)

    def get(text):
        return vault.api.get_object(LAPTOP.request(method="GET", headers={"Range": text}), digest)

    answer = get("bytes=10-19")
    assert (answer.status, answer.body) == (206, body[10:20])
    assert answer.headers["Content-Range"] == f"bytes 10-19/{len(body)}"
    assert get("bytes=-5").body == body[-5:]
    assert get(f"bytes={len(body) - 3}-").body == body[-3:]
