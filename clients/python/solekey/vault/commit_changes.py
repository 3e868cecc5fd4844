"""What a commit changes, read from its change list, or of a snapshot from its pages. Spec: vault.md §4, §4.1.

The bytes are verified against the digests that the signed commit and its page list name, before they are
parsed. Change lists that this device has just made need not be fetched.
"""

from collections.abc import Mapping

from solekey.transfer.objects import ObjectStore
from solekey_protocol.change_list import Change, parse_change_list
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import Digest
from solekey_protocol.page_list import join_pages, parse_page_list


def read_changes(
    body: ItemsCommitted, encoded: bytes, objects: ObjectStore, own: Mapping[Digest, bytes]
) -> list[Change]:
    """Read the changes of a commit.

    Args:
        body: the commit.
        encoded: the object that it names, verified.
        objects: where a snapshot's pages are fetched from.
        own: objects that this device has made, by digest.

    Raises:
        MalformedError: not what vault.md §4 says.
        LostObjectError, SwappedObjectError: a page is lost or another one.
    """
    if body.kind is not CommitKind.SNAPSHOT:
        return parse_change_list(encoded)
    pages = parse_page_list(encoded)
    fetched = objects.fetch_many([page.digest for page in pages if page.digest not in own])
    bodies = (own[page.digest] if page.digest in own else next(fetched) for page in pages)
    return join_pages(pages, bodies)
