"""The pages in which a snapshot states its changes. Spec: vault.md §4.1.

*Wire format.* Deterministic CBOR: ``[3, [page, ...]]``, each ``[digest (32 bytes), size, count]``: SHA-256
and size of an object that is a change list, and how many changes it has. All pages together are sorted by
item id, as one list is. A snapshot names the digest of this list; an account without items has no page.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from solekey_protocol.change_list import (
    MIN_CHANGE_BYTES,
    Change,
    encode_change,
    join_changes,
    parse_change_list,
)
from solekey_protocol.encoding import Cbor, encode_cbor, parse_cbor
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Digest, compute_digest
from solekey_protocol.limits import (
    MAX_PAGE_LIST_BYTES,
    MAX_PAGES,
    MAX_PART_BYTES,
    MAX_SNAPSHOT_BYTES,
    MIB,
)

FORMAT_VERSION: Final = 3
PAGE_BYTES: Final = MIB
"""After how many bytes this implementation begins another page."""
_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Page:
    """One page: a change list of its own.

    Attributes:
        digest: names its bytes.
        size: bytes.
        count: changes.
    """

    digest: Digest
    size: int
    count: int


def encode_pages(changes: Iterable[Change], page_bytes: int = PAGE_BYTES) -> tuple[bytes, list[bytes]]:
    """Encode a snapshot: the list of its pages, and the pages. Sorts the changes.

    Args:
        changes: each item's newest version, once.
        page_bytes: a page ends behind so many bytes.

    Raises:
        MalformedError: it would have too many pages, or be too large.
    """
    pages: list[Page] = []
    bodies: list[bytes] = []
    rows: list[bytes] = []
    size = 0

    def end_page() -> None:
        bodies.append(join_changes(rows))
        pages.append(Page(compute_digest(bodies[-1]), len(bodies[-1]), len(rows)))
        rows.clear()

    for change in sorted(changes, key=lambda change: change.item.raw):
        row = encode_change(change)
        if rows and size + len(row) > page_bytes:
            end_page()
            size = 0
        rows.append(row)
        size += len(row)
    if rows:
        end_page()
    return encode_page_list(pages), bodies


def encode_page_list(pages: Sequence[Page]) -> bytes:
    """Encode the list of pages. Raises MalformedError when it would not parse."""
    rows: list[Cbor] = [[bytes.fromhex(page.digest), page.size, page.count] for page in pages]
    encoded = encode_cbor([FORMAT_VERSION, rows])
    parse_page_list(encoded)
    return encoded


def parse_page_list(data: bytes) -> tuple[Page, ...]:
    """Parse the list of a snapshot's pages.

    Raises:
        MalformedError: not deterministic CBOR of this shape, or more than a snapshot may have.
    """
    match parse_cbor(data, max_bytes=MAX_PAGE_LIST_BYTES):
        case [version, [*rows]] if version == FORMAT_VERSION and not isinstance(version, bool):
            pages = tuple(_parse_page(row) for row in rows)
        case _:
            raise MalformedError(f"page list: expected [{FORMAT_VERSION}, [page, ...]]")
    if len(pages) > MAX_PAGES:
        raise MalformedError(f"page list: {len(pages)} pages, limit {MAX_PAGES}")
    size = sum(page.size for page in pages)
    if size > MAX_SNAPSHOT_BYTES:
        raise MalformedError(f"page list: {size} bytes in all, limit {MAX_SNAPSHOT_BYTES}")
    return pages


def join_pages(pages: Sequence[Page], bodies: Iterable[bytes]) -> list[Change]:
    """Read the changes of a snapshot from its pages, whose digests the caller has verified.

    Raises:
        MalformedError: a page is no change list, has another size or count than the list says, or begins
            before the one before it ends.
    """
    changes: list[Change] = []
    for number, (page, body) in enumerate(zip(pages, bodies, strict=True), start=1):
        if len(body) != page.size:
            raise MalformedError(f"page {number}: {len(body)} bytes, not {page.size}")
        found = parse_change_list(body)
        if len(found) != page.count:
            raise MalformedError(f"page {number}: {len(found)} changes, not {page.count}")
        if changes and changes[-1].item.raw >= found[0].item.raw:
            raise MalformedError(f"page {number}: {found[0].item} is out of order or stands twice")
        changes += found
    return changes


def _parse_page(row: Cbor) -> Page:
    match row:
        case [bytes(digest), size, count] if len(digest) == _DIGEST_BYTES:
            page = Page(Digest(digest.hex()), _integer(size, "size"), _integer(count, "count"))
        case _:
            raise MalformedError("page list: expected [digest, size, count]")
    if page.size > MAX_PART_BYTES:
        raise MalformedError(f"page list: a page of {page.size} bytes, limit {MAX_PART_BYTES}")
    if page.count * MIN_CHANGE_BYTES > page.size:
        raise MalformedError(f"page list: {page.size} bytes cannot hold {page.count} changes")
    return page


def _integer(value: Cbor, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise MalformedError(f"page list: {what} must be an integer from 1")
    return value
