"""What an item is to hold and to be described by, as an app gives it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from solekey.crypto import Confidential

TEXT_TYPE: Final = "text/plain"
BYTES_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True, repr=False)
class NewContent(Confidential):
    """The content of an item to put, and what describes it.

    Attributes:
        content: bytes, or text, which is stored as UTF-8.
        type: what the content is, such as ``text/plain``; told from the content if not given.
        tags: the item's tags, a sequence of texts.
        attributes: the item's attributes: short texts by name.

    Raises:
        TypeError: content, tags or attributes of another type.
    """

    content: bytes | str
    type: str | None = None
    tags: Sequence[str] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.content, bytes | bytearray | memoryview | str):
            raise TypeError(f"content: expected bytes or text, not {type(self.content).__name__}")
        object.__setattr__(self, "tags", verify_tags(self.tags))
        object.__setattr__(self, "attributes", verify_attributes(self.attributes))

    @property
    def data(self) -> bytes:
        """The content as bytes."""
        return self.content.encode() if isinstance(self.content, str) else bytes(self.content)

    @property
    def chosen_type(self) -> str:
        """The type that was given, or what the content looks like."""
        return self.type or (TEXT_TYPE if isinstance(self.content, str) else BYTES_TYPE)


def verify_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Verify that tags are several texts: one text would be taken for its letters. Raises TypeError."""
    if isinstance(tags, str | bytes) or not all(isinstance(tag, str) for tag in tags):
        raise TypeError("tags: expected a sequence of texts, such as ('kitchen',), not one text")
    return tuple(tags)


def verify_attributes(attributes: Mapping[str, str] | None) -> Mapping[str, str]:
    """Verify that attributes are texts by name. Raises TypeError."""
    if attributes is None:
        return {}
    if not isinstance(attributes, Mapping):
        raise TypeError("attributes: expected a mapping of texts, such as {'room': 'kitchen'}")
    return dict(attributes)
