"""What may become of a conflict copy. Spec: vault.md §5.1."""

from enum import StrEnum


class Keep(StrEnum):
    """What stays of a conflict.

    Attributes:
        COPY: the copy: it becomes the next version of the item that it is a copy of, and is removed.
        ORIGINAL: the item that it is a copy of; the copy is removed.
        BOTH: both: the copy becomes an item like any other.
    """

    COPY = "copy"
    ORIGINAL = "original"
    BOTH = "both"
