import sqlalchemy as sa
from alembic import op

from solekey_eventlog.migrations import create_event_tables_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_event_tables_v1()
    op.create_table("notes", sa.Column("event", sa.String(64), primary_key=True))
