"""Python's garbage collector, paused while very many objects are made that stay, such as a long list.

It would search all of them again and again, and find nothing: a sixth of the time of a list of 100,000 items
(docs/decisions/0145). What is freed by counting references, which is all but cycles, is freed as ever.

Nor is it searched at once when the pause ends: it counts as old then, like all that was there before, and is
looked at by the next full search, whenever Python makes one.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pausing_collection() -> Iterator[None]:
    """Pause it for a block; where it was off before, it stays so."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if not gc.get_freeze_count():  # else what the app has frozen would be freed
                gc.freeze()
                gc.unfreeze()
            gc.enable()
