"""Follows commits into the index file, in groups of one transaction each, and checks every step.

A version follows the one before it, and a snapshot states what there is. What this device has sealed itself,
or opens while it follows, is written with what it is called; everything else is opened later.
Spec: item-index.md §4.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final

from solekey.crypto import ItemMetadata
from solekey.errors import ChangeListError, ForgedEventError, SolekeyError, SwappedObjectError
from solekey.streams.streams import Streams
from solekey.transfer.objects import ObjectStore, verify_object
from solekey.vault.commit_changes import read_changes
from solekey.vault.index.index_file import IndexFile
from solekey.vault.index.index_keeping import IndexKeeping
from solekey.vault.index.index_writer import IndexWriter
from solekey.vault.index.rows import IndexRow
from solekey_protocol.change_list import Change
from solekey_protocol.errors import MalformedError, TransitionError
from solekey_protocol.event import Event
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import Digest
from solekey_protocol.items import verify_change, verify_totals, verify_version

LISTS_AT_ONCE: Final = 64
_CHANGES_AT_ONCE: Final = 4000
"""Change lists, and changes, that are followed in one transaction."""
Commit = tuple[Event, ItemsCommitted]
Opened = tuple[Change, ItemMetadata, int | None]
"""What was opened of a version: its metadata, and the size of its content where that is known."""
OpenAhead = Callable[[Sequence[Change]], Iterable[Opened]]
"""Begins to open versions that are about to be followed; leaves out what does not open."""
OnWritten = Callable[[int, Opened], None]
"""Told the tag of each row that is written with what was opened of it."""


def ignore_written(tag: int, opened: Opened) -> None:
    """Take no notice of what is written."""


@dataclass(frozen=True, slots=True)
class _ReadGroup:
    """Commits whose change lists were read, and what is being opened of them.

    Attributes:
        intact: the commits, each with its changes.
        opened: what opens of them; the first of it is on its way.
        error: why the next commit cannot be followed.
    """

    intact: Sequence[tuple[Event, ItemsCommitted, Sequence[Change]]]
    opened: Iterable[Opened] = ()
    error: Exception | None = None


class CommitFollower:
    """Follows commits into an index file.

    Args:
        streams: tell the newest epoch.
        objects: where the pages of a snapshot are fetched from.
        iter_newest: reads the rows of the file by id, removals included.

    Attributes:
        made: what is known of versions before their commit is followed.
    """

    def __init__(
        self, streams: Streams, objects: ObjectStore, iter_newest: Callable[[], Iterator[IndexRow]]
    ) -> None:
        self._streams = streams
        self._objects = objects
        self._iter_newest = iter_newest
        self.made: dict[Change, tuple[ItemMetadata, int | None]] = {}

    def follow(
        self,
        keeping: IndexKeeping,
        commits: Sequence[Commit],
        own: Mapping[Digest, bytes],
        lists: Iterator[bytes | None],
        open_ahead: OpenAhead | None,
        on_written: OnWritten = ignore_written,
    ) -> None:
        """Follow commits, some in one transaction; ends where another process has followed them meanwhile.

        While some are opened and written, what the next ones leave live is on its way.

        Args:
            keeping: where it is written.
            commits: the commits.
            own: change lists that this device has made.
            lists: the others, in order.
            open_ahead: opens what the commits leave live, so that it is written once; None: nothing is.
            on_written: told what was written with what was opened of it.
        """
        before: _ReadGroup | None = None
        for group in cut_groups(commits):
            read = self._read(group, own, lists, open_ahead)
            if before is not None and not self._finish(keeping, before, on_written):
                return
            before = read
            if read.error is not None:
                break
        if before is not None:
            self._finish(keeping, before, on_written)

    def _read(
        self,
        group: Sequence[Commit],
        own: Mapping[Digest, bytes],
        lists: Iterator[bytes | None],
        open_ahead: OpenAhead | None,
    ) -> _ReadGroup:
        """Read the change lists of some commits, as far as they can be read, and begin to open."""
        error: Exception | None = None
        intact: list[tuple[Event, ItemsCommitted, list[Change]]] = []
        try:
            for event, body in group:
                with _naming_commit(event, body):
                    data = own.get(body.changes) or verify_object(body.changes, next(lists))
                    intact.append((event, body, read_changes(body, data, self._objects, own)))
        except MalformedError as malformed:
            error = ForgedEventError(f"commit {body.commit}: {malformed}")
            error.__cause__ = malformed
        except (SolekeyError, OSError) as failed:
            error = failed
        opened = () if open_ahead is None else self._begin_opening(open_ahead, intact)
        return _ReadGroup(intact, opened, error)

    def _finish(self, keeping: IndexKeeping, read: _ReadGroup, on_written: OnWritten) -> bool:
        """Write what was read; False: another process has followed it meanwhile. Raises what went wrong."""
        for change, metadata, content_size in read.opened:
            self.made[change] = metadata, content_size
        if not keeping.write(lambda: self._write(keeping.file, read.intact, on_written)):
            return False
        for _, _, changes in read.intact:
            for change in changes:
                self.made.pop(change, None)
        if read.error is not None:
            raise read.error
        return True

    def _write(
        self,
        file: IndexFile,
        commits: Sequence[tuple[Event, ItemsCommitted, Sequence[Change]]],
        on_written: OnWritten,
    ) -> bool:
        """Write what was read of some commits; False: another process has followed them meanwhile."""
        with file.writing() as writer:
            if commits and writer.commit and writer.commit + 1 != commits[0][1].commit:
                return False
            for event, body, changes in commits:
                self._follow_commit(writer, event, body, changes, on_written)
        return True

    def _begin_opening(
        self, open_ahead: OpenAhead, commits: Sequence[tuple[Event, ItemsCommitted, Sequence[Change]]]
    ) -> Iterable[Opened]:
        """Open what is likely to be live yet when all is followed: what was edited again is opened later."""
        epoch = self._streams.vault.epoch
        last = {change.item: (body, change) for _, body, changes in commits for change in changes}
        wanted = [
            change
            for body, change in last.values()
            if change.epoch == epoch and body.kind is not CommitKind.SNAPSHOT and change not in self.made
            if change.version == 1 or body.kind is CommitKind.REKEY
        ]
        return open_ahead(wanted) if wanted else ()

    def _follow_commit(
        self,
        writer: IndexWriter,
        event: Event,
        body: ItemsCommitted,
        changes: Sequence[Change],
        on_written: OnWritten,
    ) -> None:
        try:
            self._follow_changes(writer, body, changes, on_written)
        except TransitionError as error:
            raise ForgedEventError(f"commit {body.commit}: {error}") from error
        writer.commit, writer.seq, writer.digest = body.commit, event.seq, bytes.fromhex(event.digest)

    def _follow_changes(
        self, writer: IndexWriter, body: ItemsCommitted, changes: Sequence[Change], on_written: OnWritten
    ) -> None:
        begins = writer.commit == 0 and body.kind is CommitKind.SNAPSHOT
        if not begins and body.commit != writer.commit + 1:
            raise TransitionError(f"commit {body.commit} does not follow {writer.commit}")
        verify_totals(body, changes)
        if body.kind is not CommitKind.SNAPSHOT:
            self._follow_delta(writer, body, changes, on_written)
        elif begins:
            self._begin(writer, body, changes)
        else:
            writer.flush()
            self._verify_snapshot(changes)

    def _begin(self, writer: IndexWriter, body: ItemsCommitted, changes: Sequence[Change]) -> None:
        """Believe a snapshot as its author signed it. Which commit made what is not known."""
        for change in changes:
            writer.put(IndexRow(change, 0, body.commit, body.commit, change.version), None)
        writer.begun = body.commit

    def _follow_delta(
        self, writer: IndexWriter, body: ItemsCommitted, changes: Sequence[Change], on_written: OnWritten
    ) -> None:
        known = writer.get_many([change.item for change in changes])
        before = [known.get(change.item) for change in changes]
        for row, change in zip(before, changes, strict=True):
            last = None if row is None else row.change
            verify_change(body, last, change)
            verify_version(body, last, change)
        for row, change in zip(before, changes, strict=True):
            made = self._make_row(body, row, change)
            tag = writer.put(made, row)
            if change in self.made:
                on_written(tag, (change, self.made[change][0], made.content_size))

    def _make_row(self, body: ItemsCommitted, before: IndexRow | None, change: Change) -> IndexRow:
        if before is not None and body.kind is CommitKind.REKEY:
            made = replace(
                before, change=change, made_in=body.commit, metadata=b"", content_size=None, name=""
            )
        else:
            live_since = body.commit
            if before is not None and not before.change.removed:
                live_since = before.live_since  # of a removal: since when it had been live
            made = IndexRow(change, body.commit, body.commit, live_since, change.version)
        metadata, size = self.made.get(change, (None, None))
        if metadata is None:
            return made
        if size is None and before is not None and body.kind is CommitKind.REKEY:
            size = before.content_size  # this device has sealed the same content again
        return made.with_metadata(metadata, size)

    def _verify_snapshot(self, changes: Sequence[Change]) -> None:
        """Verify that a snapshot states each item's newest version; both are sorted by id."""
        for row, change in zip_longest(self._iter_newest(), changes):
            if row is None or change is None or row.change != change:
                found = change or row.change
                raise TransitionError(f"the snapshot differs from what there is, such as in {found.item}")


def cut_groups(commits: Sequence[Commit]) -> Iterator[list[Commit]]:
    """Cut commits into groups that are followed in one transaction each."""
    group: list[Commit] = []
    for event, body in commits:
        group.append((event, body))
        if len(group) == LISTS_AT_ONCE or sum(each.count for _, each in group) >= _CHANGES_AT_ONCE:
            yield group
            group = []
    if group:
        yield group


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
