"""Which items live, in which version, made of which parts: folded from the signed commits' change lists.

It begins at the newest snapshot, or at what this device has folded before, and checks each step: a version
follows the one before it, and a snapshot states what lives.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from solekey.errors import ChangeListError, ForgedEventError, SwappedObjectError
from solekey.files.private_folder import PrivateFolder
from solekey.streams.streams import Streams
from solekey.transfer.objects import ObjectStore, verify_object
from solekey.vault.commit_changes import read_changes
from solekey_protocol.change_list import Change, encode_change_list, parse_change_list
from solekey_protocol.encoding import Cbor, encode_cbor, parse_cbor
from solekey_protocol.errors import MalformedError, TransitionError
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import Digest, ItemId
from solekey_protocol.items import Items
from solekey_protocol.limits import MAX_PART_BYTES

_FILE: Final = "items.cbor"
_FORMAT_VERSION: Final = 2
_MAX_FILE_BYTES: Final = 2 * MAX_PART_BYTES
_LISTS_AT_ONCE: Final = 64
"""Change lists that are fetched together to find where an item comes from."""


class ItemIndex:
    """The live items as of a commit."""

    def __init__(self, streams: Streams, objects: ObjectStore, folder: PrivateFolder) -> None:
        self._streams = streams
        self._objects = objects
        self._folder = folder
        self._items = Items()
        self._content_since: dict[ItemId, int] = {}
        self._made_in: dict[ItemId, int] = {}  # commit of the live version, where it is known
        self._followed = 0  # seq in the vault stream
        self._load()

    @property
    def items(self) -> Mapping[ItemId, Change]:
        """The live items."""
        return self._items.live

    @property
    def newest(self) -> Mapping[ItemId, Change]:
        """Each item's newest version, removals included: what a snapshot states."""
        return self._items.newest

    @property
    def commit(self) -> int:
        """The last commit that was followed."""
        return self._items.commit

    def content_since(self, item: ItemId) -> int:
        """The oldest version known here that holds the same content as the live one: a rekey changes none."""
        return self._content_since.get(item, self._items.live[item].version)

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
        """Follow the commits that are verified and not followed yet; without the server it stays as it is.

        Args:
            own: change lists that this device has made, which need not be fetched.

        Raises:
            ChangeListError: a change list is lost, or not what its commit names. It concerns every item.
            ForgedEventError: a change list breaks the rules.
        """
        new = [] if self._objects.is_offline else self._find_new()
        lists = self._objects.fetch_each([body.changes for _, body in new if body.changes not in own])
        for event, body in new:
            with _naming_commit(event, body):
                data = own.get(body.changes) or verify_object(body.changes, next(lists))
                self._follow(body, data, own)
            self._followed = event.seq
        if new:
            self._save()

    def _find_new(self) -> list[tuple[Event, ItemsCommitted]]:
        events = self._streams.events(Stream.VAULT)[self._followed :]
        new = [(event, event.body) for event in events if isinstance(event.body, ItemsCommitted)]
        if (
            self._items.commit == 0
        ):  # nothing to compare with: what came before the newest snapshot is not needed
            kinds = [body.kind for _, body in new]
            if CommitKind.SNAPSHOT in kinds:
                new = new[len(kinds) - 1 - kinds[::-1].index(CommitKind.SNAPSHOT) :]
        return new

    def _follow(self, body: ItemsCommitted, data: bytes, own: Mapping[Digest, bytes]) -> None:
        before = dict(self._items.live) if body.kind is CommitKind.REKEY else {}
        try:
            changes = read_changes(body, data, self._objects, own)
            self._items.follow(body, changes)
        except (MalformedError, TransitionError) as error:
            raise ForgedEventError(f"commit {body.commit}: {error}") from error
        if body.kind is CommitKind.SNAPSHOT:
            return
        for change in changes:
            self._made_in[change.item] = body.commit
            if body.kind is CommitKind.REKEY:
                self._content_since.setdefault(change.item, before[change.item].version)
            else:
                self._content_since[change.item] = change.version

    def _load(self) -> None:
        """Take up what was folded before, if it belongs to the verified stream; else fold anew."""
        stored = self._folder.read(_FILE)
        if stored is None:
            return
        try:
            document = parse_cbor(stored, max_bytes=_MAX_FILE_BYTES)
            match document:
                case [version, int(commit), int(seq), bytes(digest), bytes(encoded), [*made_in]] if (
                    version == _FORMAT_VERSION
                ):
                    changes = parse_change_list(encoded)
                    commits = _parse_commits(made_in, len(changes), commit)
                case _:
                    return
        except MalformedError:
            return
        events = self._streams.events(Stream.VAULT)
        if 1 <= seq <= len(events) and events[seq - 1].digest == digest.hex():
            self._items, self._followed = Items(changes, commit), seq
            self._made_in = {change.item: made for change, made in zip(changes, commits, strict=True) if made}

    def _save(self) -> None:
        head = self._streams.events(Stream.VAULT)[self._followed - 1]
        changes = sorted(self._items.newest.values(), key=lambda change: change.item.raw)
        row: list[Cbor] = [
            _FORMAT_VERSION,
            self._items.commit,
            self._followed,
            bytes.fromhex(head.digest),
            encode_change_list(changes),
            [self._made_in.get(change.item, 0) for change in changes],
        ]
        self._folder.write(_FILE, encode_cbor(row))


@contextmanager
def _naming_commit(event: Event, body: ItemsCommitted) -> Iterator[None]:
    """Name the commit, and who signed it, where its change list is not there. Raises ChangeListError."""
    try:
        yield
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


def _parse_commits(rows: list[Cbor], count: int, last: int) -> list[int]:
    commits = [row for row in rows if isinstance(row, int) and not isinstance(row, bool) and 0 <= row <= last]
    if len(commits) != count or len(rows) != count:
        raise MalformedError("expected the commit of each item")
    return commits
