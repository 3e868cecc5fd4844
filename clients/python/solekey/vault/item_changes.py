"""What has changed since an app looked last, for apps that keep a copy. Spec: item-index.md §6."""

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Final

from solekey.crypto import Confidential
from solekey.errors import SyncTokenError
from solekey.vault.commit_changes import read_changes
from solekey.vault.item_info import ItemInfo
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UnreadableItem
from solekey_protocol.encoding import encode_base64url, parse_base64url
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import ItemId

_TOKEN: Final = Struct(">BQQ16s")
_FORMAT_VERSION: Final = 1
_DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True, repr=False)
class ItemChanges(Confidential):
    """What has changed since a token.

    Attributes:
        added: items that were not there.
        changed: items with another content, name, type, tags or attributes. A re-encryption is no change.
        removed: the ids of those that are not there any more.
        unreadable: items that were added or changed and do not open.
        token: give it to the next call, in this session or any later one.
    """

    added: tuple[ItemInfo, ...]
    changed: tuple[ItemInfo, ...]
    removed: tuple[ItemId, ...]
    unreadable: tuple[UnreadableItem, ...]
    token: str


def find_changes(unlocked: UnlockedAccount, since: str | None) -> ItemChanges:
    """Find what has changed; with no token, everything is added.

    Raises:
        SyncTokenError: not a token, or one of another account or another history.
    """
    commit = 0 if since is None else _verify_token(unlocked, since)
    unlocked.directory.open_new()
    head = unlocked.index.head
    older = _read_older(unlocked, commit, head.begun) if 0 < commit < head.begun else {}
    found: dict[str, list[ItemInfo]] = {"added": [], "changed": []}
    removed: list[ItemId] = []
    closed = []
    for row in unlocked.index.find_changed(commit):
        item, live_since = row.change.item, row.live_since
        if 0 < commit < head.begun:  # what happened before the index was begun is in the change lists alone
            if row.content_in <= head.begun and item not in older:
                continue
            live_since = older.get(item, 0) if live_since <= head.begun else live_since
        if row.change.removed:
            if live_since <= commit and commit:
                removed.append(item)
        elif row.metadata:
            kind = "added" if live_since > commit else "changed"
            found[kind].append(unlocked.directory.describe(row))
        else:
            closed.append(row.change)
    token = _encode_token(unlocked)
    return ItemChanges(
        tuple(found["added"]),
        tuple(found["changed"]),
        tuple(removed),
        unlocked.unreadable.select(closed),
        token,
    )


def _read_older(unlocked: UnlockedAccount, after: int, until: int) -> Mapping[ItemId, int]:
    """Read which items changed between two commits, and since which of these each is live; 0: before."""
    bodies = [
        event.body
        for event in unlocked.streams.events(Stream.VAULT)
        if isinstance(event.body, ItemsCommitted)
        and event.body.kind is CommitKind.DELTA
        and after < event.body.commit <= until
    ]
    live_since: dict[ItemId, int] = {}
    gone: set[ItemId] = set()
    for body, encoded in zip(bodies, unlocked.objects.fetch_many([b.changes for b in bodies]), strict=True):
        for change in read_changes(body, encoded, unlocked.objects, {}):
            if change.removed:
                live_since.setdefault(change.item, 0)
                gone.add(change.item)
            elif change.item not in live_since or change.item in gone:
                is_new = change.version == 1 or change.item in gone
                live_since[change.item] = body.commit if is_new else 0
                gone.discard(change.item)
    return live_since


def _encode_token(unlocked: UnlockedAccount) -> str:
    head = unlocked.index.head
    return encode_base64url(_TOKEN.pack(_FORMAT_VERSION, head.commit, head.seq, head.digest[:_DIGEST_BYTES]))


def _verify_token(unlocked: UnlockedAccount, token: str) -> int:
    """Verify that a token is of this account's history; returns its commit. Raises SyncTokenError."""
    commit, seq, digest = parse_sync_token(token)
    events = unlocked.streams.events(Stream.VAULT)
    if (commit == 0) != (seq == 0) or seq > len(events):
        raise SyncTokenError("the token is not of this account")
    expected = bytes.fromhex(events.find_digest(seq)) if seq else bytes(_DIGEST_BYTES)
    if digest != expected[:_DIGEST_BYTES]:
        raise SyncTokenError("the token is of another account, or of another history of this one")
    return commit


def parse_sync_token(token: str) -> tuple[int, int, bytes]:
    """Parse a token: commit, seq, beginning of the event's digest. Raises SyncTokenError."""
    try:
        raw = parse_base64url(token)
    except MalformedError as error:
        raise SyncTokenError("this is no token of a sync") from error
    if len(raw) != _TOKEN.size or raw[0] != _FORMAT_VERSION:
        raise SyncTokenError("this is no token of a sync")
    _, commit, seq, digest = _TOKEN.unpack(raw)
    return commit, seq, digest
