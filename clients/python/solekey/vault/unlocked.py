"""An unlocked account: everything that works with its keys, put together once."""

from dataclasses import dataclass
from typing import Self

from solekey.connection.connection import Connection
from solekey.streams.author import Author, Decide
from solekey.streams.streams import Streams
from solekey.transfer.objects import ObjectStore
from solekey.transfer.uploader import Uploader
from solekey.vault.commits import Committer, ignore_sealed
from solekey.vault.directory import Directory
from solekey.vault.index.index_keeping import IndexKeeping
from solekey.vault.index.item_index import INDEX_FILE, ItemIndex
from solekey.vault.keyring import Keyring
from solekey.vault.seen import SeenVersions
from solekey.vault.unreadable import UnreadableItems
from solekey_protocol.event import Event
from solekey_protocol.ids import AccountId


@dataclass(frozen=True, slots=True)
class UnlockedAccount:
    """The parts that vault, rotation and revocation share while an account is unlocked."""

    connection: Connection
    streams: Streams
    author: Author
    keyring: Keyring
    objects: ObjectStore
    index: ItemIndex
    directory: Directory
    unreadable: UnreadableItems
    committer: Committer
    seen: SeenVersions

    @classmethod
    def build(
        cls,
        connection: Connection,
        streams: Streams,
        author: Author,
        keyring: Keyring,
        objects: ObjectStore | None = None,
    ) -> Self:
        """Put the parts together.

        Args:
            connection: the account's.
            streams: the account's.
            author: the account's.
            keyring: the account's.
            objects: its objects; those at the vault if not given.
        """
        profile, random = connection.profile, connection.runtime.random
        objects = objects or ObjectStore(connection)
        keeping = IndexKeeping(profile.folder.path / INDEX_FILE)
        index = ItemIndex(profile.account, streams, objects, keyring, keeping, random)
        unreadable = UnreadableItems(index)
        directory = Directory(profile.account, index, objects, keyring, unreadable, streams.lock)
        uploader = Uploader(objects, profile.folder, profile.account, random)
        committer = Committer(
            author,
            streams,
            index,
            directory,
            keyring,
            objects,
            uploader,
            random,
            profile.device_key.device_id,
            profile.details.device_name,
            ignore_sealed,
        )
        seen = SeenVersions(profile.account, profile.folder, keyring, streams, random)
        return cls(
            connection, streams, author, keyring, objects, index, directory, unreadable, committer, seen
        )

    def close(self) -> None:
        """Close the index: what is called is known only while the account is unlocked."""
        self.index.close()

    def say(self, decide: Decide) -> Event | None:
        """Say something for this device, signed by the account's keys where its type asks for them."""
        return self.author.say(decide, signers=self.keyring.find_signers)

    @property
    def account(self) -> AccountId:
        """Whose account it is."""
        return self.connection.profile.account
