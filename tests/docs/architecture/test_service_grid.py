"""The services have the same files, so that who knows one finds everything in the next.

What a service has beside the grid is a noun of its own spec page (the vault's shelf, auth's refresh tokens).
"""

import pytest

from tests.support.repository import ROOT
from tests.support.tree import PACKAGE_FOLDERS, SERVICES

GRID = {
    "__init__.py",
    "__main__.py",  # python -m solekey_<service>
    "api.py",  # requests in, answers out; knows no framework
    "config.py",
    "definition.py",  # what the service publishes, subscribes to and stores
    "domain.py",  # decide and evolve
    "migrations",
    "py.typed",
    "reactions.py",  # what it does about the other services' events
    "refusals.py",  # its errors, as they travel
    "service.py",  # the nameko service: entry points only
    "tables.py",
}


def read_files(service: str) -> set[str]:
    package = ROOT / PACKAGE_FOLDERS[f"solekey_{service}"] / f"solekey_{service}"
    return {path.name for path in package.iterdir() if path.name != "__pycache__"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_files_that_all_have(service: str) -> None:
    assert sorted(GRID - read_files(service)) == []


def test_the_grid_is_all_that_every_service_has() -> None:
    """A file that all of them have belongs into the grid, where the next service is held to it."""
    assert set.intersection(*(read_files(service) for service in SERVICES)) <= GRID
