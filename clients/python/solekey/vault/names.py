"""Which names are the same: those that look the same. Spec: envelope.md §5."""

import unicodedata


def fold_name(name: str) -> str:
    """Fold a name for comparison: ``é`` as one character and as two is one name (NFC). Case counts."""
    return unicodedata.normalize("NFC", name)
