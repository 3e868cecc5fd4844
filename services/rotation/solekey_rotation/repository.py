"""The rows of the rotation service beside its events: when keys came into force. Spec: rotation.md §4."""

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from solekey_eventlog.engine import upsert
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId
from solekey_rotation.key_ages import KeyAges
from solekey_rotation.tables import event_tables, key_ages


class KeyAgeRepository:
    """The key ages of accounts, and when to look at each next, as one transaction sees them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lock(self, account: AccountId) -> KeyAges:
        """Read an account's key ages and lock the row until the transaction ends, so that no change is lost.

        Always before events of the account are appended: two transactions never wait for each other.
        """
        new = upsert(self._connection, key_ages).values(account=account, epoch=0)
        self._connection.execute(new.on_conflict_do_nothing())
        own = key_ages.c.account == account
        row = self._connection.execute(select(key_ages).where(own).with_for_update()).one()
        return KeyAges(row.user_key_since, row.data_key_since, row.epoch)

    def put(self, account: AccountId, ages: KeyAges, due_at: datetime | None) -> None:
        """Keep the key ages of an account that was locked, and when to look at it next."""
        self._connection.execute(
            update(key_ages)
            .where(key_ages.c.account == account)
            .values(
                user_key_since=ages.user_key_since,
                data_key_since=ages.data_key_since,
                epoch=ages.epoch,
                due_at=due_at,
            )
        )

    def delete_all(self) -> None:
        """Delete the key ages of all accounts: they are made from zero."""
        self._connection.execute(delete(key_ages))

    def find_applied(self) -> list[Event]:
        """Find every devices and vault event that was applied, each stream in its order."""
        inbox = event_tables.inbox
        query = (
            select(inbox.c.raw)
            .where(inbox.c.stream.in_([Stream.DEVICES.value, Stream.VAULT.value]))
            .order_by(inbox.c.account, inbox.c.stream, inbox.c.seq)
        )
        return [parse_event(bytes(raw)) for raw in self._connection.execute(query).scalars()]

    def find_due(self, now: datetime, limit: int) -> list[AccountId]:
        """Find the accounts at which something has become due."""
        due = select(key_ages.c.account).where(key_ages.c.due_at <= now)
        query = due.order_by(key_ages.c.due_at).limit(limit)
        return [AccountId(account) for account in self._connection.execute(query).scalars()]
