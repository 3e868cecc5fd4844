"""Whether a migrated database is what a service's metadata says."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, MetaData


def find_differences(engine: Engine, metadata: MetaData) -> list[Any]:
    """List how a migrated database differs from a service's metadata; empty when it does not."""
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))
