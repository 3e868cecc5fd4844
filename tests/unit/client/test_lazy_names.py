"""The packages whose names are imported when one is first used give all of them, and no others."""

from importlib import import_module

import pytest


@pytest.mark.parametrize("package", ["audit", "providers", "recovery"])
def test_all_public_names_are_there(package):
    loaded = import_module(f"solekey.{package}")
    assert all(getattr(loaded, name).__name__ == name for name in loaded.__all__ if name != "Ask")
    with pytest.raises(AttributeError, match=rf"module 'solekey\.{package}' has no attribute 'nothing'"):
        loaded.nothing  # noqa: B018  # looking it up is the test
