"""The pages of a snapshot, and the list that names them. Spec: vault.md §4.1."""

from collections.abc import Sequence
from typing import Any

from vector_makers.change_list import OTHER, PART_BYTES, PUT, REMOVAL, encode, show_change
from vector_makers.primitives import sha256
from vector_makers.vector import Vector, VectorFile

Rows = Sequence[Sequence[Any]]
FIRST, SECOND = encode([2, [PUT]]), encode([2, [OTHER]])


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "How a snapshot states every item, as every reader of change lists must read it."
    return VectorFile("page_list", "vault.md", about, [*_accepted(), *_refused()])


def _page(body: bytes, count: int) -> list[Any]:
    return [sha256(body), len(body), count]


def _list(*pages: Any) -> bytes:
    return encode([3, list(pages)])


LARGEST = [[sha256(b"large"), PART_BYTES, 1]] * 64
GOOD = _list(_page(FIRST, 1), _page(SECOND, 1))


def _accepted() -> list[Vector]:
    cases: dict[str, tuple[list[Rows], str]] = {
        "no page": ([], "An account that never had an item."),
        "one page": ([[PUT, OTHER]], "All items."),
        "two pages": ([[PUT], [OTHER]], "The second begins behind the first's last item."),
        "a page with a removal": ([[REMOVAL], [OTHER]], "Removals are stated, too."),
    }
    return [
        _vector(
            f"parses: {name}",
            "§4.1",
            why,
            _list(*(_page(encode([2, rows]), len(rows)) for rows in pages)),
            [encode([2, rows]) for rows in pages],
            {"changes": [show_change(row) for rows in pages for row in rows]},
        )
        for name, (pages, why) in cases.items()
    ] + [
        _vector(
            "parses: 512 MiB",
            "§4.1",
            "The list alone: the most that pages may have in all.",
            _list(*LARGEST),
            None,
            {"pages": [[digest.hex(), size, count] for digest, size, count in LARGEST]},
        )
    ]


def _refused() -> list[Vector]:
    rules = {
        "cbor": {
            "nothing": (b"", "No value."),
            "cut": (GOOD[:-1], "Cut."),
            "a byte behind": (GOOD + b"\x00", "Nothing follows."),
            "a length that is not the shortest": (b"\x82\x03\x98\x02" + GOOD[3:], "Shortest form."),
        },
        "shape": {
            "a change list": (FIRST, "Format 3."),
            "format 4": (encode([4, [_page(FIRST, 1), _page(SECOND, 1)]]), "Format 3."),
            "a third member": (encode([3, [_page(FIRST, 1), _page(SECOND, 1)], None]), "Format and pages."),
            "pages that are no array": (encode([3, None]), "An array."),
            "a page of two members": (_list(_page(FIRST, 1)[:2], _page(SECOND, 1)), "Three."),
            "a page of four members": (_list([*_page(FIRST, 1), None], _page(SECOND, 1)), "Three."),
            "a digest as text": (_list([sha256(FIRST).hex(), len(FIRST), 1], _page(SECOND, 1)), "Bytes."),
            "a count true": (_list([sha256(FIRST), len(FIRST), True], _page(SECOND, 1)), "An integer."),
        },
        "range": {
            "a digest of 31 bytes": (_list([sha256(FIRST)[:31], len(FIRST), 1], _page(SECOND, 1)), "32."),
            "a page of 0 bytes": (_list([sha256(FIRST), 0, 1], _page(SECOND, 1)), "1 byte at least."),
            "a page above 8 MiB": (_list([sha256(FIRST), PART_BYTES + 1, 1], _page(SECOND, 1)), "8 MiB."),
            "a page of 0 changes": (_list([sha256(FIRST), len(FIRST), 0], _page(SECOND, 1)), "1 at least."),
            "a page of more changes than fit": (
                _list([sha256(FIRST), len(FIRST), len(FIRST) // 23 + 1], _page(SECOND, 1)),
                "A change takes 23 bytes.",
            ),
        },
    }
    refused = [
        _vector(f"{rule}: {name}", f"§4.1 {rule}", why, data, [FIRST, SECOND])
        for rule, cases in rules.items()
        for name, (data, why) in cases.items()
    ]
    return [*refused, *_totals(), *_pages()]


def _totals() -> list[Vector]:
    tiny = encode([2, [REMOVAL]])
    return [
        _vector(
            "total: 1,025 pages",
            "§4.1 total",
            "1,024 at most.",
            _list(*[_page(tiny, 1)] * 1025),
            [tiny] * 1025,
        ),
        _vector(
            "total: more than 512 MiB",
            "§4.1 total",
            "64 pages of 8 MiB, and one more.",
            _list(*LARGEST, _page(FIRST, 1)),
            None,
        ),
    ]


def _pages() -> list[Vector]:
    first = _page(FIRST, 1)
    cases: dict[str, tuple[str, list[Any], list[bytes], str]] = {
        "no change list": ("page", [[sha256(b"\x80"), 23, 1]], [bytes(23)], "§4."),
        "another size": ("page", [[sha256(FIRST), len(FIRST) + 1, 1]], [FIRST], "As the list says."),
        "another count": ("page", [[sha256(FIRST), len(FIRST), 2]], [FIRST], "As the list says."),
        "a page list": ("page", [[sha256(GOOD), len(GOOD), 1]], [GOOD], "Pages do not nest."),
        "the other order": ("page-order", [_page(SECOND, 1), first], [SECOND, FIRST], "By item id."),
        "a page twice": ("page-order", [first, first], [FIRST, FIRST], "Each item once."),
    }
    return [
        _vector(f"{rule}: {name}", f"§4.1 {rule}", why, _list(*pages), bodies)
        for name, (rule, pages, bodies, why) in cases.items()
    ]


def _vector(
    name: str,
    rule: str,
    why: str,
    data: bytes,
    pages: list[bytes] | None,
    output: dict[str, Any] | None = None,
) -> Vector:
    given = {"data": data.hex(), "pages": None if pages is None else [page.hex() for page in pages]}
    if output is None:
        return Vector(name, rule, why, given, "malformed")
    return Vector(name, rule, why, given, output=output)
