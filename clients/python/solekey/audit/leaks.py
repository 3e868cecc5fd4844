r"""A search for secrets in every spelling in which a secret shows up. Spec: audit.md §4.

A secret leaks raw, hex, base64 and base64url at all three alignments, percent-encoded, as ``\uXXXX``, as
UTF-16, as Python prints bytes, as a list of numbers, or inside something compressed. A search that finds
nothing proves something only beside a search that finds what was planted: see tests/unit/client/audit.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

MIN_SECRET_BYTES = 6
"""A shorter secret is found by chance."""

MAX_INFLATED_BYTES = 64 * 1024 * 1024
_BLOCK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret was found: which, how it was spelt, and where."""

    secret: str
    spelling: str
    place: str


def find_leaks(secrets: Mapping[str, bytes], places: Iterable[tuple[str, bytes]]) -> list[Leak]:
    """Search named bytes for named secrets in every spelling.

    Raises:
        ValueError: a secret is too short to be searched for.
    """
    needles = [
        (name, spelling, needle) for name, secret in secrets.items() for spelling, needle in spellings(secret)
    ]
    leaks: dict[Leak, None] = {}
    for place, data in places:
        for layer, content in _layers(data):
            folded = content.lower()
            for name, spelling, needle in needles:
                haystack = folded if spelling in _CASELESS else content
                if needle in haystack:
                    leaks[Leak(name, spelling + layer, place)] = None
    return list(leaks)


def read_places(paths: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield every file below the paths; a large one in overlapping blocks."""
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                yield from _read_blocks(file)


def spellings(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield each spelling of a secret that the search looks for."""
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"a secret of {len(secret)} bytes is found by chance; need {MIN_SECRET_BYTES}")
    yield "raw", secret
    yield "hex", secret.hex().encode()
    for alignment in range(3):
        yield from _base64_core(secret, alignment)
    yield "percent", "".join(f"%{byte:02x}" for byte in secret).encode()
    if (quoted := quote_from_bytes(secret).encode()) != secret:
        yield "url", quoted
    if (printed := repr(secret)[2:-1].encode()) != secret:
        yield "repr", printed
    for separator in (", ", ","):
        yield "numbers", separator.join(str(byte) for byte in secret).encode()
    try:
        text = secret.decode("utf-8")
    except UnicodeDecodeError:
        return
    yield "utf-16le", text.encode("utf-16-le")
    yield "utf-16be", text.encode("utf-16-be")
    yield "\\u", "".join(f"\\u{ord(c):04x}" for c in text if ord(c) <= 0xFFFF).encode()
    if (escaped := json.dumps(text)[1:-1].encode()) != secret:
        yield "json", escaped


_CASELESS = frozenset({"hex", "percent", "\\u"})


def _base64_core(secret: bytes, alignment: int) -> Iterator[tuple[str, bytes]]:
    """The characters that depend on the secret alone, when it starts at this alignment of a longer text."""
    first = (0, 2, 3)[alignment]  # characters that the bytes before it share
    encoded = base64.b64encode(bytes(alignment) + secret)
    shared_end = (len(secret) + alignment) % 3
    core = encoded[first : len(encoded) - (0, 3, 2)[shared_end]]
    yield f"base64/{alignment}", core
    if (url := core.translate(bytes.maketrans(b"+/", b"-_"))) != core:
        yield f"base64url/{alignment}", url


def _layers(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "", data
    for magic, name in (
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x78\x9c", "zlib"),
        (b"\x78\xda", "zlib"),
        (b"\x78\x01", "zlib"),
    ):
        start = data.find(magic)
        while start >= 0:
            if inflated := _inflate(data[start:], name):
                yield f" in {name}", inflated
            start = data.find(magic, start + 1)


def _inflate(data: bytes, name: str) -> bytes:
    try:
        return zlib.decompressobj(31 if name == "gzip" else 15).decompress(data, MAX_INFLATED_BYTES)
    except zlib.error:
        return b""


def _read_blocks(file: Path, overlap: int = 4096) -> Iterator[tuple[str, bytes]]:
    with file.open("rb") as source:
        tail = b""
        while block := source.read(_BLOCK_BYTES):
            yield str(file), tail + block
            tail = block[-overlap:]
