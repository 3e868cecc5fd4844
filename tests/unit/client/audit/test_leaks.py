"""The search finds what is planted in every channel, and nothing where nothing is."""

import base64
import bz2
import gzip
import hashlib
import html
import json
import lzma
import os
import quopri
import zlib
from urllib.parse import quote_from_bytes, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solekey.audit.leaks import find_leaks, read_places

SECRET = bytes(range(200, 232))
TEXT = "grüße & key=wert"


def hexed(secret, separator):
    return secret.hex(separator).encode()


def wrapped_lines(data):
    return b"\n".join(data[start : start + 20] for start in range(0, len(data), 20))


PLANTED = {
    "raw": lambda s: s,
    "reversed": lambda s: s[::-1],
    "a page's header in the middle": lambda s: s[:16] + b"SQLite page" + s[16:],
    "hex": lambda s: s.hex().encode(),
    "HEX": lambda s: s.hex().upper().encode(),
    "hex with colons": lambda s: hexed(s, ":"),
    "HEX with hyphens": lambda s: hexed(s, "-").upper(),
    "hex with blanks": lambda s: hexed(s, " "),
    "hex in lines": lambda s: wrapped_lines(s.hex().encode()),
    "\\x": lambda s: "".join(f"\\x{byte:02x}" for byte in s).encode(),
    "an array of C": lambda s: ", ".join(f"0x{byte:02X}" for byte in s).encode(),
    "a dense array of C": lambda s: ",".join(f"0x{byte:02x}" for byte in s).encode(),
    "percent": lambda s: "".join(f"%{byte:02X}" for byte in s).encode(),
    "base64": base64.b64encode,
    "base64 behind one byte": lambda s: base64.b64encode(b"x" + s + b"yz"),
    "base64 behind two bytes": lambda s: base64.b64encode(b"xy" + s + b"z"),
    "base64url": lambda s: base64.urlsafe_b64encode(b"x" + s),
    "base64 in lines": lambda s: wrapped_lines(base64.b64encode(s)),
    "base32": base64.b32encode,
    "base32 in lower case": lambda s: base64.b32encode(b"xyz" + s + b"z").lower(),
    "base85": base64.b85encode,
    "ascii85": base64.a85encode,
    "numbers": lambda s: str(list(s)).encode(),
    "numbers of JSON": lambda s: json.dumps(list(s), separators=(",", ":")).encode(),
    "numbers with blanks": lambda s: " ".join(map(str, s)).encode(),
    "bytes of Java": lambda s: str([byte - 256 if byte > 127 else byte for byte in s]).encode(),
    "an integer": lambda s: str(int.from_bytes(s, "big")).encode(),
    "an integer, little-endian": lambda s: str(int.from_bytes(s, "little")).encode(),
    "repr": lambda s: repr([s]).encode(),
    "quoted-printable": quopri.encodestring,
    "JSON in JSON": lambda s: json.dumps(json.dumps({"k": base64.b64encode(s).decode()})).encode(),
    "SHA-256": lambda s: hashlib.sha256(s).digest(),
    "SHA-256 in hex": lambda s: hashlib.sha256(s).hexdigest().upper().encode(),
    "SHA-256 in base64": lambda s: base64.b64encode(hashlib.sha256(s).digest()),
    "gzip": gzip.compress,
    "zlib": lambda s: b"junk" + zlib.compress(s) + b"junk",
    "zlib at level 1": lambda s: zlib.compress(s, 1),
    "zlib at level 3": lambda s: zlib.compress(s, 3),
    "zlib at level 9": lambda s: zlib.compress(s, 9),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "hex in gzip": lambda s: gzip.compress(s.hex().encode()),
    "gzip in base64": lambda s: base64.b64encode(gzip.compress(s)),
    "zlib in base64url": lambda s: base64.urlsafe_b64encode(zlib.compress(s)),
    "gzip in base64 in lines": lambda s: wrapped_lines(base64.b64encode(gzip.compress(s))),
    "gzip in hex": lambda s: gzip.compress(s).hex().encode(),
    "gzip in base64 in gzip": lambda s: gzip.compress(base64.b64encode(gzip.compress(s))),
}
PLANTED_TEXT = {
    "plain": lambda s: s,
    "UPPER CASE": lambda s: s.decode().upper().encode(),
    "lower case": lambda s: s.lower(),
    "url": lambda s: quote_from_bytes(s).encode(),
    "a form": lambda s: quote_plus(s.decode()).encode(),
    "utf-16": lambda s: s.decode().encode("utf-16-le"),
    "utf-16 big": lambda s: s.decode().encode("utf-16-be"),
    "utf-32": lambda s: s.decode().encode("utf-32-le"),  # how CPython keeps what is beyond UCS-2
    "utf-32 big": lambda s: s.decode().encode("utf-32-be"),
    "latin-1": lambda s: s.decode().encode("latin-1"),  # how CPython keeps what fits
    "escaped": lambda s: "".join(f"\\u{ord(c):04X}" for c in s.decode()).encode(),
    "json": lambda s: json.dumps(s.decode()).encode(),
    "json in json": lambda s: json.dumps(json.dumps(s.decode())).encode(),
    "html": lambda s: html.escape(s.decode()).encode(),
    "html by numbers": lambda s: "".join(f"&#{ord(c)};" for c in s.decode()).encode(),
    "quoted-printable": quopri.encodestring,
}


@pytest.mark.parametrize("channel", PLANTED)
def test_a_planted_secret_is_found(channel):
    data = b"before " + PLANTED[channel](SECRET) + b" after"
    assert find_leaks({"user key": SECRET}, [("log", data)])
    assert not find_leaks({"user key": bytes(range(100, 132))}, [("log", data)])


@pytest.mark.parametrize("channel", PLANTED_TEXT)
def test_a_planted_text_is_found(channel):
    data = b"before " + PLANTED_TEXT[channel](TEXT.encode()) + b" after"
    assert find_leaks({"note": TEXT.encode()}, [("log", data)])
    assert not find_leaks({"note": b"another note & more"}, [("log", data)])


def test_compressed_layers_end_at_a_depth():
    data = SECRET
    for _ in range(10):
        data = gzip.compress(data)
    assert find_leaks({"user key": SECRET}, [("log", data)]) == []


def test_what_only_looks_compressed_is_searched_as_it_is():
    for magic in (b"\x1f\x8b\x08", b"\x78\x9c", b"BZh91AY", b"\xfd7zXZ\x00"):
        assert find_leaks({"user key": SECRET}, [("log", magic * 3 + SECRET)])


@pytest.mark.slow
def test_a_bomb_is_opened_to_a_limit():
    bomb = gzip.compress(gzip.compress(bytes(70 * 1024 * 1024), 9), 9)
    assert find_leaks({"user key": SECRET}, [("log", bomb + SECRET)])


@given(st.binary(min_size=6, max_size=40), st.binary(max_size=20), st.binary(max_size=20))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.b32encode])
def test_it_is_found_at_every_alignment(encode, secret, before, after):
    assert find_leaks({"s": secret}, [("x", encode(before + secret + after))])


def test_random_bytes_hold_no_secret():
    assert find_leaks({"user key": SECRET}, [("noise", os.urandom(1 << 20))]) == []


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="by chance"):
        find_leaks({"code": b"12345"}, [])


def test_a_secret_across_blocks_of_a_file_is_found(tmp_path):
    block = 4 * 1024 * 1024
    (tmp_path / "database").write_bytes(b"." * (block - 16) + SECRET + b"." * 100)
    assert find_leaks({"k": SECRET}, read_places([tmp_path]))
