"""Opens what is compressed or encoded inside of bytes, so that what is in it is searched, too."""

import base64
import binascii
import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Final

MAX_OPENED_BYTES: Final = 64 * 1024 * 1024
MAX_DEPTH: Final = 3
"""Layers inside each other, such as gzip in base64 in JSON."""
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX: Final = re.compile(rb"(?:[0-9a-fA-F]{2}){16,}")
_TEXT: Final = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]{12,}")
"""Bytes that may be lines of text; ends of lines between other bytes are none."""
_LINE_ENDS: Final = (b"=\r\n", b"=\n", b"\r\n", b"\n")
"""What stands between two lines of text, first the soft ends of quoted-printable."""
_TRIED_BYTES: Final = 1024
"""What only looks compressed is refused within the first bytes; a whole try copies what follows."""
_MAGIC: Final = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]|BZh[1-9]1AY|\xfd7zXZ\x00")
_OPENERS: Final[dict[bytes, tuple[str, Callable[[memoryview], bytes]]]] = {
    b"\x1f\x8b": ("gzip", lambda data: zlib.decompressobj(31).decompress(data, MAX_OPENED_BYTES)),
    b"BZ": ("bz2", lambda data: bz2.BZ2Decompressor().decompress(data, MAX_OPENED_BYTES)),
    b"\xfd7": ("xz", lambda data: lzma.LZMADecompressor().decompress(data, MAX_OPENED_BYTES)),
}
_ZLIB: Final = ("zlib", lambda data: zlib.decompressobj(15).decompress(data, MAX_OPENED_BYTES))


def open_layers(data: bytes, depth: int = MAX_DEPTH) -> Iterator[tuple[str, bytes]]:
    """Yield the data itself, and whatever is compressed or encoded in it, each with the name of its layer."""
    yield "", data
    if depth == 0:
        return
    for name, inner in (*_open_compressed(data), *_open_encoded(data)):
        for deeper, content in open_layers(inner, depth - 1):
            yield f"{deeper} in {name}", content


def _open_compressed(data: bytes) -> Iterator[tuple[str, bytes]]:
    view = memoryview(data)
    for found in _MAGIC.finditer(data):
        name, opener = _OPENERS.get(found[0][:2], _ZLIB)
        try:
            opener(view[found.start() : found.start() + _TRIED_BYTES])
            inner = opener(view[found.start() :])
        except (zlib.error, OSError, lzma.LZMAError, EOFError):
            continue  # the bytes look like the beginning by chance
        if inner:
            yield name, inner


def _open_encoded(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Open runs of base64 and hex, of several lines, too, as far as something compressed is in them."""
    texts = b"\0".join([run for run in _TEXT.findall(data) if b"\n" in run])
    if texts:
        for end in _LINE_ENDS:  # a pattern that looks around each of them takes ten times as long
            texts = texts.replace(end, b"")
        yield "lines", texts
    for run in _BASE64.finditer(data):
        text = run[0].translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
        opened = base64.b64decode(text + b"=" * (-len(text) % 4)) if len(text) % 4 != 1 else b""
        if _MAGIC.search(opened):
            yield "base64", opened
    for run in _HEX.finditer(data):
        opened = binascii.unhexlify(run[0])
        if _MAGIC.search(opened):
            yield "hex", opened
