"""The event tables and key ages."""

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
        "key_ages",
        sa.Column("account", sa.String(30), primary_key=True),
        sa.Column("user_key_since", sa.String(24)),
        sa.Column("data_key_since", sa.String(24)),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("due_at", sa.String(24)),
    )
    op.create_index("ix_key_ages_due_at", "key_ages", ["due_at"])
