"""Gives tests the demo services: one process for all that only ask, a fresh one for those that break it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.demo_process import Demo, run_demo
from tests.support.eventlog.services import alice, bob, bus, clock, new_database_url, start

__all__ = ["alice", "bob", "bus", "clock", "new_database_url", "start"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with run_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture
def fresh_demo(tmp_path: Path) -> Iterator[Demo]:
    with run_demo(tmp_path) as demo:
        yield demo
