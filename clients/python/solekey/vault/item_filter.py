"""Which items of a list are wanted: by tags, name, words or type. It looks at the index alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Final

from solekey.crypto import Confidential, ItemMetadata
from solekey.vault.names import fold_name
from solekey.vault.new_content import verify_tags

_WILDCARDS: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True, repr=False)
class ItemFilter(Confidential):
    """What a list is to show. What is not given filters nothing.

    Attributes:
        tags: an item has all of these.
        name: a pattern of the whole name with ``*``, ``?`` or ``[…]``, else a piece; case does not count.
        search: words; each is in the name, a tag, the type or an attribute's value; case does not count.
        type: a whole type, or a pattern of it; case does not count.

    Raises:
        TypeError: tags that are one text.
    """

    tags: Sequence[str] = ()
    name: str | None = None
    search: str | None = None
    type: str | None = None

    def __post_init__(self) -> None:
        verify_tags(self.tags)

    def select(self, metadata: ItemMetadata) -> bool:
        """Whether an item is wanted."""
        if self.tags and not set(self.tags) <= set(metadata.tags):
            return False
        if self.name is not None and not _match(_fold(self.name), _fold(metadata.name)):
            return False
        if self.type is not None and not _match_whole(_fold(self.type), _fold(metadata.type)):
            return False
        if self.search is None:
            return True
        texts = (metadata.name, *metadata.tags, metadata.type, *metadata.attributes.values())
        found = "\n".join(map(_fold, texts))
        return all(word in found for word in _fold(self.search).split())


def _match(pattern: str, name: str) -> bool:
    if _WILDCARDS.isdisjoint(pattern):
        return pattern in name
    return _match_whole(pattern, name)


def _match_whole(pattern: str, text: str) -> bool:
    return re.match(translate(pattern), text) is not None  # compiled once: `re` remembers it


def _fold(text: str) -> str:
    return fold_name(text).casefold()
