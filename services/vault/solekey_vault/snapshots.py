"""Compares a snapshot with the items that there are, page by page. Spec: vault.md §4.1, §5.

Change lists have one encoding, and a snapshot states every item's newest version: its pages are the stored
changes one behind the other. So bytes are compared and nothing is parsed; one page and some rows are in
memory at a time, and other requests go on in between.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from solekey_eventlog.store import EventStore
from solekey_protocol.change_list import encode_list_head
from solekey_protocol.events.vault import ItemsCommitted
from solekey_protocol.ids import AccountId, Digest, ItemId
from solekey_protocol.page_list import Page
from solekey_vault.context import SnapshotVerdict
from solekey_vault.item_repository import ItemRepository, StoredChange

_ROWS_AT_ONCE: Final = 250

ReadPage = Callable[[AccountId, Digest], bytes | None]


class _DifferenceError(Exception):
    """What the snapshot states is not what there is."""


def compare_snapshot(
    store: EventStore,
    account: AccountId,
    body: ItemsCommitted,
    pages: Sequence[Page],
    read_page: ReadPage,
    pause: Callable[[], None],
) -> SnapshotVerdict:
    """Compare a snapshot's pages with the newest version of every item, as of the commit before it.

    Args:
        store: of the vault.
        account: whose items.
        body: the commit that names the pages.
        pages: as its list names them.
        read_page: gives the bytes of a page; None: they are lost.
        pause: lets other requests go on.
    """
    bodies = (read_page(account, page.digest) for page in pages)
    difference = find_difference(body, pages, bodies, _iter(store, account, pause))
    return SnapshotVerdict(body.commit - 1, tuple(pages), difference)


def find_difference(
    body: ItemsCommitted,
    pages: Sequence[Page],
    bodies: Iterator[bytes | None],
    stored: Iterator[StoredChange],
) -> str | None:
    """Say in what a snapshot is not what is stored; None: it is exactly that.

    Args:
        body: the commit.
        pages: as its list names them.
        bodies: their bytes; None: they are lost.
        stored: every item's newest version, in the order of the items.
    """
    try:
        _compare(body, pages, bodies, stored)
    except _DifferenceError as error:
        return str(error)
    return None


def _compare(
    body: ItemsCommitted,
    pages: Sequence[Page],
    bodies: Iterator[bytes | None],
    stored: Iterator[StoredChange],
) -> None:
    """Demand that the pages are the stored changes. Raises _DifferenceError."""
    count = size = 0
    for page, data in zip(pages, bodies, strict=True):
        head = encode_list_head(page.count)
        if data is None or len(data) != page.size or not data.startswith(head):
            raise _DifferenceError(f"page {page.digest} is not as its list says")
        at = len(head)
        for _ in range(page.count):
            change = next(stored, None)
            if change is None:
                raise _DifferenceError("it states more items than there are")
            if data[at : at + len(change.encoded)] != change.encoded:
                raise _DifferenceError(f"it differs from what there is, such as {_name(change)}")
            at += len(change.encoded)
            count, size = count + 1, size + change.size
        if at != len(data):
            raise _DifferenceError(f"page {page.digest} has bytes behind its changes")
    left = next(stored, None)
    if left is not None:
        raise _DifferenceError(f"it leaves out items, such as {_name(left)}")
    if (count, size) != (body.count, body.bytes):
        raise _DifferenceError(f"it has {count} changes of {size} bytes, not {body.count} of {body.bytes}")


def _iter(store: EventStore, account: AccountId, pause: Callable[[], None]) -> Iterator[StoredChange]:
    after = b""
    while True:
        with store.read() as uow:
            rows = ItemRepository(uow.connection).read_newest(account, after=after, limit=_ROWS_AT_ONCE)
        yield from rows
        if len(rows) < _ROWS_AT_ONCE:
            return
        after = rows[-1].item
        pause()


def _name(change: StoredChange) -> ItemId:
    return ItemId.from_raw(change.item)
