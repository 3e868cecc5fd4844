"""Secrets and words from files and standard input, as editors and pipes of any system deliver them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from solekey.cli.output.printing import usage_error

MAX_SECRET_BYTES: Final = 64 * 1024
"""A secret is a line; nobody gives more of it, and a file that is named by mistake is not read whole."""
PHRASE_WORDS: Final = 24


def read_secret_file(flag: str, path: Path, *, words: bool) -> str:
    """Read a secret from a file: its one line, or words over any number of lines.

    Raises:
        click.UsageError: it cannot be read, or holds more than a line.
        NotTextError
    """
    from solekey.files.text import decode_text

    try:
        with path.open("rb") as file:
            data = file.read(MAX_SECRET_BYTES + 1)
    except (OSError, ValueError) as error:
        raise usage_error("{} @{}: {}", flag, path, getattr(error, "strerror", None) or error) from error
    if len(data) > MAX_SECRET_BYTES:
        raise usage_error("{} @{}: the file is too large to be a secret", flag, path)
    return _take_secret(decode_text(data, str(path)), f"{flag} @{path}", words=words)


def read_secret_line(flag: str, *, words: bool) -> str:
    """Read a secret from standard input: its first line, or words over as many lines as they take.

    What follows is left for who reads standard input next.

    Raises:
        click.UsageError: there is none.
        NotTextError
    """
    from solekey.files.text import decode_text, find_mark

    source = sys.stdin.buffer
    data = source.readline(MAX_SECRET_BYTES)
    if (find_mark(data) or "utf-8").startswith(("utf-16", "utf-32")):
        data += source.read(MAX_SECRET_BYTES)  # its line ends are no bytes that could be searched for
        text = decode_text(data, "standard input")
        lines = text.splitlines()
        text = text if words else lines[0] if lines else ""
    else:
        text = decode_text(b"".join(_iter_lines(source, data, words=words)), "standard input")
    if not text:
        raise usage_error("{} -: there is no line on standard input", flag)
    return _take_secret(text, f"{flag} -", words=words)


def read_standard_input() -> str:
    """Read all of standard input as text. Raises NotTextError."""
    from solekey.files.text import decode_text

    return decode_text(sys.stdin.buffer.read(), "standard input")


def _iter_lines(source: BinaryIO, first: bytes, *, words: bool) -> Iterator[bytes]:
    """The first line, and the next ones while the words of a phrase are not complete."""
    yield first
    if not words:
        return
    from solekey.crypto.typed_words import list_typed_words

    found = len(list_typed_words(first.decode(errors="replace")))
    while found < PHRASE_WORDS and (line := source.readline(MAX_SECRET_BYTES)):
        found += len(list_typed_words(line.decode(errors="replace")))
        yield line


def _take_secret(text: str, where: str, *, words: bool) -> str:
    if words:
        return text
    text = text.rstrip("\r\n")
    if "\n" in text or "\r" in text:
        raise usage_error("{}: expected one line, found more", where)
    return text
