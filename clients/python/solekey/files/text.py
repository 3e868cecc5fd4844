"""Text from files and pipes, whatever program wrote it: UTF-8, or what a byte order mark says that it is."""

import codecs
from typing import Final

from solekey.errors import NotTextError

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_text(data: bytes, what: str) -> str:
    """Decode UTF-8, or UTF-16 and UTF-32 that begin with their mark; a mark is dropped.

    Args:
        data: all of the text.
        what: where it comes from, for the error.

    Raises:
        NotTextError: another encoding. It quotes nothing, for the text may be a secret.
    """
    encoding = find_mark(data) or "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise NotTextError(f"{what} is not UTF-8 text: see byte {error.start + 1}") from None
    if "\0" in text:
        raise NotTextError(f"{what} is not UTF-8 text: it holds zero bytes, as UTF-16 without a mark does")
    return text


def find_mark(data: bytes) -> str | None:
    """Find the encoding whose byte order mark stands at the beginning."""
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
