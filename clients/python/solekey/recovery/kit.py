"""A recovery kit: the user key on paper, and what its owner saw of the account when it was made.

Spec: recovery.md §1, §2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from solekey.connection.connection import Connection
from solekey.crypto import UserKey
from solekey.errors import KitMismatchError
from solekey.streams.streams import Streams
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, KeyId, Timestamp
from solekey_protocol.services import V1_STREAMS
from solekey_protocol.statements import Head


@dataclass(frozen=True, slots=True)
class RecoveryKit:
    """The public part of a recovery kit; the words are kept apart from it, as a `UserKey`.

    Attributes:
        account: whose kit it is.
        key_id: which user key its words are.
        server: the server's origin when it was made.
        username: who logs in; helps to find the account again.
        created: when it was made, by the clock of the device.
        heads: the ends of the account's streams as the device had verified them; streams without events
            are left out. A device that holds the kit takes no history that does not contain them.
        log_head: the checkpoint of the transparency log that the device had pinned; None without one.
    """

    account: AccountId
    key_id: KeyId
    server: str
    username: str
    created: Timestamp
    heads: Mapping[Stream, Head]
    log_head: str | None = None

    def verify_words(self, user_key: UserKey) -> UserKey:
        """Verify that words are this kit's. Raises KitMismatchError."""
        if user_key.derive_key_id(self.account) != self.key_id:
            raise KitMismatchError(f"the words are not those of key {self.key_id}")
        return user_key


@dataclass(frozen=True, slots=True)
class SavedKit:
    """A kit as it was read back. ``user_key`` is None where only the public part was given."""

    kit: RecoveryKit
    user_key: UserKey | None


class OpenAccount(Protocol):
    """What a kit is made from: a session, or an unlocked account."""

    @property
    def connection(self) -> Connection:
        """The profile, the clock."""
        ...

    @property
    def streams(self) -> Streams:
        """What was verified."""
        ...


def make_kit(account: OpenAccount, user_key: UserKey, *, log_head: str | None = None) -> RecoveryKit:
    """Make the kit of a user key, in force or soon to be, from the account as it is now.

    Raises:
        EvidenceError: the server shows less, other, or forged records.
    """
    account.streams.sync()
    profile = account.connection.profile
    heads = {stream: account.streams.head(stream) for stream in V1_STREAMS}
    return RecoveryKit(
        account=profile.account,
        key_id=user_key.derive_key_id(profile.account),
        server=profile.details.origin,
        username=profile.details.username,
        created=Timestamp.from_datetime(account.connection.runtime.now()),
        heads={stream: head for stream, head in heads.items() if head.seq},
        log_head=log_head,
    )
