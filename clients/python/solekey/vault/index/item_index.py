"""Which items live, in which version, made of which parts: folded from the signed commits' change lists.

It begins at the newest snapshot, or at what this device has folded before, and checks each step: a version
follows the one before it, and a snapshot states what lives. What was folded is kept in the profile, sealed
under a key that is derived from the newest epoch's data key. It is never believed over the commits: it says
which verified event it is as of, and what does not fit is dropped and folded anew. Spec: item-index.md.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeVar

from solekey.crypto import DataKey, ItemMetadata, RandomSource
from solekey.crypto.index_key import SALT_BYTES, IndexKey
from solekey.errors import EpochKeyMissingError, OfflineError, OpenError, ProfileError, TamperedWrapError
from solekey.streams.streams import Streams
from solekey.transfer.objects import ObjectStore
from solekey.vault.index.commit_follower import (
    Commit,
    CommitFollower,
    OnWritten,
    OpenAhead,
    Opened,
    ignore_written,
)
from solekey.vault.index.commit_search import CommitSearch
from solekey.vault.index.index_file import DAMAGED, IndexFile
from solekey.vault.index.index_keeping import IndexKeeping
from solekey.vault.index.live_items import LiveItems, NewestItems
from solekey.vault.index.rows import IndexHead, IndexRow
from solekey.vault.keyring import Keyring
from solekey_protocol.change_list import Change
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import AccountId, DeviceId, Digest, ItemId

INDEX_FILE: Final = "items.sqlite"
LIVE: Final = "epoch > 0"
ANY: Final = "epoch >= 0"
"""Conditions on rows: live items; removed ones too."""
_log = logging.getLogger(__name__)
T = TypeVar("T")


class ItemIndex:
    """The live items as of a commit. Used under the account's lock.

    Attributes:
        items: the live items.
        newest: each item's newest version, removals included: what a snapshot states.
        folded: how often it was begun anew in this process; what was opened before is not known any more.
    """

    def __init__(
        self,
        account: AccountId,
        streams: Streams,
        objects: ObjectStore,
        keyring: Keyring,
        keeping: IndexKeeping,
        random: RandomSource,
    ) -> None:
        self._account = account
        self._streams = streams
        self._objects = objects
        self._keyring = keyring
        self._keeping = keeping
        self._random = random
        self._search = CommitSearch(streams, objects)
        self._pending: dict[Change, DeviceId] = {}  # what is queued, and by which device
        self.folded = 0  # how often it was begun anew
        self._is_due = False  # what is followed at the first look
        self._follower = CommitFollower(streams, objects, lambda: self.iter_rows(ANY))
        self.items: Mapping[ItemId, Change] = LiveItems(self)
        self.newest: Mapping[ItemId, Change] = NewestItems(self)

    @property
    def _file(self) -> IndexFile:
        return self._keeping.file

    def close(self) -> None:
        """Close the file and wipe its key: nothing can be read any more."""
        self._file.close()

    @property
    def head(self) -> IndexHead:
        """What it is as of."""
        return self.read(self._file.read_head)

    @property
    def commit(self) -> int:
        """The last commit that was followed."""
        return self.head.commit

    @property
    def epochs(self) -> frozenset[int]:
        """The epochs that live items are sealed under."""
        return frozenset(epoch for epoch, _ in self.head.epochs)

    def get(self, item: ItemId) -> IndexRow | None:
        """Get what is known of an item, removed ones included."""
        return self.read(lambda: self._file.get(item))

    def get_many(self, items: Sequence[ItemId]) -> dict[ItemId, IndexRow]:
        """Get what is known of some items, removed ones included; those never seen are left out."""
        return self.read(lambda: self._file.get_many(items))

    def find_named(self, folded_name: str) -> list[IndexRow]:
        """Find the live items of a name, of those that were opened."""
        return self.read(lambda: self._file.find_named(folded_name))

    def find_all_named(self, folded_names: Collection[str]) -> list[IndexRow]:
        """Find the live items of several names, of those that were opened."""
        return self.read(lambda: self._file.find_all_named(folded_names))

    def find_unopened(self) -> list[IndexRow]:
        """Find the live items whose names are not known."""
        return self.read(lambda: self._file.find("name IS NULL AND epoch > 0"))

    def find_changed(self, commit: int) -> list[IndexRow]:
        """Find the items whose content was changed after a commit, or that were removed."""
        return self.read(lambda: self._file.find("content_in > ?", commit))

    def find_older(self, epoch: int) -> list[IndexRow]:
        """Find the live items that are sealed under an epoch before this one."""
        return self.read(lambda: self._file.find("epoch > 0 AND epoch < ?", epoch))

    def read_all(self, take: Callable[[IndexRow], T], known: Mapping[int, T]) -> list[T]:
        """Read all rows, removed items included; it is noticed when one is missing or old.

        Args:
            take: makes of a row what is wanted.
            known: what would be taken of rows by their tags: these are not opened again.
        """
        return self.read(lambda: self._file.read_all(take, known))

    def read_page(self, after: bytes, condition: str = LIVE) -> list[IndexRow]:
        """Read some rows that follow an id; see `IndexFile.read_page`."""
        return self.read(lambda: self._file.read_page(after, condition))

    def iter_rows(self, condition: str = LIVE) -> Iterator[IndexRow]:
        """Read rows page by page; a row that is written meanwhile is there in its old or its new form."""
        after = b""
        while page := self.read_page(after, condition):
            yield from page
            after = page[-1].change.item.raw

    def find_commits(self, changes: Sequence[Change]) -> dict[ItemId, int]:
        """Find which commits made some live versions; what no change list shows is left out.

        Older change lists are fetched only for what this device has not followed itself.
        """
        found: dict[ItemId, int] = {}
        unknown: list[Change] = []
        for change in changes:
            row = self.get(change.item)
            if row is not None and row.change == change and row.made_in:
                found[change.item] = row.made_in
            else:
                unknown.append(change)
        return {**found, **self._search.find_commits(unknown)}

    def find_editor(self, item: ItemId) -> DeviceId | None:
        """Find the device that made the content of an item: a re-encryption makes none.

        Older change lists are fetched only for what this device has not followed itself.

        Returns:
            The device; None: the change lists do not show it, or there is no server to ask for them.
        """
        row = self.get(item)
        if row is None:
            return None
        if row.change in self._pending:
            return self._pending[row.change]
        commit: int | None = row.content_in
        if commit == self.head.begun:  # a snapshot, which made no content
            commit = None if self._objects.is_offline else self._search.find_edit(row.change)
        return self.find_author(commit) if commit is not None else None

    def find_author(self, commit: int) -> DeviceId | None:
        """Find the device that signed a commit; None: there is no such commit."""
        return self._search.find_author(commit)

    def note_made(self, change: Change, metadata: ItemMetadata, content_size: int | None) -> None:
        """Note what is in a version that this device has made itself, before its commit is followed."""
        self._follower.made[change] = metadata, content_size

    def note_opened(self, opened: Sequence[Opened], on_written: OnWritten = ignore_written) -> None:
        """Keep what was opened of some versions; what has a newer version meanwhile is passed over.

        Args:
            opened: what was opened, of each item once.
            on_written: told what was written with what was opened of it.
        """

        def attempt() -> None:
            with self._file.writing() as writer:
                rows = writer.get_many([change.item for change, _, _ in opened])
                for change, metadata, content_size in opened:
                    row = rows.get(change.item)
                    if row is not None and row.change == change:
                        tag = writer.put(row.with_metadata(metadata, content_size), row)
                        on_written(tag, (change, metadata, content_size))

        self._keeping.write(attempt)

    def show_pending(self, change: Change, metadata: ItemMetadata | None, device: DeviceId) -> None:
        """Show a change that is queued as if it were committed, for as long as this is open.

        Args:
            change: what the commit will say, as far as this device knows.
            metadata: what a put is described by.
            device: the device that queued it.
        """
        self._pending[change] = device
        self._file.detach()
        with self._file.writing() as writer:
            before = writer.get(change.item)
            row = IndexRow(change, writer.commit, writer.commit, writer.commit, change.version)
            writer.put(row if metadata is None else row.with_metadata(metadata, None), before)

    def take_up(self) -> None:
        """Follow what is new; what is followed for the first time on this device waits for the first look.

        Who looks knows whether all names are wanted, and each row is then sealed once.

        Raises:
            As `catch_up`.
        """
        self._take_key()
        if self._objects.is_offline or self._read_now(self._file.read_head).commit:
            self.catch_up()
        else:
            self._is_due = True

    def catch_up(
        self,
        own: Mapping[Digest, bytes] = MappingProxyType({}),
        open_ahead: OpenAhead | None = None,
        on_written: OnWritten = ignore_written,
    ) -> None:
        """Follow the commits that are verified and not followed yet; without the server it stays as it is.

        Args:
            own: change lists that this device has made, which need not be fetched.
            open_ahead: opens what is followed, where all names are wanted; None: it is opened later.
            on_written: told what was written with what was opened of it.

        Raises:
            ChangeListError: a change list is lost, or not what its commit names. It concerns every item.
            ForgedEventError: a change list breaks the rules.
        """
        if not self._objects.is_offline and self._keeping.go_back():
            self.folded += 1  # what was opened meanwhile is not in the file
        self._take_key()
        if self._objects.is_offline:
            self._verify_known()
            return
        due, self._is_due = self._is_due, False
        try:
            while new := self._find_new():
                lists = self._objects.fetch_each([body.changes for _, body in new if body.changes not in own])
                self._follower.follow(self._keeping, new, own, lists, open_ahead, on_written)
        except BaseException:
            self._is_due = due
            raise
        self._follower.made.clear()

    def _verify_known(self) -> None:
        if self._read_now(self._file.read_head).commit == 0 and self._streams.vault.last_commit:
            raise OfflineError("this device does not know the items yet: list them once with the server")

    def read(self, attempt: Callable[[], T]) -> T:
        """Read from the file; when it is damaged, drop it, follow all commits again, and read again."""
        if self._is_due:
            self.catch_up()
        return self._read_now(attempt)

    def _read_now(self, attempt: Callable[[], T]) -> T:
        try:
            return attempt()
        except DAMAGED as error:
            if self._objects.is_offline:
                raise ProfileError("the item index is damaged, and is made anew with the server") from error
            _log.warning("the item index is damaged and folded anew: %s", type(error).__name__)
            self._start_anew()
            self.catch_up()
            return attempt()

    def _take_key(self) -> None:
        """Take up the file's key. A file of an older epoch is sealed again; what does not open is dropped."""
        stored, key, newest = self._read_now(self._file.find_key), self._file.key, self._find_newest_key()
        if newest is None and key is None:  # nothing is kept that no key of the account seals
            self._keeping.give_up()
            stored, newest = None, DataKey.make(1, self._random)
        epoch = newest.epoch if newest is not None else stored[1] if stored else 0
        if key is not None and stored == (key.salt, key.epoch, key.commitment) and key.epoch == epoch:
            return
        try:
            if stored is None or not self._keyring.opens(stored[1]):
                raise OpenError("commitment")
            self._file.use(self._derive_key(self._keyring.data_key(stored[1]), stored[0]))
            if newest is not None and epoch != stored[1]:
                sealing_key = self._derive_key(newest, self._random(SALT_BYTES))
                self._keeping.write(lambda: self._file.seal_again(sealing_key))
                self._keeping.drop_outdated()
        except DAMAGED:
            self._start_anew(newest)

    def _find_newest_key(self) -> DataKey | None:
        try:
            return self._keyring.data_key(self._streams.vault.epoch)
        except (EpochKeyMissingError, TamperedWrapError):
            return None

    def _derive_key(self, data_key: DataKey, salt: bytes) -> IndexKey:
        return IndexKey(data_key, self._account, salt, self._random)

    def _start_anew(self, data_key: DataKey | None = None) -> None:
        data_key = data_key or self._find_newest_key() or DataKey.make(1, self._random)
        self.folded += 1
        key = self._derive_key(data_key, self._random(SALT_BYTES))
        self._keeping.write(self._file.drop)
        self._keeping.write(lambda: self._file.start(key))

    def _find_new(self) -> list[Commit]:
        head, events = self._read_now(self._file.read_head), self._streams.events(Stream.VAULT)
        if 1 <= head.seq <= len(events) and events.find_digest(head.seq) != head.digest.hex():
            _log.warning("the item index is of another history, and is folded anew")
            self._start_anew()
            head = self._file.read_head()
        new: list[Commit] = []
        for seq in range(len(events), head.seq, -1):
            event = events[seq - 1]
            if isinstance(event.body, ItemsCommitted):
                new.append((event, event.body))
                if head.commit == 0 and event.body.kind is CommitKind.SNAPSHOT:
                    break  # nothing to compare with: what came before the newest snapshot is not needed
        return new[::-1]
