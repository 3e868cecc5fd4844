"""The garbage collector is paused for a block and no longer, whatever happens in it."""

import gc
import weakref
from collections.abc import Iterator

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


@pytest.fixture
def nothing_frozen() -> Iterator[None]:
    """As in a program; what was there before the tests is frozen otherwise (tests/conftest.py)."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.usefixtures("nothing_frozen")
def test_what_was_made_in_the_block_is_not_searched_as_soon_as_it_ends() -> None:
    searches: list[str] = []

    def note(phase: str, _: object) -> None:
        searches.append(phase)

    gc.callbacks.append(note)
    try:
        with pausing_collection():
            made = [[] for _ in range(100_000)]
        few = [[] for _ in range(10)]
        assert not searches
        gc.collect()  # control
        assert searches
    finally:
        gc.callbacks.remove(note)
    assert len(made) + len(few) == 100_010


@pytest.mark.usefixtures("nothing_frozen")
def test_cycles_that_were_made_in_the_block_are_found_by_the_next_full_search() -> None:
    class Node:
        def __init__(self) -> None:
            self.itself = self

    with pausing_collection():
        gone = weakref.ref(Node())
    assert gone() is not None
    gc.collect()
    assert gone() is None


def test_what_the_program_has_frozen_stays_frozen() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with pausing_collection():
        pass
    assert gc.get_freeze_count() == frozen > 0
