from solekey_eventlog.migrations import create_event_tables_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_event_tables_v1()
