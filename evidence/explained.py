"""Explains every byte that the server side stores, with the keys of the clients: nothing is left over.

A wrap opens with a user key to a data key; an object is a change list, a list of pages, or a part of an
envelope that opens with a data key, down to its padding; an event parses as its closed schema and is written
again to the same bytes. Whatever does not is unexplained, and fails.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from evidence.stored import Column, Store, StoredBytes
from solekey.crypto import UserKey
from solekey.crypto.data_key import DataKey
from solekey.crypto.envelope_reader import EnvelopeReader, MemorySource
from solekey.crypto.stream import ItemContext
from solekey.crypto.wrap import WrapContext, open_wrap
from solekey.errors import SolekeyError
from solekey_protocol.change_list import Change, encode_change, encode_change_list, parse_change_list
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted, KeyWrapped
from solekey_protocol.ids import AccountId, Digest, compute_digest
from solekey_protocol.page_list import encode_page_list, parse_page_list
from solekey_protocol.streams import FOLDS, decode_snapshot, encode_snapshot
from solekey_protocol.wrap import SecretKind

_SALTS: Final[Mapping[tuple[str, str], int]] = {
    ("credentials", "kdf_salt"): 16,
    ("credentials", "totp_salt"): 16,
    ("recovery_codes", "salt"): 16,
    ("pending_totp", "salt"): 16,
}
"""What a service keeps of random bytes that are public or its own, and how many they are."""


@dataclass(slots=True)
class Explanation:
    """What was explained, by kind: how many byte strings and bytes; and what was not."""

    strings: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)

    def note(self, kind: str, size: int) -> None:
        """Note that a byte string is explained."""
        self.strings[kind] += 1
        self.bytes[kind] += size

    def blame(self, place: str, size: int, why: object) -> None:
        """Note that one is not."""
        self.unexplained.append(f"{place}: {size} bytes: {why}")


class UnexplainedError(Exception):
    """Bytes are not what they would have to be."""


@dataclass(slots=True)
class _Account:
    """What the events of an account say about its bytes, and its keys."""

    id: AccountId
    wraps: dict[Digest, KeyWrapped] = field(default_factory=dict)
    commits: dict[Digest, CommitKind] = field(default_factory=dict)
    keys: dict[int, DataKey] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)


def explain(store: Store, phrases: Iterable[str]) -> Explanation:
    """Explain all byte strings. ``phrases``: the words of every user key that any user ever had."""
    explanation = Explanation()
    accounts = _read_accounts(store)
    words = list(phrases)
    for each in store.strings:
        if each.column == ("vault", "wraps", "body"):
            _explain(explanation, each, lambda string: _explain_wrap(string, accounts, words))
    for account in accounts.values():
        _explain_objects(explanation, account, store)
    encoded = {encode_change(change) for account in accounts.values() for change in account.changes}
    items = {change.item.raw for account in accounts.values() for change in account.changes}
    for each in store.strings:
        if each.column != ("vault", "wraps", "body"):
            _explain(explanation, each, lambda string: _explain_column(string, encoded, items))
    for each in store.unnamed:
        explanation.blame(each.place, len(each.data), "no row names it")
    for account_id, _ in store.objects:
        if account_id not in accounts:
            explanation.blame(f"objects of {account_id}", 0, "no event of this account")
    return explanation


def _explain(explanation: Explanation, each: StoredBytes, find_kind: Callable[[StoredBytes], str]) -> None:
    try:
        explanation.note(find_kind(each), len(each.data))
    except (UnexplainedError, ProtocolError, SolekeyError) as error:
        explanation.blame(each.place, len(each.data), error)


def _read_accounts(store: Store) -> dict[str, _Account]:
    accounts: dict[str, _Account] = {}
    for each in store.strings:
        if each.column == ("vault", "events", "raw"):
            with suppress(ProtocolError):  # blamed where columns are explained
                event = parse_event(each.data)
                _note_event(accounts.setdefault(event.account, _Account(event.account)), event)
    return accounts


def _note_event(account: _Account, event: Event) -> None:
    if isinstance(event.body, KeyWrapped):
        account.wraps[event.body.wrap] = event.body
    elif isinstance(event.body, ItemsCommitted):
        account.commits[event.body.changes] = event.body.kind


def _explain_wrap(each: StoredBytes, accounts: Mapping[str, _Account], phrases: Iterable[str]) -> str:
    account = accounts[str(each.row["account"])]
    wrapped = account.wraps.get(compute_digest(each.data))
    if wrapped is None:
        raise UnexplainedError("no event names this wrap")
    for phrase in phrases:
        with UserKey.from_phrase(phrase) as user_key:
            wrapping_key = user_key.derive_wrapping_key(account.id)
            if wrapping_key.key_id != wrapped.key_id:
                continue
            place = WrapContext(
                account.id,
                wrapped.epoch,
                wrapped.wrap_version,
                wrapped.key_id,
                SecretKind(wrapped.secret),
            )
            account.keys[wrapped.epoch] = open_wrap(wrapping_key, each.data, place)
            return "wraps, opened with the user key"
    raise UnexplainedError("no user key opens it")


def _explain_objects(explanation: Explanation, account: _Account, store: Store) -> None:
    """Explain lists first, for they say what the other objects are."""
    left = {digest: data for (owner, digest), data in store.objects.items() if owner == account.id}
    for digest, data in left.items():
        if compute_digest(data) != digest:
            explanation.blame(f"object {digest}", len(data), "not the bytes of its digest")
    for kind, digest, data in _read_lists(explanation, account, left):
        explanation.note(kind, len(data))
        del left[digest]
    lost = set(_read_lost(explanation, account, left))
    left = {digest: data for digest, data in left.items() if digest not in lost}
    explained: set[str] = set()
    for change in account.changes:
        parts = [left.get(part.digest) for part in change.parts]
        if not change.removed and all(part is not None for part in parts):
            envelope = b"".join(part for part in parts if part is not None)
            try:
                _open_envelope(account, change, envelope)
            except (OSError, UnexplainedError, SolekeyError) as error:
                explanation.blame(f"envelope of {change.item} version {change.version}", len(envelope), error)
                continue
            explained |= {part.digest for part in change.parts}
    for digest, data in left.items():
        if digest in explained:
            explanation.note(
                "parts of envelopes, opened with a data key to the last byte of padding", len(data)
            )
        else:
            explanation.blame(f"object {digest}", len(data), "no commit names it, or it does not open")


def _read_lists(
    explanation: Explanation, account: _Account, left: Mapping[str, bytes]
) -> Iterator[tuple[str, str, bytes]]:
    found: list[tuple[str, str, bytes]] = []
    for digest, commit_kind in account.commits.items():
        data = left.get(digest)
        if data is None:
            continue
        try:
            if commit_kind is CommitKind.SNAPSHOT:
                pages = parse_page_list(data)
                _demand_same(encode_page_list(pages), data)
                found.append(("lists of the pages of snapshots", digest, data))
                listed: list[str] = [page.digest for page in pages]
            else:
                listed = [digest]
            for name in listed:
                if (body := left.get(name)) is not None:
                    changes = parse_change_list(body)
                    _demand_same(encode_change_list(changes), body)
                    account.changes += changes
                    found.append(("change lists", name, body))
        except (UnexplainedError, ProtocolError) as error:
            explanation.blame(f"list {digest}", len(data), error)
    seen: set[str] = set()
    for kind, name, data in found:
        if name not in seen:
            seen.add(name)
            yield kind, name, data


def _read_lost(explanation: Explanation, account: _Account, left: Mapping[str, bytes]) -> Iterator[str]:
    """Read the change lists of commits that came too late: nothing names them; they are deleted in time."""
    parts = {part.digest for change in account.changes for part in change.parts}
    for digest, data in left.items():
        if digest not in parts:
            with suppress(ProtocolError):  # then it stays unexplained
                changes = parse_change_list(data)
                if encode_change_list(changes) == data:
                    account.changes += changes
                    explanation.note("change lists of commits that came too late, not yet deleted", len(data))
                    yield digest


def _open_envelope(account: _Account, change: Change, envelope: bytes) -> None:
    data_key = account.keys.get(change.epoch)
    if data_key is None:
        raise UnexplainedError(f"no data key of epoch {change.epoch} is left")
    context = ItemContext(account.id, change.item, change.version)
    reader = EnvelopeReader(MemorySource(envelope), data_key=data_key, context=context)
    if compute_digest(reader.header) != change.header:
        raise UnexplainedError("another header than was committed")
    reader.open_metadata()
    for _ in reader.iter_content():
        pass


def _explain_column(each: StoredBytes, encoded: set[bytes], items: set[bytes]) -> str:
    _, table, column = each.column
    match table, column:
        case (("events" | "inbox" | "parked"), "raw"):
            return _explain_event(parse_event(each.data))
        case "fold_snapshots", "snapshot":
            kind = FOLDS[Stream(str(each.row["stream"]))]
            _demand_same(encode_snapshot(decode_snapshot(kind, each.data)), each.data)
            return "folds of streams, encoded again to the same bytes"
        case "item_versions", "change" if each.data in encoded:
            return "changes, as the change lists state them"
        case (("item_versions" | "item_parts"), "item") if each.data in items:
            return "item ids, as the change lists state them"
    if len(each.data) == _SALTS.get((table, column)):
        return "salts"
    raise UnexplainedError("nothing explains this column's bytes")


def _explain_event(event: Event) -> str:
    return f"events of the stream {event.stream}, of closed schema, canonical"


def _demand_same(again: bytes, stored: bytes) -> None:
    if again != stored:
        raise UnexplainedError("it is not written again to the same bytes")


def plant_unexplained(store: Store) -> dict[str, Store]:
    """Change a store in ways that must be noticed: the positive controls of `explain`."""
    wrap = next(each for each in store.strings if each.column == ("vault", "wraps", "body"))
    event = next(each for each in store.strings if each.column == ("vault", "events", "raw"))
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
