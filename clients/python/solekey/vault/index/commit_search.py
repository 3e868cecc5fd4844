"""Finds which commit made a version, where this device has not followed that itself: in older change lists.

They are read from the newest commit down, some hundred at a time, and only as far as needed. A list that is
lost or altered shows nothing. Spec: vault.md §5.1, §11.
"""

from collections.abc import Iterator, Sequence

from solekey.errors import SwappedObjectError
from solekey.streams.streams import Streams
from solekey.transfer.objects import ObjectStore, verify_object
from solekey.vault.index.commit_follower import LISTS_AT_ONCE
from solekey_protocol.change_list import Change, parse_change_list
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import DeviceId, ItemId


class CommitSearch:
    """Searches the change lists of one account; what was found is known from then on."""

    def __init__(self, streams: Streams, objects: ObjectStore) -> None:
        self._streams = streams
        self._objects = objects
        self._made_in: dict[Change, int] = {}

    def find_commits(self, changes: Sequence[Change]) -> dict[ItemId, int]:
        """Find which commits made some live versions; what no change list shows is left out."""
        found = {change.item: self._made_in[change] for change in changes if change in self._made_in}
        unknown = {change.item: change for change in changes if change.item not in found}
        for body, listed in self._iter_lists() if unknown else ():
            for change in listed:
                if unknown.get(change.item) == change:
                    self._made_in[change] = found[change.item] = body.commit
                    del unknown[change.item]
            if not unknown:
                break
        return found

    def find_edit(self, last: Change) -> int | None:
        """Find the commit of the content that a live version has: of a re-encrypted one an earlier commit.

        Each version is looked for by its number, so that a list that is withheld hides no edit.

        Returns:
            The commit; None: the change lists do not show it.
        """
        wanted = last.version
        for body, listed in self._iter_lists():
            if any((change.item, change.version) == (last.item, wanted) for change in listed):
                if body.kind is CommitKind.DELTA:
                    return body.commit
                wanted -= 1
        return None

    def find_author(self, commit: int) -> DeviceId | None:
        """Find the device that signed a commit; None: there is no such commit."""
        events = self._streams.events(Stream.VAULT)
        for event in map(events.__getitem__, range(commit, len(events))):  # a wrap at least precedes it
            if isinstance(event.body, ItemsCommitted) and event.body.commit == commit:
                return event.signed.statement.device if event.signed else None
        return None

    def _iter_lists(self) -> Iterator[tuple[ItemsCommitted, list[Change]]]:
        """Read the change lists, the newest first; they are fetched as they are needed."""
        bodies = [
            event.body
            for event in self._streams.events(Stream.VAULT)
            if isinstance(event.body, ItemsCommitted) and event.body.kind is not CommitKind.SNAPSHOT
        ]
        for stop in range(len(bodies), 0, -LISTS_AT_ONCE):
            page = bodies[max(stop - LISTS_AT_ONCE, 0) : stop]
            lists = [
                (body, _parse_if_intact(body, data))
                for body, data in zip(page, self._objects.fetch_each([b.changes for b in page]), strict=True)
            ]
            yield from reversed(lists)


def _parse_if_intact(body: ItemsCommitted, data: bytes | None) -> list[Change]:
    try:
        return parse_change_list(verify_object(body.changes, data))
    except (SwappedObjectError, MalformedError):
        return []
