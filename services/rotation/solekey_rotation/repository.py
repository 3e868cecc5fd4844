"""The rows of the rotation service beside its events: when keys came into force. Spec: rotation.md §4."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from solekey_eventlog.engine import upsert
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import AccountId
from solekey_protocol.streams import Rotation
from solekey_rotation.key_ages import KeyAges
from solekey_rotation.tables import event_tables, key_ages


@dataclass(frozen=True, slots=True)
class OpenRotations:
    """How many rotations of a kind are open, and when the oldest of them was started."""

    count: int
    oldest: datetime


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

    def note_open(self, account: AccountId, rotation: Rotation | None) -> None:
        """Keep which rotation of an account that was locked is open, if one is."""
        kind, seq = (None, None) if rotation is None else (rotation.started.kind.value, rotation.started_at)
        own = update(key_ages).where(key_ages.c.account == account)
        self._connection.execute(own.values(open_kind=kind, open_seq=seq))

    def find_open(self) -> dict[RotationKind, OpenRotations]:
        """Find how many rotations of each kind are open, and when the oldest was started."""
        events = event_tables.events
        oldest = func.min(events.c.appended_at).label("oldest")
        query = (
            select(key_ages.c.open_kind, func.count(), oldest)
            .join(events, (events.c.account == key_ages.c.account) & (events.c.seq == key_ages.c.open_seq))
            .where(key_ages.c.open_kind.is_not(None))
            .group_by(key_ages.c.open_kind)
        )
        rows = self._connection.execute(query)
        return {RotationKind(row.open_kind): OpenRotations(row[1], row.oldest) for row in rows}

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
