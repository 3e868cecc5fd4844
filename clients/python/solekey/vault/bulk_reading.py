"""Gets the contents of many items: small ones together, in as few requests as possible, while others open.

Each envelope is checked against the digest of its part and the header of its change, as of one item.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from solekey.crypto import Confidential
from solekey.garbage import pausing_collection
from solekey.progress import ignore_progress
from solekey.transfer.objects import SMALL_OBJECT_BYTES
from solekey.transfer.parallel import map_ahead
from solekey.transfer.sealed_sources import open_whole
from solekey.vault.item_info import ItemInfo
from solekey.vault.item_version import ItemVersion
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UNREADABLE
from solekey_protocol.limits import MIB

_GROUP_BYTES: Final = 4 * MIB
_GROUP_ITEMS: Final = 2048
"""What is fetched by one request."""


@dataclass(frozen=True, slots=True, repr=False)
class Content(Confidential):
    """What an item holds."""

    info: ItemInfo
    content: bytes


def read_contents(unlocked: UnlockedAccount, infos: Sequence[ItemInfo]) -> Iterator[Content]:
    """Read the contents of live items, in order. Two groups of about 4 MiB are in memory at a time.

    Raises:
        SwappedObjectError, OpenError, LostObjectError: as of one item, which is named.
        VersionGoneError: another device has replaced an item meanwhile.
    """
    with unlocked.streams.lock, pausing_collection():
        items = unlocked.index.items
        versions = [ItemVersion(unlocked, info, items[info.id]) for info in infos]
    groups = list(_cut(versions))
    for group, bodies in zip(groups, map_ahead(_fetch, groups), strict=True):
        for version, body in zip(group, bodies, strict=True):
            yield Content(version.info, _open(version, body))


def _cut(versions: Sequence[ItemVersion]) -> Iterator[list[ItemVersion]]:
    group: list[ItemVersion] = []
    size = 0
    for version in versions:
        if group and (size + version.change.size > _GROUP_BYTES or len(group) == _GROUP_ITEMS):
            yield group
            group, size = [], 0
        group.append(version)
        size += version.change.size
    if group:
        yield group


def _is_small(version: ItemVersion) -> bool:
    return len(version.change.parts) == 1 and version.change.size <= SMALL_OBJECT_BYTES


def _fetch(group: Sequence[ItemVersion]) -> list[bytes | None]:
    """Fetch the small items of a group; None for a large one, which is read by itself."""
    small = [version.change.parts[0].digest for version in group if _is_small(version)]
    found = iter(group[0].objects.fetch_each(small) if small else ())
    return [next(found) if _is_small(version) else None for version in group]


def _open(version: ItemVersion, body: bytes | None) -> bytes:
    change = version.change
    if body is not None:
        try:
            return open_whole(body, change, version.unlocked.account, version.data_key()).content
        except UNREADABLE:
            pass  # it is read once more by itself, which names what is wrong
    return b"".join(version.iter_parts(ignore_progress))
