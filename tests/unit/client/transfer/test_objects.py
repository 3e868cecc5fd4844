"""Objects are what their digests name; of a range the length is, and of a whole in its place the digest."""

from types import SimpleNamespace

import pytest

from solekey.connection.transport import Answer
from solekey.errors import BadAnswerError, LostObjectError, NotFoundError, SolekeyError, SwappedObjectError
from solekey.transfer.objects import ObjectStore, verify_object
from solekey_protocol.encoding import Cbor, encode_cbor
from solekey_protocol.ids import compute_digest

DATA, OTHER = bytes(range(100)), bytes(range(100, 200))
DIGEST = compute_digest(DATA)
OFFSET, LENGTH = 10, 20
RANGE = DATA[OFFSET : OFFSET + LENGTH]


def make_store(status: int, body: bytes) -> ObjectStore:
    """A store whose vault answers everything alike."""

    def call(*_: object, **__: object) -> Answer:
        if status == 404:
            raise NotFoundError("not_found", 404, {})
        return Answer(status, {}, body)

    return ObjectStore(SimpleNamespace(call=call, is_offline=False))


@pytest.mark.parametrize(("status", "body"), [(206, RANGE), (200, DATA)], ids=["range", "whole"])
def test_control_a_range_or_the_whole_is_an_answer(status: int, body: bytes) -> None:
    assert make_store(status, body).fetch_range(DIGEST, OFFSET, LENGTH) == RANGE


OTHER_ANSWERS: dict[str, tuple[int, bytes, type[SolekeyError]]] = {
    "a shorter range": (206, RANGE[:-1], SwappedObjectError),
    "a longer range": (206, RANGE + b"x", SwappedObjectError),
    "the whole as the range": (206, DATA, SwappedObjectError),
    "an empty range": (206, b"", SwappedObjectError),
    "the range as the whole": (200, RANGE, SwappedObjectError),
    "another object": (200, OTHER, SwappedObjectError),
    "more than the whole": (200, DATA + b"x", SwappedObjectError),
    "nothing": (404, b"", LostObjectError),
}


@pytest.mark.parametrize("answer", OTHER_ANSWERS)
def test_another_answer_to_a_range_is_refused(answer: str) -> None:
    status, body, error = OTHER_ANSWERS[answer]
    with pytest.raises(error):
        make_store(status, body).fetch_range(DIGEST, OFFSET, LENGTH)


def test_other_bytes_under_a_digest_are_refused_in_every_way() -> None:
    assert make_store(200, DATA).fetch(DIGEST) == DATA
    assert verify_object(DIGEST, DATA) == DATA
    with pytest.raises(SwappedObjectError):
        make_store(200, OTHER).fetch(DIGEST)
    with pytest.raises(LostObjectError):
        verify_object(DIGEST, None)


def fetch_many(objects: Cbor) -> list[bytes]:
    store = make_store(200, encode_cbor({"objects": objects}))
    return list(store.fetch_many([DIGEST, compute_digest(OTHER)]))


def test_many_are_verified_one_by_one() -> None:
    assert fetch_many([DATA, OTHER]) == [DATA, OTHER]
    for swapped in ([OTHER, DATA], [DATA, DATA], [DATA, OTHER[:-1]]):
        with pytest.raises(SwappedObjectError):
            fetch_many(list[Cbor](swapped))
    with pytest.raises(LostObjectError):
        fetch_many([DATA, None])
    for objects in ([], [DATA, OTHER, DATA], ["text", DATA]):
        with pytest.raises(BadAnswerError):
            fetch_many(list[Cbor](objects))
