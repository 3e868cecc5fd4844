"""An account whose laptop has an index."""

import pytest

from tests.unit.client.vault.index_files import NAME, TAG


@pytest.fixture
def full(home):
    """Three items, and one that was removed."""
    vault = home.unlock("laptop")
    vault.put(NAME, "1", tags=(TAG,))
    vault.put("b", "22")
    vault.put("c", "333")
    vault.remove("b")
    vault.put("d", "4444")
    return home
