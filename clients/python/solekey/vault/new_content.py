"""What an item is to hold and to be described by, as an app gives it. What is not given is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from solekey.crypto import Confidential, ItemMetadata

TEXT_TYPE: Final = "text/plain"
BYTES_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True, repr=False)
class Description(Confidential):
    """What describes an item, as far as it was given; None is not given, and keeps what the item has.

    Attributes:
        type: what the content is, such as ``text/plain``.
        tags: all tags that the item is to have; an empty sequence clears them.
        attributes: all its attributes, short texts by name; an empty mapping clears them.

    Raises:
        TypeError: tags or attributes of another type.
    """

    type: str | None = None
    tags: Sequence[str] | None = None
    attributes: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", verify_tags(self.tags))
        object.__setattr__(self, "attributes", verify_attributes(self.attributes))

    def describe_new(self, name: str, default_type: str, now_ms: int) -> ItemMetadata:
        """Describe a new item."""
        kind = self.type or default_type
        return ItemMetadata(name, kind, now_ms, now_ms, tuple(self.tags or ()), self.attributes or {})

    def describe_edit(self, before: ItemMetadata, now_ms: int) -> ItemMetadata:
        """Describe the next edit of an item; what was not given stays as it is."""
        return replace(
            before,
            type=self.type or before.type,
            modified_ms=now_ms,
            tags=before.tags if self.tags is None else tuple(self.tags),
            attributes=before.attributes if self.attributes is None else self.attributes,
            revision=before.revision + 1,
        )


@dataclass(frozen=True, slots=True, repr=False)
class NewContent(Confidential):
    """The content of an item to put, and what describes it.

    Attributes:
        content: bytes, or text, which is stored as UTF-8.
        type: what the content is, such as ``text/plain``. Not given: kept; of a new item told by the content.
        tags: the item's tags, a sequence of texts. Not given: kept; an empty one clears them.
        attributes: the item's attributes, texts by name. Not given: kept; an empty mapping clears them.
        base_version: the version that this is an edit of; 0: there must be no such item. See `Vault.put`.

    Raises:
        TypeError: content, tags or attributes of another type.
        ValueError: a base_version below 0.
    """

    content: bytes | str
    type: str | None = None
    tags: Sequence[str] | None = None
    attributes: Mapping[str, str] | None = None
    base_version: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.content, bytes | bytearray | memoryview | str):
            raise TypeError(f"content: expected bytes or text, not {type(self.content).__name__}")
        object.__setattr__(self, "tags", verify_tags(self.tags))
        object.__setattr__(self, "attributes", verify_attributes(self.attributes))
        verify_base_version(self.base_version)

    @property
    def data(self) -> bytes:
        """The content as bytes."""
        return self.content.encode() if isinstance(self.content, str) else bytes(self.content)

    @property
    def description(self) -> Description:
        """What describes it, as far as it was given."""
        return Description(self.type, self.tags, self.attributes)

    @property
    def default_type(self) -> str:
        """What the content looks like."""
        return TEXT_TYPE if isinstance(self.content, str) else BYTES_TYPE


def verify_tags(tags: Sequence[str] | None) -> tuple[str, ...] | None:
    """Verify that tags are several texts: one text would be taken for its letters. Raises TypeError."""
    if tags is None:
        return None
    if isinstance(tags, str | bytes) or not all(isinstance(tag, str) for tag in tags):
        raise TypeError("tags: expected a sequence of texts, such as ('kitchen',), not one text")
    return tuple(tags)


def verify_attributes(attributes: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Verify that attributes are texts by name. Raises TypeError."""
    if attributes is None:
        return None
    if not isinstance(attributes, Mapping):
        raise TypeError("attributes: expected a mapping of texts, such as {'room': 'kitchen'}")
    return dict(attributes)


def verify_base_version(base_version: int | None) -> None:
    """Verify that a base version is a number of a version, or 0. Raises TypeError, ValueError."""
    if base_version is None:
        return
    if not isinstance(base_version, int) or isinstance(base_version, bool):
        raise TypeError("base_version: expected the number of a version, such as item.info.version")
    if base_version < 0:
        raise ValueError("base_version: expected 0 or more")
