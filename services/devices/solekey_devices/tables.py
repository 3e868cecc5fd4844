"""The rows of the devices service beside its events: names and sightings. Spec: devices.md §4, §5."""

from typing import Final

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table

from solekey_devices.device_name import MAX_NAME_CHARS
from solekey_eventlog.tables import ACCOUNT_CHARS, define_event_tables

DEVICE_CHARS: Final = 30
SALT_CHARS: Final = 32
DAY_CHARS: Final = 10  # 2026-11-24

metadata = MetaData()
event_tables = define_event_tables(metadata)

device_names = Table(
    "device_names",
    metadata,
    Column("account", String(ACCOUNT_CHARS), nullable=False),
    Column("device", String(DEVICE_CHARS), nullable=False),
    Column("name", String(MAX_NAME_CHARS), nullable=False),
    Column("salt", String(SALT_CHARS), nullable=False),
    PrimaryKeyConstraint("account", "device", name="device_names_pk"),
)

device_sightings = Table(
    "device_sightings",
    metadata,
    Column("account", String(ACCOUNT_CHARS), nullable=False),
    Column("device", String(DEVICE_CHARS), nullable=False),
    Column("seen_on", String(DAY_CHARS), nullable=False),
    PrimaryKeyConstraint("account", "device", name="device_sightings_pk"),
)
