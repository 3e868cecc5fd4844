"""The pages of a snapshot are what its list says of them, each once and in order. Spec: vault.md §4.1."""

from dataclasses import replace

import pytest

from solekey_protocol.change_list import Change, Part
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import ItemId, compute_digest
from solekey_protocol.page_list import encode_pages, join_pages, parse_page_list

CHANGES = [
    Change(
        ItemId.from_raw(bytes([number]) * 16),
        1,
        1,
        (Part(compute_digest(b"part"), 100),),
        compute_digest(b"h"),
    )
    for number in range(6)
]


def cut(changes):
    """The list and the pages of a snapshot, two changes a page."""
    listed, bodies = encode_pages(changes, page_bytes=250)
    assert [page.count for page in parse_page_list(listed)] == [2] * (len(changes) // 2)
    return list(parse_page_list(listed)), bodies


PAGES, BODIES = cut(CHANGES)


def test_control_the_pages_are_the_changes() -> None:
    assert join_pages(PAGES, BODIES) == CHANGES


SWAPS = {
    "a page is another's": (PAGES, [BODIES[0], BODIES[2], BODIES[1]], "out of order"),
    "a page stands twice": (PAGES, [BODIES[0], BODIES[0], BODIES[2]], "out of order or stands twice"),
    "pages overlap in one item": (
        cut([*CHANGES[:2], *CHANGES[1:3]])[0],
        [BODIES[0], cut(CHANGES[1:3])[1][0]],
        "stands twice",
    ),
    "a page is longer": (PAGES, [BODIES[0] + b"\x00", *BODIES[1:]], "bytes, not"),
    "a page of another size is listed": (
        [replace(PAGES[0], size=PAGES[0].size + 1), *PAGES[1:]],
        BODIES,
        "bytes, not",
    ),
    "a page of another count is listed": ([replace(PAGES[0], count=1), *PAGES[1:]], BODIES, "changes, not 1"),
    "a page is no change list": (PAGES, [bytes(len(BODIES[0])), *BODIES[1:]], "change list: expected"),
}


@pytest.mark.parametrize("swap", SWAPS)
def test_other_pages_are_refused(swap: str) -> None:
    pages, bodies, why = SWAPS[swap]
    with pytest.raises(MalformedError, match=why):
        join_pages(pages, bodies)


def test_a_page_that_is_left_out_or_added_is_refused() -> None:
    for bodies in (BODIES[:-1], [*BODIES, BODIES[0]]):
        with pytest.raises(ValueError, match="zip"):
            join_pages(PAGES, bodies)
