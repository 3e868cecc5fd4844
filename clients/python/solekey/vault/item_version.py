"""One version of an item: what it is called, what it is made of, and how it is opened. It never changes.

A reader stays on its version, also when another device puts a newer one or re-encrypts the item. The parts of
a superseded version stay at the server until they are purged; from then on reading ends in VersionGoneError,
which is told from a server that has lost or withholds what a signed commit names. Spec: vault.md §10.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from solekey.crypto import Confidential, DataKey, EnvelopeReader, RangeSource
from solekey.errors import LostObjectError, VersionGoneError, VersionMissingError
from solekey.progress import Phase, Progress, begin_phase
from solekey.transfer.download import iter_content
from solekey.transfer.objects import ObjectStore
from solekey.transfer.sealed_sources import PartSource, open_envelope
from solekey.vault.item_info import ItemInfo
from solekey.vault.unlocked import UnlockedAccount
from solekey_protocol.change_list import Change
from solekey_protocol.events import Stream


@dataclass(frozen=True, slots=True, repr=False)
class ItemVersion(Confidential):
    """A version of an item.

    Attributes:
        unlocked, info, change: what is read, and what a signed commit says of it.
        is_past: it was replaced before it was found; otherwise it was live.
    """

    unlocked: UnlockedAccount
    info: ItemInfo
    change: Change
    is_past: bool = False

    @property
    def objects(self) -> ObjectStore:
        """Where its parts are fetched from."""
        return self.unlocked.objects

    def data_key(self) -> DataKey:
        """The data key that it is sealed under. Raises WipedSecretError when the vault is locked again."""
        with self.unlocked.streams.lock:
            keyring, epoch = self.unlocked.keyring, self.change.epoch
            return keyring.any_data_key(epoch) if self.is_past else keyring.data_key(epoch)

    def open_reader(self, source: RangeSource) -> EnvelopeReader:
        """Open a reader of the committed ciphertext. Raises SwappedObjectError, OpenError."""
        return open_envelope(source, self.change, self.unlocked.account, self.data_key())

    def iter_parts(self, progress: Progress) -> Iterator[bytes]:
        """Open the content piece by piece, in constant memory, from whole parts as they are fetched.

        Raises:
            SwappedObjectError, OpenError: not what was committed. What was yielded before is authentic.
            VersionGoneError: purged meanwhile.
        """
        begin_phase(progress, Phase.FETCH)
        with self.telling_failure():
            yield from iter_content(
                self.open_reader(PartSource(self.unlocked.objects, self.change)), progress
            )

    @contextmanager
    def telling_failure(self) -> Iterator[None]:
        """Tell a version that was purged from one that is lost or damaged; name item, commit and author.

        Raises:
            VersionGoneError: another device has put a newer version, or removed the item.
            LostObjectError: the version is live, and the server must have it.
            VersionMissingError: a version that was found in the history was deleted meanwhile.
        """
        if self.is_past:
            with self._telling_loss():
                yield
            return
        lock = self.unlocked.streams.lock
        try:
            with self.unlocked.unreadable.naming(self.change, lock):
                yield
        except LostObjectError as error:
            with lock:
                self.unlocked.streams.sync(Stream.DEVICES, Stream.VAULT)
                self.unlocked.index.catch_up()
                is_live = self.unlocked.index.items.get(self.change.item) == self.change
            if is_live:
                raise
            raise VersionGoneError(
                f"{self.change.item}, version {self.change.version}: another device has replaced it"
            ) from error

    @contextmanager
    def _telling_loss(self) -> Iterator[None]:
        try:
            yield
        except LostObjectError as error:
            raise VersionMissingError(
                f"{self.change.item}, version {self.info.version}: the server has not all of it any more"
            ) from error
