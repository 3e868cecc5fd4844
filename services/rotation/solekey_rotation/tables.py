"""The rows of the rotation service beside its events: key ages. Spec: rotation.md §4."""

from datetime import datetime
from typing import Final

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, delete, select, update

from solekey_eventlog.engine import upsert
from solekey_eventlog.tables import ACCOUNT_CHARS, Moment, define_event_tables
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId
from solekey_rotation.key_ages import KeyAges

metadata = MetaData()
event_tables = define_event_tables(metadata)

key_ages: Final = Table(
    "key_ages",
    metadata,
    Column("account", String(ACCOUNT_CHARS), primary_key=True),
    Column("user_key_since", Moment),
    Column("data_key_since", Moment),
    Column("epoch", Integer, nullable=False),
    Column("due_at", Moment, index=True),  # the earliest moment at which something becomes due
)


def lock_key_ages(connection: Connection, account: AccountId) -> KeyAges:
    """Read an account's key ages and keep the row until the transaction ends, so that no change is lost.

    Always before events of the account are appended: two transactions never wait for each other.
    """
    new = upsert(connection, key_ages).values(account=account, epoch=0)
    connection.execute(new.on_conflict_do_nothing())
    own = key_ages.c.account == account
    row = connection.execute(select(key_ages).where(own).with_for_update()).one()
    return KeyAges(row.user_key_since, row.data_key_since, row.epoch)


def write_key_ages(
    connection: Connection, account: AccountId, ages: KeyAges, due_at: datetime | None
) -> None:
    """Write the key ages of an account that was locked, and when to look at it next."""
    row = {
        "user_key_since": ages.user_key_since,
        "data_key_since": ages.data_key_since,
        "epoch": ages.epoch,
        "due_at": due_at,
    }
    connection.execute(update(key_ages).where(key_ages.c.account == account).values(row))


def delete_key_ages(connection: Connection) -> None:
    """Forget the key ages of all accounts."""
    connection.execute(delete(key_ages))


def read_applied(connection: Connection) -> list[Event]:
    """Read every devices and vault event that was applied, each stream in its order."""
    inbox = event_tables.inbox
    query = (
        select(inbox.c.raw)
        .where(inbox.c.stream.in_([Stream.DEVICES.value, Stream.VAULT.value]))
        .order_by(inbox.c.account, inbox.c.stream, inbox.c.seq)
    )
    return [parse_event(bytes(raw), is_own=True) for raw in connection.execute(query).scalars()]


def read_due_accounts(connection: Connection, now: datetime, limit: int) -> list[AccountId]:
    """Read the accounts at which something has become due."""
    query = (
        select(key_ages.c.account).where(key_ages.c.due_at <= now).order_by(key_ages.c.due_at).limit(limit)
    )
    return [AccountId(account) for account in connection.execute(query).scalars()]
