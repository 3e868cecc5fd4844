"""Which operator key something derives from, and those that were replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("credentials", "recovery_codes", "closed_names"):
        op.add_column(table, sa.Column("key_number", sa.Integer, nullable=False, server_default="0"))
    op.add_column("credentials", sa.Column("totp_factor_id", sa.String(64)))
    op.add_column("credentials", sa.Column("totp_mask", sa.LargeBinary))
    op.create_table(
        "operator_keys",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("masked", sa.LargeBinary, nullable=False),
        sa.Column("check_value", sa.String(64), nullable=False),
    )
