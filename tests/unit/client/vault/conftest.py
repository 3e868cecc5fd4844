"""An account whose laptop has an index."""

import pytest

from tests.support.client.world import build_world
from tests.unit.client.vault.index_files import NAME, TAG


@pytest.fixture(scope="session")
def first_full(first_home, tmp_path_factory):
    with build_world(tmp_path_factory.mktemp("full"), first_home) as home:
        vault = home.unlock("laptop")
        vault.put(NAME, "1", tags=(TAG,))
        vault.put("b", "22")
        vault.put("c", "333")
        vault.remove("b")
        vault.put("d", "4444")
    return home


@pytest.fixture
def full(home, first_full):
    """Three items, and one that was removed."""
    home.move_in(first_full)
    return home
