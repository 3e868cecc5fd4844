"""What was sent before a re-key began. docs/decisions/0190."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "stale_uploads",
        sa.Column("account", sa.String(30), primary_key=True),
        sa.Column("rotation", sa.String(30), nullable=False),
        sa.Column("sent_before", sa.String(24), nullable=False),
        sa.Column("committed", sa.Boolean, nullable=False),
    )
