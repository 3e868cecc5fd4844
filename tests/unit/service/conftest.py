"""The demo services: one process for all that only ask, a fresh one for those that break it; an operator."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_service.command_line import parse_command_line, run_command_on
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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The log on the bus."""
    return tmp_path / "bus.db"


@pytest.fixture
def operate(path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run an operator's command on a service: exit code, standard output, standard error."""

    def run(api: Any, definition: Any, *arguments: str, bus: Path = path) -> tuple[int, str, str]:
        config = replace(api.kernel.config, bus_url=f"embedded://{bus}", bus_partitions=6)
        code = run_command_on(definition, config, parse_command_line(definition, arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def devices(rig: Any) -> Any:
    return rig.build(DEVICES)
