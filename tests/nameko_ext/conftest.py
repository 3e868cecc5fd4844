"""Gives tests the demo services: one process for all that only ask, a fresh one for those that break it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from nameko_ext.demo_process import Demo, run_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with run_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture
def fresh_demo(tmp_path: Path) -> Iterator[Demo]:
    with run_demo(tmp_path) as demo:
        yield demo
