"""Real engines for tests: PostgreSQL, Apache Kafka and SoftHSM2, from wherever they can be had.

Fixtures
    new_postgres_url     () -> URL of a fresh database with a role of its own       engines/postgres.py
    new_migrated_postgres_url
                         (package) -> URL of a fresh database that is migrated      engines/postgres.py
    postgres_url         one such URL                                               engines/postgres.py
    kafka_servers        bootstrap servers of a broker shared by the session        engines/kafka/__init__.py
    stoppable_kafka      another broker, with stop() and start()                    engines/kafka/__init__.py
    secure_kafka         a broker with SASL/SCRAM over TLS                          engines/kafka/__init__.py
    token                a PKCS#11 token of SoftHSM2 that no other test uses        engines/softhsm.py

Where an engine cannot be had, its tests are skipped with the reason; with SOLEKEY_REQUIRE_REAL=1 they fail.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NoReturn, TypeVar

import pytest

Engine = TypeVar("Engine")


class EngineUnavailableError(Exception):
    """The engine cannot be had here; the message says what was tried."""


def give_up(error: EngineUnavailableError) -> NoReturn:
    """Skip the test and say why, or fail it where real engines are required."""
    if os.environ.get("SOLEKEY_REQUIRE_REAL") == "1":
        pytest.fail(f"SOLEKEY_REQUIRE_REAL=1, but: {error}", pytrace=False)
    pytest.skip(str(error))


@contextmanager
def required(engine: AbstractContextManager[Engine]) -> Iterator[Engine]:
    """Run an engine, or give up on it."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(engine)
        except EngineUnavailableError as error:
            give_up(error)
        yield running


@contextmanager
def first_of(*choices: Callable[[], AbstractContextManager[Engine]]) -> Iterator[Engine]:
    """Run the first engine that can be had. Raises EngineUnavailableError with what each of them said."""
    reasons = []
    with ExitStack() as stack:
        for choice in choices:
            try:
                running = stack.enter_context(choice())
            except EngineUnavailableError as error:
                reasons.append(str(error))
                continue
            yield running
            return
    raise EngineUnavailableError("; ".join(reasons))
