"""Records edited by hand: what an operator does to a log that was written honestly."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from solekey_protocol.encoding import encode_json
from solekey_protocol.event import Event
from solekey_protocol.ids import compute_digest
from tamper.tampering import Exhibit, honest

Edit = Callable[[dict[str, Any]], None]
"""Changes a record's document."""


def replace_record(name: str, raw: bytes) -> Exhibit:
    """Put other bytes in the place of a step's record."""
    event = honest().find(name)
    assert raw != event.raw, name  # a class that changes nothing proves nothing
    records = [raw if each is event else each.raw for each in honest().events]
    return Exhibit(records, honest().places[name])


def respell(name: str, old: bytes, new: bytes) -> Callable[[], Exhibit]:
    """Spell a part of a step's record otherwise, once."""

    def make() -> Exhibit:
        raw = honest().find(name).raw
        assert raw.count(old) >= 1, (name, old)  # a class that changes nothing proves nothing
        return replace_record(name, raw.replace(old, new, 1))

    return make


def reshape(name: str, shape: Callable[[bytes], bytes]) -> Callable[[], Exhibit]:
    """Put what becomes of a step's bytes in their place."""
    return lambda: replace_record(name, shape(honest().find(name).raw))


def edit(name: str, change: Edit, *, rehash: bool = False) -> Callable[[], Exhibit]:
    """Edit a step's record as JSON, in canonical form; with all hashes after it recomputed, if wished."""

    def make() -> Exhibit:
        document = json.loads(honest().find(name).raw)
        change(document)
        raw = encode_json(document)
        exhibit = replace_record(name, raw)
        if not rehash:
            return exhibit
        events = [(each, raw if each is honest().find(name) else each.raw) for each in honest().events]
        return Exhibit(recompute(events), exhibit.at)

    return make


def recompute(events: Sequence[tuple[Event, bytes]]) -> list[bytes]:
    """Number each stream anew and name the bytes before each record, as far as no signature is in the way.

    The place in a client's statement stays: the operator cannot sign it again.
    """
    last: dict[tuple[str, str], tuple[int, str]] = {}
    records = []
    for event, raw in events:
        document = json.loads(raw)
        stream = document["subject"], document["stream"]
        seq, prev = last.get(stream, (0, "0" * 64))
        document |= {
            "seq": seq + 1,
            "prev": prev,
            "id": f"{document['subject']}:{document['stream']}:{seq + 1}",
        }
        new = (
            raw
            if event.signed is not None and event.seq == seq + 1 and event.prev == prev
            else encode_json(document)
        )
        last[stream] = seq + 1, compute_digest(new)
        records.append(new)
    return records


def leave_out(*names: str, rehash: bool = False, at: str | None = None) -> Callable[[], Exhibit]:
    """Leave records out."""

    def make() -> Exhibit:
        gone = [honest().find(name) for name in names]
        kept = [(event, event.raw) for event in honest().events if event not in gone]
        records = recompute(kept) if rehash else [raw for _, raw in kept]
        return Exhibit(records, honest().places[at or names[0]])

    return make


def leave_out_stream(name: str) -> Callable[[], Exhibit]:
    """Leave out the whole stream of a step, which is the first of it."""

    def make() -> Exhibit:
        account, stream, _ = honest().places[name]
        kept = [each.raw for each in honest().events if (each.account, each.stream) != (account, stream)]
        return Exhibit(kept, (account, stream, 1))

    return make


def add(name: str, *more: bytes) -> Exhibit:
    """Add records to the log; at fault is the place of a step."""
    return Exhibit([*honest().records, *more], honest().places[name])


def move(first: str, second: str, *, rehash: bool) -> Callable[[], Exhibit]:
    """Have two records of one stream change places, numbered anew."""

    def make() -> Exhibit:
        one, other = honest().find(first), honest().find(second)
        swap = {one.seq: other, other.seq: one}
        order = [
            swap.get(each.seq, each) if (each.account, each.stream) == (one.account, one.stream) else each
            for each in honest().events
        ]
        if rehash:
            return Exhibit(recompute([(each, each.raw) for each in order]), honest().places[first])
        records = []
        for before, after in zip(honest().events, order, strict=True):
            document = json.loads(after.raw)
            document |= {
                "seq": before.seq,
                "prev": before.prev,
                "id": f"{before.account}:{before.stream}:{before.seq}",
            }
            records.append(encode_json(document))
        return Exhibit(records, honest().places[first])

    return make
