"""F: stored bytes beside the log: what lies in the vault, its tables and the bus must explain each other."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from solekey.audit import Pin
from solekey.audit.bundle.stored import StoredList
from solekey.audit.sources.log import Extent, Record
from solekey_protocol.change_list import Change, Part, encode_change_list
from solekey_protocol.events import vault
from solekey_protocol.ids import ItemId, compute_digest
from solekey_protocol.services import Stream
from tamper.people import Person
from tamper.stories import BEN, DESK, HOURS, Telling, tell_platform
from tamper.tampering import Exhibit, Family, Outcome
from tamper.writing import Written, moment, write
from tests.support.keys import derive_raw

STORED = Family("F", "stored bytes beside the log")
Row = dict[str, Any]
Rows = list[Row]
MADE_AT: Final = 200 * HOURS
"""When the operator lists what is stored, in seconds of the story."""
_ENVELOPE_BYTES: Final = 346  # of 256 bytes inside
_NOBODY: Final = "the store holds it, and no event is at fault"


@dataclass(frozen=True)
class StoredLog:
    """A log with a list of what services have stored."""

    events: tuple[bytes, ...]
    objects: StoredList
    name: str = "a log with what is stored"
    bus: None = None
    bundles: tuple[()] = ()

    @property
    def total(self) -> int:
        """How many records it has."""
        return len(self.events)

    def records(self, ranges: Mapping[tuple[str, int], Extent] | None = None) -> Iterator[Record]:
        """The records, in the order of writing."""
        assert ranges is None
        return (Record(raw) for raw in self.events)


def _item(label: str) -> ItemId:
    return ItemId.from_raw(derive_raw(f"item {label}"))


def _envelope(label: str) -> bytes:
    seed = hashlib.sha512(label.encode()).digest()
    return (seed * (_ENVELOPE_BYTES // len(seed) + 1))[:_ENVELOPE_BYTES]


def _change(label: str, version: int, *, removed: bool = False) -> tuple[Change, bytes]:
    body = _envelope(f"{label} {version}")
    if removed:
        return Change(_item(label), version, 0, ()), b""
    part = Part(compute_digest(body), len(body))
    return Change(_item(label), version, 1, (part,), compute_digest(body[:74])), body


_COMMITS: Final = (
    (_change("kept", 1), _change("removed", 1)),
    (_change("kept", 2), _change("removed", 2, removed=True)),
    (_change("new", 1),),
)


@dataclass(frozen=True)
class Shelf:
    """A story whose items are there, and what is stored of it."""

    written: Written
    rows: tuple[Row, ...]

    def log(self, rows: Iterable[Row], *, cut: bool = False) -> StoredLog:
        """The log with a list of these rows."""
        lines = [json.dumps(row).encode() for row in _frame(rows)]
        return StoredLog(tuple(self.written.records), StoredList(lambda: iter(lines[:-1] if cut else lines)))


def _frame(rows: Iterable[Row]) -> Iterator[Row]:
    """Make a list for each service: its head, its rows, its end."""
    kept = list(rows)
    for service in ("vault", "auth"):
        own = [row for row in kept if (row.get("stream", "vault") == "auth") == (service == "auth")]
        yield {"kind": "list", "format": "solekey-stored/v1", "service": service, "made_at": moment(MADE_AT)}
        yield from own
        yield {"kind": "end", "rows": len(own)}


@cache
def shelve() -> Shelf:
    """Somebody signs up, writes three commits and changes the user key; the vault keeps all of it."""
    telling = Telling(BEN).sign_up(0, DESK)
    objects: dict[str, bytes] = {}
    lists: set[str] = set()
    for number, commit in enumerate(_COMMITS, start=1):
        changes = [change for change, _ in commit]
        encoded = encode_change_list(changes)
        size = sum(change.size for change in changes)
        body = vault.ItemsCommitted(
            number, vault.CommitKind.DELTA, 1, compute_digest(encoded), len(changes), size
        )
        telling.add(f"commit {number}", 30 + number, body, DESK)
        objects |= {compute_digest(body): body for _, body in commit if body}
        objects[compute_digest(encoded)] = encoded
        lists.add(compute_digest(encoded))
    telling.change_key(60, "change", (0, 1), {1: 1}, (DESK,))
    written = write([*tell_platform(), *telling.steps])
    rows = [_store("object", body, is_list=digest in lists) for digest, body in objects.items()]
    rows += [_store("wrap", _wrap_bytes(BEN, version)) for version in (1, 2)]
    rows[-2]["dropped"] = True
    rows += [
        {
            "kind": "event",
            "account": event.account,
            "stream": event.stream.value,
            "seq": event.seq,
            "digest": event.digest,
        }
        for event in written.events
        if event.stream in (Stream.VAULT, Stream.AUTH)
    ]
    return Shelf(written, tuple(rows))


def _wrap_bytes(who: Person, version: int) -> bytes:
    return f"wrap 1/{version} of {who.name}".encode()


def _store(
    kind: str, body: bytes, *, is_list: bool = False, claimed: bool = True, at: float = 40, **how: object
) -> Row:
    digest = hashlib.sha256(body).hexdigest()
    row: Row = {
        "kind": kind,
        "account": BEN.account,
        "digest": digest,
        "found": digest,
        "size": len(body),
        "claimed": claimed,
        "stored_at": moment(at),
        "dropped": False,
    }
    return row | ({"content": b64encode(body).decode()} if is_list else {}) | how


def _lie(
    what: str, change: Callable[[Rows], None], at: str | None, *expects: str, cut: bool = False, **how: object
) -> None:
    """Add a class; ``at``: the step whose event is at fault."""

    def make() -> Exhibit:
        shelf = shelve()
        rows = [dict(row) for row in shelf.rows]
        change(rows)
        assert cut or rows != list(shelf.rows), what  # a class that changes nothing proves nothing
        place = shelf.written.places[at] if at else None
        return Exhibit(shelf.log(rows, cut=cut), place, {BEN.account: Pin(BEN.user_key(0).public)})

    STORED.add(what, make, *expects, **how)


def _find(rows: Rows, body: bytes) -> Row:
    digest = hashlib.sha256(body).hexdigest()
    return next(row for row in rows if row["digest"] == digest)


def _part(rows: Rows, label: str = "kept", version: int = 2) -> Row:
    return _find(rows, _envelope(f"{label} {version}"))


def _list(rows: Rows) -> Row:
    """The change list of the second commit."""
    return _find(rows, encode_change_list([change for change, _ in _COMMITS[1]]))


def _wrap(rows: Rows) -> Row:
    return _find(rows, _wrap_bytes(BEN, 2))


def _event(rows: Rows, stream: str, seq: int) -> Row:
    place = BEN.account, stream, seq
    return next(row for row in rows if (row["account"], row.get("stream"), row.get("seq")) == place)


def _add(row: Row) -> Callable[[Rows], None]:
    return lambda rows: rows.append(row)


def _exchange(rows: Rows) -> None:
    """The bytes of two parts are exchanged: both are stored, each under the other's name."""
    one, other = _part(rows), _part(rows, "new", 1)
    one["found"], other["found"] = other["found"], one["found"]


def _replace_list(rows: Rows) -> None:
    """The list under a digest is exchanged for one that removes nothing, with its very digest claimed."""
    other = encode_change_list([change for change, _ in _COMMITS[2]])
    _list(rows)["content"] = b64encode(other).decode()


# Wraps
_lie("a live wrap is not there", lambda rows: rows.remove(_wrap(rows)), "ben.change wrapped 1", "OBJ-01")
_lie(
    "a live wrap is a name only",
    lambda rows: _wrap(rows).update(found=None),
    "ben.change wrapped 1",
    "OBJ-01",
)
_lie(
    "a live wrap has a bit flipped",
    lambda rows: _wrap(rows).update(found="0" * 64),
    "ben.change wrapped 1",
    "OBJ-01",
)
_lie(
    "a live wrap waits for its deletion",
    lambda rows: _wrap(rows).update(dropped=True),
    "ben.change wrapped 1",
    "OBJ-01",
)
_lie(
    "a wrap that no event names", _add(_store("wrap", b"escrow")), None, "OBJ-04", named=False, reason=_NOBODY
)

# Change lists
_lie("a change list is not there", lambda rows: rows.remove(_list(rows)), "ben.commit 2", "OBJ-02")
_lie("a change list without its bytes", lambda rows: _list(rows).update(found=None), "ben.commit 2", "OBJ-02")
_lie(
    "a change list that is not handed over",
    lambda rows: rows[rows.index(_list(rows))].pop("content"),
    "ben.commit 2",
    "OBJ-02",
)
_lie("another change list under its digest", _replace_list, "ben.commit 2", "OBJ-02")

# Parts
_lie("a part of a live item is not there", lambda rows: rows.remove(_part(rows)), "ben.commit 2", "OBJ-03")
_lie("a part is a name only", lambda rows: _part(rows).update(found=None), "ben.commit 2", "OBJ-03")
_lie("a part has a bit flipped", lambda rows: _part(rows).update(found="0" * 64), "ben.commit 2", "OBJ-03")
_lie("a part is one byte longer", lambda rows: _part(rows).update(size=347), "ben.commit 2", "OBJ-03")
_lie("two parts are exchanged", _exchange, "ben.commit 2", "OBJ-03")
_lie(
    "a part of a live item waits for its deletion",
    lambda rows: _part(rows).update(dropped=True),
    "ben.commit 2",
    "OBJ-03",
)
_lie(
    "a part lies under another account",
    lambda rows: _part(rows).update(account=Person("ada").account),
    "ben.commit 2",
    "OBJ-03",
)

# What nothing explains
_lie(
    "a plaintext that no event explains",
    _add(_store("object", b"dear diary")),
    None,
    "OBJ-04",
    named=False,
    reason=_NOBODY,
)
_lie(
    "one that is called an upload, and is exactly 25 h old",
    _add(_store("object", b"dear diary", claimed=False, at=MADE_AT - 25 * HOURS)),
    None,
    "OBJ-04",
    named=False,
    reason=_NOBODY,
)
_lie(
    "one that is called a recent upload",
    _add(_store("object", b"dear diary", claimed=False, at=MADE_AT - 24 * HOURS)),
    None,
    "OBJ-04",
    outcome=Outcome.NOTICED,
    named=False,
    reason="an honest upload that no commit names yet looks the same; it is counted",
)
_lie(
    "one of an account that the log does not hold",
    _add(_store("object", b"dear diary") | {"account": Person("eve").account}),
    None,
    "OBJ-04",
    named=False,
    reason=_NOBODY,
)
_lie(
    "bytes in the object store that no row names",
    _add({"kind": "blob", "name": "diary.txt", "size": 10}),
    None,
    "OBJ-04",
    named=False,
    reason=_NOBODY,
)
_lie(
    "a plaintext that is called a wrap with a part's digest",
    _add(_store("wrap", _envelope("kept 2"))),
    None,
    "OBJ-04",
    named=False,
    reason=_NOBODY,
)

# Tables and bus, both ways
_lie("the table lacks an event", lambda rows: rows.remove(_event(rows, "vault", 2)), "ben.commit 1", "OBJ-05")
_lie(
    "the table has another event at its place",
    lambda rows: _event(rows, "vault", 2).update(digest="0" * 64),
    "ben.commit 1",
    "OBJ-05",
)
_lie(
    "the table of auth lacks an event",
    lambda rows: rows.remove(_event(rows, "auth", 1)),
    "ben.registered",
    "OBJ-05",
)


def _unpublished(stream: Stream, seq: int) -> Exhibit:
    """The table holds an event that the bus does not hold."""
    shelf = shelve()
    row = {"kind": "event", "account": BEN.account, "stream": stream.value, "seq": seq, "digest": "1" * 64}
    pins = {BEN.account: Pin(BEN.user_key(0).public)}
    return Exhibit(shelf.log([*shelf.rows, row]), (BEN.account, stream, seq), pins)


def _withheld(name: str) -> Exhibit:
    """The bus lacks the newest event of a stream, which the table holds."""
    shelf = shelve()
    gone = shelf.written.find(name)
    log = shelf.log(shelf.rows)
    kept = tuple(raw for raw in log.events if raw != gone.raw)
    pins = {BEN.account: Pin(BEN.user_key(0).public)}
    return Exhibit(replace(log, events=kept), shelf.written.places[name], pins)


STORED.add("the table of the vault is ahead of the bus", lambda: _unpublished(Stream.VAULT, 7), "OBJ-05")
STORED.add("the table of auth is ahead of the bus", lambda: _unpublished(Stream.AUTH, 5), "OBJ-05")
STORED.add("the bus lacks the newest fact", lambda: _withheld("ben.codes"), "OBJ-05", "CHN-03")
_lie(
    "the list ends before its end",
    list.reverse,
    None,
    "log_unreadable",
    cut=True,
    outcome=Outcome.UNREADABLE,
)
_lie(
    "a part is listed twice, first as damaged",
    lambda rows: rows.insert(0, _part(rows) | {"found": "0" * 64}),
    None,
    "log_unreadable",
    outcome=Outcome.UNREADABLE,
)
_lie(
    "an event is listed twice, first as another",
    lambda rows: rows.insert(0, _event(rows, "vault", 2) | {"digest": "0" * 64}),
    None,
    "log_unreadable",
    outcome=Outcome.UNREADABLE,
)
