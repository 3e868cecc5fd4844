"""The event tables, credentials, challenges, refresh tokens, rate buckets and failed logins."""

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
        "credentials",
        sa.Column("account", sa.String(30), primary_key=True),
        sa.Column("username", sa.String(64), nullable=False, unique=True),
        sa.Column("login_key", sa.String(64), nullable=False),
        sa.Column("kdf_memory_kib", sa.Integer, nullable=False),
        sa.Column("kdf_iterations", sa.Integer, nullable=False),
        sa.Column("kdf_lanes", sa.Integer, nullable=False),
        sa.Column("kdf_salt", sa.LargeBinary, nullable=False),
        sa.Column("totp_salt", sa.LargeBinary, nullable=False),
        sa.Column("registered_at", sa.String(24), nullable=False),
        sa.Column("proven", sa.Boolean, nullable=False),
        sa.Column("last_totp_step", sa.Integer, nullable=False),
    )
    op.create_table(
        "closed_names",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("closed_at", sa.String(24), nullable=False),
    )
    op.create_table(
        "passkeys",
        sa.Column("factor_id", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(30), nullable=False, index=True),
        sa.Column("credential", sa.LargeBinary, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("added_at", sa.String(24), nullable=False),
        sa.Column("used_at", sa.String(24)),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(30), nullable=False, index=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "pending_totp",
        sa.Column("account", sa.String(30), primary_key=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.String(24), nullable=False, index=True),
    )
    op.create_table(
        "challenges",
        sa.Column("challenge", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.String(24), nullable=False, index=True),
        sa.Column("listed", sa.Boolean, nullable=False),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("token", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("session", sa.String(30), nullable=False),
        sa.Column("thumbprint", sa.String(64), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("issued_at", sa.String(24), nullable=False),
        sa.Column("idle_until", sa.String(24), nullable=False, index=True),
        sa.Column("expires_at", sa.String(24), nullable=False, index=True),
        sa.Column("used_at", sa.String(24)),
    )
    op.create_index("refresh_tokens_once", "refresh_tokens", ["session", "generation"], unique=True)
    op.create_table(
        "rate_buckets",
        sa.Column("bucket", sa.String(64), primary_key=True),
        sa.Column("used", sa.Integer, nullable=False),
        sa.Column("counted_at", sa.String(24), nullable=False),
        sa.Column("free_at", sa.String(24), nullable=False),
        sa.Column("empty_at", sa.String(24), nullable=False, index=True),
    )
    op.create_table(
        "known_devices",
        sa.Column("account", sa.String(30), primary_key=True),
        sa.Column("device", sa.String(30), primary_key=True),
        sa.Column("seen_at", sa.String(24), nullable=False, index=True),
    )
    op.create_table(
        "barred_devices",
        sa.Column("account", sa.String(30), primary_key=True),
        sa.Column("device", sa.String(30), primary_key=True),
    )
    op.create_table(
        "login_failures",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("account", sa.String(30)),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("failed_at", sa.String(24), nullable=False, index=True),
        sa.Column("reported", sa.Boolean, nullable=False),
    )
