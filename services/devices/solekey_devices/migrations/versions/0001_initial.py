"""The event tables, the names of devices, and when they were seen."""

import sqlalchemy as sa
from alembic import op

from solekey_eventlog.migrations import create_event_tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_event_tables_v1()
    op.create_table(
        "device_names",
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("device", sa.String(30), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("account", "device", name="device_names_pk"),
    )
    op.create_table(
        "device_sightings",
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("device", sa.String(30), nullable=False),
        sa.Column("seen_on", sa.String(10), nullable=False),
        sa.PrimaryKeyConstraint("account", "device", name="device_sightings_pk"),
    )
