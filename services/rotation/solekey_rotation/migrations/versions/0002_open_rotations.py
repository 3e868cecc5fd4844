"""Which rotation of an account is open: for the operator, who sees how many are, and for how long."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("key_ages", sa.Column("open_kind", sa.String(16)))
    op.add_column("key_ages", sa.Column("open_seq", sa.Integer))
    is_open = sa.text("open_kind IS NOT NULL")
    op.create_index(
        "key_ages_open", "key_ages", ["open_kind"], sqlite_where=is_open, postgresql_where=is_open
    )
