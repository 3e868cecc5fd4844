"""The services have the same files, so that who knows one knows all."""

import pytest
from architecture.tree import PACKAGE_FOLDERS, SERVICES, find_modules


def read_grid(service: str) -> set[str]:
    """List a service's modules, relative to its package; migrations differ by their names."""
    package = f"solekey_{service}"
    top = PACKAGE_FOLDERS[package]
    names = {path.as_posix().partition(f"{top}/{package}/")[2] for path in find_modules(package)}
    return {name for name in names if "/versions/" not in name}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_files_that_all_have(service: str) -> None:
    everywhere = set.union(*(read_grid(each) for each in SERVICES))
    assert sorted(everywhere - read_grid(service)) == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_a_pure_domain(service: str) -> None:
    """The contracts on ``*.domain`` and ``*.commands`` would hold vacuously without these."""
    assert {"domain.py", "commands.py", "__main__.py"} <= read_grid(service)
