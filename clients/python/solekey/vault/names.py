"""Which names are the same: those that look the same. Spec: envelope.md §5."""

import unicodedata

from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import ItemId


def fold_name(name: str) -> str:
    """Fold a name for comparison: ``é`` as one character and as two is one name (NFC). Case counts."""
    return unicodedata.normalize("NFC", name)


def is_item_id(text: str) -> bool:
    """Tell whether a text has the form of an item's id, which no name may have."""
    try:
        ItemId(text)
    except MalformedError:
        return False
    return True
