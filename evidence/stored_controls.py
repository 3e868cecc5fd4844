"""Changes a store in ways that must be noticed: the positive controls of `evidence.explained`."""

from collections.abc import Mapping

from evidence.stored import BUS, Column, Store, StoredBytes
from solekey_protocol.events import Stream
from solekey_protocol.ids import compute_digest
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS


def plant_unexplained(store: Store) -> dict[str, Store]:
    """Change a store; return what became of it, by what was done to it."""
    wrap = next(each for each in store.strings if each.column == ("vault", "wraps", "body"))
    event = next(each for each in store.strings if each.column == ("vault", "events", "raw"))
    record = next(each for each in store.strings if each.column == (BUS, TOPICS[Stream.AUTH], "value"))
    heartbeat = next(each for each in store.strings if each.column == (BUS, HEARTBEAT_TOPIC, "value"))
    (owner, digest), largest = max(store.objects.items(), key=lambda stored: len(stored[1]))
    longer = largest + b"\0"
    stranger: Column = ("vault", "notes", "body")
    return {
        "an object with one byte more, under its new digest": Store(
            store.strings,
            {**_without(store.objects, (owner, digest)), (owner, compute_digest(longer)): longer},
            store.unnamed,
        ),
        "an object of random bytes that no commit names": Store(
            store.strings, {**store.objects, (owner, compute_digest(b"?")): b"?"}, store.unnamed
        ),
        "a wrap with one bit changed": _replace(store, wrap, _flip(wrap.data)),
        "an event with a blank more": _replace(store, event, event.data.replace(b'"seq":', b'"seq": ')),
        "a column that nobody knows": Store(
            (*store.strings, StoredBytes(stranger, {}, b"plaintext")), store.objects, store.unnamed
        ),
        "a record on the bus that no table has": Store(
            (*store.strings, StoredBytes(record.column, record.row, record.data + b" ")),
            store.objects,
            store.unnamed,
        ),
        "a heartbeat that says more": _replace(
            store, heartbeat, heartbeat.data.replace(b"{", b'{"note":"plaintext",', 1)
        ),
        "a file in the object store": Store(
            store.strings, store.objects, (StoredBytes(("vault", "object store", "x"), {}, b"plaintext"),)
        ),
    }


def _without(
    objects: Mapping[tuple[str, str], bytes], place: tuple[str, str]
) -> dict[tuple[str, str], bytes]:
    return {key: data for key, data in objects.items() if key != place}


def _replace(store: Store, old: StoredBytes, data: bytes) -> Store:
    new = StoredBytes(old.column, old.row, data)
    strings = tuple(new if each is old else each for each in store.strings)
    return Store(strings, store.objects, store.unnamed)


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])
