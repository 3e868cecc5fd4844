"""The garbage collector is paused for a block and no longer, whatever happens in it."""

import gc

import pytest

from solekey.garbage import pausing_collection


@pytest.mark.parametrize("was_enabled", [True, False])
def test_it_is_paused_for_a_block_and_then_as_before(was_enabled: bool) -> None:
    (gc.enable if was_enabled else gc.disable)()
    try:
        with pausing_collection():
            assert not gc.isenabled()
        assert gc.isenabled() == was_enabled
        with pytest.raises(ValueError, match="on the way"), pausing_collection():
            raise ValueError("on the way")
        assert gc.isenabled() == was_enabled
    finally:
        gc.enable()
