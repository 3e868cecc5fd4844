r"""How a secret may be written: by programs, in logs, in memory, in databases."""

import base64
import hashlib
import html
import json
import quopri
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_from_bytes, quote_plus

from solekey.crypto import Confidential

MIN_SECRET_BYTES: Final = 6
"""A shorter secret is found by chance."""
_MIN_HALF_BYTES: Final = 8
"""A shorter half is found by chance."""
_BASE32_CHARS: Final = (0, 2, 4, 5, 7)
"""Characters of base32 that the bytes before a secret share with it, by their number."""


@dataclass(frozen=True, slots=True, repr=False)
class Spelling(Confidential):
    """One way to write a secret."""

    name: str
    needle: bytes
    caseless: bool = False


def spell(secret: bytes) -> Iterator[Spelling]:
    """Write a secret in every way that the search looks for.

    Raises:
        ValueError: it is so short that it would be found by chance.
    """
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"a secret of {len(secret)} bytes is found by chance; need {MIN_SECRET_BYTES}")
    yield Spelling("raw", secret)
    yield Spelling("reversed", secret[::-1])
    half = len(secret) // 2
    if half >= _MIN_HALF_BYTES:
        yield Spelling("first half", secret[:half])
        yield Spelling("second half", secret[half:])
    yield from _spell_hex(secret)
    yield from _spell_bases(secret)
    yield from _spell_numbers(secret)
    yield from _spell_printed(secret)
    yield from _spell_hashed(secret)
    try:
        text = secret.decode("utf-8")
    except UnicodeDecodeError:
        return
    yield from _spell_text(text)


def _spell_hex(secret: bytes) -> Iterator[Spelling]:
    yield Spelling("hex", secret.hex().encode(), caseless=True)
    for name, separator in (("colons", ":"), ("hyphens", "-"), ("blanks", " ")):
        yield Spelling(f"hex with {name}", secret.hex(separator).encode(), caseless=True)
    for name, before, between in (
        ("\\x", "\\x", ""),
        ("0x", "0x", ", "),
        ("0x,", "0x", ","),
        ("percent", "%", ""),
    ):
        text = between.join(f"{before}{byte:02x}" for byte in secret)
        yield Spelling(name, text.encode(), caseless=True)


def _spell_bases(secret: bytes) -> Iterator[Spelling]:
    for alignment in range(3):
        core = _base64_core(secret, alignment)
        yield Spelling(f"base64/{alignment}", core)
        yield Spelling(f"base64url/{alignment}", core.translate(bytes.maketrans(b"+/", b"-_")))
    for alignment, shared in enumerate(_BASE32_CHARS):
        bits = 8 * (alignment + len(secret))
        encoded = base64.b32encode(bytes(alignment) + secret)[
            : bits // 5
        ]  # a last one is shared with what follows
        yield Spelling(f"base32/{alignment}", encoded[shared:], caseless=True)
    yield Spelling("base85", base64.b85encode(secret[: len(secret) // 4 * 4]))
    yield Spelling("ascii85", base64.a85encode(secret[: len(secret) // 4 * 4]))


def _base64_core(secret: bytes, alignment: int) -> bytes:
    """The characters that depend on the secret alone, when it starts at this alignment of a longer text."""
    first = (0, 2, 3)[alignment]  # characters that the bytes before it share
    encoded = base64.b64encode(bytes(alignment) + secret)
    shared_end = (len(secret) + alignment) % 3
    return encoded[first : len(encoded) - (0, 3, 2)[shared_end]]


def _spell_numbers(secret: bytes) -> Iterator[Spelling]:
    for separator in (", ", ",", " "):
        yield Spelling("numbers", separator.join(str(byte) for byte in secret).encode())
    signed = ", ".join(str(byte - 256 if byte > 127 else byte) for byte in secret)
    yield Spelling("signed numbers", signed.encode())
    for order in ("big", "little"):
        yield Spelling(f"integer, {order}-endian", str(int.from_bytes(secret, order)).encode())


def _spell_printed(secret: bytes) -> Iterator[Spelling]:
    yield Spelling("url", quote_from_bytes(secret).encode())
    yield Spelling("repr", repr(secret)[2:-1].encode())
    yield Spelling("quoted-printable", quopri.encodestring(secret).replace(b"=\n", b"").rstrip(b"\n"))


def _spell_hashed(secret: bytes) -> Iterator[Spelling]:
    """A hash of a low-entropy secret is as good as the secret."""
    digest = hashlib.sha256(secret).digest()
    yield Spelling("SHA-256", digest)
    yield Spelling("SHA-256 in hex", digest.hex().encode(), caseless=True)
    yield Spelling("SHA-256 in base64", base64.b64encode(digest).rstrip(b"="))


def _spell_text(text: str) -> Iterator[Spelling]:
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        yield Spelling(encoding, text.encode(encoding))
    with suppress(UnicodeEncodeError):  # not every text has this spelling
        yield Spelling("latin-1", text.encode("latin-1"))
    for other in (text.upper(), text.lower(), text.title()):
        yield Spelling("another case", other.encode(), caseless=True)
    escapes = "".join(f"\\u{ord(c):04x}" for c in text if ord(c) <= 0xFFFF)
    yield Spelling("\\u", escapes.encode(), caseless=True)
    escaped = json.dumps(text)[1:-1]
    yield Spelling("json", escaped.encode())
    yield Spelling("json in json", json.dumps(escaped)[1:-1].encode())
    yield Spelling("html", html.escape(text).encode())
    yield Spelling("html by numbers", "".join(f"&#{ord(c)};" for c in text).encode())
    yield Spelling("form", quote_plus(text).encode())
