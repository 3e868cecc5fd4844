"""Docker with Compose: what tests/support/docker/run.sh brings, or whatever engine answers."""

import os
import subprocess

import pytest

from tests.support.engines.container import docker_answers
from tests.support.engines.engine import EngineUnavailableError, give_up


def find_compose() -> None:
    """Demand an engine and Compose v2. Raises EngineUnavailableError."""
    why = os.environ.get(
        "SOLEKEY_DOCKER_MISSING", "run tests/support/docker/run.sh with the command as arguments"
    )
    if not docker_answers():
        raise EngineUnavailableError(f"no Docker engine: {why}")
    done = subprocess.run(["docker", "compose", "version"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineUnavailableError(f"no Docker Compose: {done.stderr.strip()[:200]}; {why}")


@pytest.fixture(scope="session")
def docker_compose() -> None:
    """Give up where there is no Docker engine with Compose."""
    try:
        find_compose()
    except EngineUnavailableError as error:
        give_up(error)
