"""A bare nameko service: one GET, one SQL select, nothing else. What `bench.services` compares with.

The same eventlet, SQLAlchemy, driver and database as the services have, and nameko's own HTTP entry point.
``python -m bench.services_bare HOST:PORT DATABASE_URL``
"""

import solekey_service.runner  # noqa: F401  # patches the standard library: stays first

# isort: split
import sys
from typing import Any

from nameko.extensions import DependencyProvider
from nameko.runners import ServiceRunner
from nameko.web.handlers import http
from sqlalchemy import Engine, text

from solekey_eventlog.engine import open_engine
from solekey_eventlog.secret import Secret
from solekey_service.log_setup import set_up_logging

_QUERY = text("SELECT seq, digest FROM events WHERE account = :account ORDER BY seq DESC LIMIT 1")


class Database(DependencyProvider):  # type: ignore[misc]  # nameko publishes no types
    """Gives a worker the engine."""

    def setup(self) -> None:
        """Open it."""
        self._engine = open_engine(Secret(self.container.config["DATABASE"]))

    def stop(self) -> None:
        """Close it."""
        self._engine.dispose()

    def get_dependency(self, _: object) -> Engine:
        """Give it."""
        return self._engine


class BareService:
    """Answers with the head of a stream."""

    name = "bare"
    database: Any = Database()

    @http("GET", "/heads/<account>")  # type: ignore[untyped-decorator]  # nameko publishes no types
    def get_head(self, _: object, account: str) -> str:
        """Select, and answer."""
        with self.database.connect() as connection:
            row = connection.execute(_QUERY, {"account": account}).first()
        return "none" if row is None else f"{row.seq} {row.digest}"


def main() -> None:
    """Serve until it is killed."""
    set_up_logging("WARNING")
    settings: dict[str, Any] = {"WEB_SERVER_ADDRESS": sys.argv[1], "DATABASE": sys.argv[2]}
    runner = ServiceRunner(settings)
    runner.add_service(BareService)
    runner.start()
    runner.wait()


if __name__ == "__main__":
    main()
