"""What waits for the server in a profile: queued changes, and which commits were signed for them."""

from typing import Final

from hypothesis import strategies as st

from solekey.offline.attempts import Attempt, parse_attempts
from solekey.offline.queue_entry import QueueEntry
from solekey_protocol.encoding import encode_cbor
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import DeviceId, ItemId
from tests.system.fuzz.strategies import changes, digests, raw_ids
from tests.system.fuzz.target import Target


def _check_entry(record: bytes) -> None:
    entry = QueueEntry.parse(record)
    assert entry.encode() == record
    assert entry.change.version == entry.base_version + 1


def _check_attempts(record: bytes) -> None:
    assert encode_cbor([attempt.encode() for attempt in parse_attempts(record)]) == record


_entries = st.builds(
    lambda change, number, device, numbers: QueueEntry(
        number,
        device,
        change.item,
        change.version - 1,
        *numbers,
        epoch=change.epoch,
        header=change.header or None,
        parts=change.parts,
    ).encode(),
    changes,
    st.integers(1, 99_999_999),
    raw_ids(DeviceId),
    st.tuples(st.integers(0, 2**53 - 1), st.integers(0, 2**53 - 1)),
)
_places = st.dictionaries(
    st.integers(1, 99_999_999), st.tuples(raw_ids(ItemId), st.integers(1, 2**31 - 1)), max_size=3
)
_attempts = st.lists(st.builds(Attempt, digests, st.integers(0, 2**31 - 1), _places), max_size=3)

TARGETS: Final = (
    Target(
        "queued change",
        _entries,
        _check_entry,
        (MalformedError,),
        covers=("offline.queue_entry.QueueEntry.parse",),
    ),
    Target(
        "commits that were signed for a queue",
        _attempts.map(lambda attempts: encode_cbor([attempt.encode() for attempt in attempts])),
        _check_attempts,
        (MalformedError,),
        covers=("offline.attempts.parse_attempts",),
    ),
)
