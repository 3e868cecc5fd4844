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

from evidence.stored import BUS, Store, StoredBytes
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
from solekey_protocol.heartbeat import encode_heartbeat, parse_heartbeat
from solekey_protocol.ids import AccountId, Digest, compute_digest
from solekey_protocol.page_list import encode_page_list, parse_page_list
from solekey_protocol.services import HEARTBEAT_TOPIC
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


@dataclass(frozen=True, slots=True)
class _Known:
    """Byte strings that were explained by themselves: encoded changes, raw item ids, events of the tables."""

    changes: set[bytes]
    items: set[bytes]
    events: set[bytes]


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
    changes = [change for account in accounts.values() for change in account.changes]
    known = _Known(
        {encode_change(change) for change in changes},
        {change.item.raw for change in changes},
        {each.data for each in store.strings if each.column[1:] == ("events", "raw")},
    )
    for each in store.strings:
        if each.column != ("vault", "wraps", "body"):
            _explain(explanation, each, lambda string: _explain_column(string, known))
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


def _explain_column(each: StoredBytes, known: _Known) -> str:
    service, table, column = each.column
    if service == BUS:
        return _explain_record(each, known)
    match table, column:
        case (("events" | "inbox" | "parked"), "raw"):
            return _explain_event(parse_event(each.data))
        case "fold_snapshots", "snapshot":
            kind = FOLDS[Stream(str(each.row["stream"]))]
            _demand_same(encode_snapshot(decode_snapshot(kind, each.data)), each.data)
            return "folds of streams, encoded again to the same bytes"
        case "item_versions", "change" if each.data in known.changes:
            return "changes, as the change lists state them"
        case (("item_versions" | "item_parts"), "item") if each.data in known.items:
            return "item ids, as the change lists state them"
    if len(each.data) == _SALTS.get((table, column)):
        return "salts"
    raise UnexplainedError("nothing explains this column's bytes")


def _explain_record(each: StoredBytes, known: _Known) -> str:
    if each.column[1] == HEARTBEAT_TOPIC:
        _demand_same(encode_heartbeat(parse_heartbeat(each.data)), each.data)
        return "heartbeats on the bus, of closed schema"
    if each.data not in known.events or parse_event(each.data).account != each.row["key"]:
        raise UnexplainedError("no table has this event, or its key is another account's")
    return "records on the bus, byte for byte events of the tables"


def _explain_event(event: Event) -> str:
    return f"events of the stream {event.stream}, of closed schema, canonical"


def _demand_same(again: bytes, stored: bytes) -> None:
    if again != stored:
        raise UnexplainedError("it is not written again to the same bytes")
