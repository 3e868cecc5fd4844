"""Which items live, in which version, made of which parts: folded from the signed commits' change lists.

It begins at the newest snapshot, or at what this device has folded before, and checks each step: a version
follows the one before it, and a snapshot states what lives.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from solekey.errors import ChangeListError, ForgedEventError, SwappedObjectError
from solekey.files.private_folder import PrivateFolder
from solekey.streams.streams import Streams
from solekey.vault.objects import ObjectStore, verify_object
from solekey_protocol.change_list import Change, encode_change_list, parse_change_list
from solekey_protocol.encoding import Cbor, encode_cbor, parse_cbor
from solekey_protocol.errors import MalformedError
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import Digest, ItemId
from solekey_protocol.limits import MAX_PART_BYTES, MIB

_FILE: Final = "items.cbor"
_FORMAT_VERSION: Final = 1
_LISTS_AT_ONCE: Final = 64
"""Change lists that are fetched together to find where an item comes from."""


class ItemIndex:
    """The live items as of a commit."""

    def __init__(self, streams: Streams, objects: ObjectStore, folder: PrivateFolder) -> None:
        self._streams = streams
        self._objects = objects
        self._folder = folder
        self._items: dict[ItemId, Change] = {}
        self._content_since: dict[ItemId, int] = {}
        self._made_in: dict[ItemId, int] = {}  # commit of the live version, where it is known
        self._commit = 0
        self._followed = 0  # seq in the vault stream
        self._load()

    @property
    def items(self) -> Mapping[ItemId, Change]:
        """The live items."""
        return self._items

    @property
    def commit(self) -> int:
        """The last commit that was followed."""
        return self._commit

    def content_since(self, item: ItemId) -> int:
        """The oldest version known here that holds the same content as the live one: a rekey changes none."""
        return self._content_since.get(item, self._items[item].version)

    def find_commits(self, changes: Sequence[Change]) -> dict[ItemId, int]:
        """Find which commits made some live versions; what no change list shows is left out.

        Older change lists are fetched only for what this device has not followed itself.
        """
        unknown = {change.item: change for change in changes if change.item not in self._made_in}
        bodies = [
            event.body
            for event in self._streams.events(Stream.VAULT)
            if isinstance(event.body, ItemsCommitted) and event.body.kind is not CommitKind.SNAPSHOT
        ]
        for start in range(len(bodies), 0, -_LISTS_AT_ONCE):
            if not unknown:
                break
            page = bodies[max(start - _LISTS_AT_ONCE, 0) : start]
            for body, data in zip(page, self._objects.fetch_each([b.changes for b in page]), strict=True):
                for change in _parse_if_intact(body, data):
                    if unknown.get(change.item) == change:
                        self._made_in[change.item] = body.commit
                        del unknown[change.item]
        return {change.item: self._made_in[change.item] for change in changes if change.item in self._made_in}

    def catch_up(self, own: Mapping[Digest, bytes] = MappingProxyType({})) -> None:
        """Follow the commits that are verified and not followed yet.

        Args:
            own: change lists that this device has made, which need not be fetched.

        Raises:
            ChangeListError: a change list is lost, or not what its commit names. It concerns every item.
            ForgedEventError: a change list breaks the rules.
        """
        new = self._find_new()
        lists = self._objects.fetch_each([body.changes for _, body in new if body.changes not in own])
        for event, body in new:
            self._follow(body, own[body.changes] if body.changes in own else _verify_list(event, body, lists))
            self._followed = event.seq
        if new:
            self._save()

    def _find_new(self) -> list[tuple[Event, ItemsCommitted]]:
        events = self._streams.events(Stream.VAULT)[self._followed :]
        new = [(event, event.body) for event in events if isinstance(event.body, ItemsCommitted)]
        if self._commit == 0:  # nothing to compare with: what came before the newest snapshot is not needed
            kinds = [body.kind for _, body in new]
            if CommitKind.SNAPSHOT in kinds:
                new = new[len(kinds) - 1 - kinds[::-1].index(CommitKind.SNAPSHOT) :]
        return new

    def _follow(self, body: ItemsCommitted, data: bytes) -> None:
        try:
            changes = parse_change_list(data)
        except MalformedError as error:
            raise ForgedEventError(f"commit {body.commit}: {error}") from error
        if len(changes) != body.count:
            raise ForgedEventError(f"commit {body.commit} says {body.count} changes, it has {len(changes)}")
        if body.kind is CommitKind.SNAPSHOT:
            self._follow_snapshot(body.commit, {change.item: change for change in changes})
        else:
            for change in changes:
                self._follow_change(body, change)
        self._commit = body.commit

    def _follow_snapshot(self, commit: int, snapshot: dict[ItemId, Change]) -> None:
        if self._commit and snapshot != self._items:
            raise ForgedEventError(f"commit {commit}: the snapshot is not what lives")
        self._items = snapshot
        self._made_in = {item: self._made_in[item] for item in self._made_in if item in snapshot}

    def _follow_change(self, body: ItemsCommitted, change: Change) -> None:
        before = self._items.get(change.item)
        if before is not None and change.version != before.version + 1:
            raise ForgedEventError(f"commit {body.commit}: {change.item} skips a version")
        if change.removed:
            self._items.pop(change.item, None)
            self._made_in.pop(change.item, None)
        elif change.epoch != body.epoch:
            raise ForgedEventError(f"commit {body.commit}: {change.item} is under another epoch")
        else:
            self._items[change.item] = change
            self._made_in[change.item] = body.commit
            if body.kind is CommitKind.REKEY and before is not None:
                self._content_since.setdefault(change.item, before.version)
            else:
                self._content_since[change.item] = change.version

    def _load(self) -> None:
        """Take up what was folded before, if it belongs to the verified stream; else fold anew."""
        stored = self._folder.read(_FILE)
        if stored is None:
            return
        try:
            document = parse_cbor(stored, max_bytes=MAX_PART_BYTES + MIB)
            match document:
                case [version, int(commit), int(seq), bytes(digest), bytes(changes)] if (
                    version == _FORMAT_VERSION
                ):
                    items = {change.item: change for change in parse_change_list(changes)}
                case _:
                    return
        except MalformedError:
            return
        events = self._streams.events(Stream.VAULT)
        if 1 <= seq <= len(events) and events[seq - 1].digest == digest.hex():
            self._items, self._commit, self._followed = items, commit, seq

    def _save(self) -> None:
        head = self._streams.events(Stream.VAULT)[self._followed - 1]
        changes = encode_change_list(list(self._items.values()))
        row: list[Cbor] = [_FORMAT_VERSION, self._commit, self._followed, bytes.fromhex(head.digest), changes]
        self._folder.write(_FILE, encode_cbor(row))


def _verify_list(event: Event, body: ItemsCommitted, lists: Iterator[bytes | None]) -> bytes:
    """Take the next change list. Raises ChangeListError, which names the commit and who signed it."""
    try:
        return verify_object(body.changes, next(lists))
    except SwappedObjectError as error:
        device = event.signed.statement.device if event.signed else "nobody"
        raise ChangeListError(
            f"the change list of commit {body.commit} by {device} is damaged: {error}. "
            "Which items there are from that commit on cannot be known here"
        ) from error


def _parse_if_intact(body: ItemsCommitted, data: bytes | None) -> list[Change]:
    try:
        return parse_change_list(verify_object(body.changes, data))
    except (SwappedObjectError, MalformedError):
        return []
