"""The search finds what is planted in every channel, and nothing where nothing is."""

import base64
import gzip
import json
import os
import zlib
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solekey.audit.leaks import find_leaks, read_places

SECRET = bytes(range(200, 232))
TEXT = "grüße & key=wert"

PLANTED = {
    "raw": lambda s: s,
    "hex": lambda s: s.hex().encode(),
    "HEX": lambda s: s.hex().upper().encode(),
    "base64": base64.b64encode,
    "base64 behind one byte": lambda s: base64.b64encode(b"x" + s + b"yz"),
    "base64 behind two bytes": lambda s: base64.b64encode(b"xy" + s + b"z"),
    "base64url": lambda s: base64.urlsafe_b64encode(b"x" + s),
    "percent": lambda s: "".join(f"%{b:02X}" for b in s).encode(),
    "gzip": gzip.compress,
    "zlib": lambda s: b"junk" + zlib.compress(s) + b"junk",
    "repr": lambda s: repr([s]).encode(),
    "numbers": lambda s: str(list(s)).encode(),
    "JSON numbers": lambda s: json.dumps(list(s), separators=(",", ":")).encode(),
    "JSON in JSON": lambda s: json.dumps(json.dumps({"k": base64.b64encode(s).decode()})).encode(),
}
PLANTED_TEXT = {
    "plain": lambda s: s,
    "url": lambda s: quote_from_bytes(s).encode(),
    "utf-16": lambda s: s.decode().encode("utf-16-le"),
    "utf-16 big": lambda s: s.decode().encode("utf-16-be"),
    "escaped": lambda s: "".join(f"\\u{ord(c):04X}" for c in s.decode()).encode(),
    "json": lambda s: json.dumps(s.decode()).encode(),
}


@pytest.mark.parametrize("channel", PLANTED)
def test_a_planted_secret_is_found(channel):
    data = b"before " + PLANTED[channel](SECRET) + b" after"
    assert find_leaks({"user key": SECRET}, [("log", data)])
    assert not find_leaks({"user key": SECRET[::-1]}, [("log", data)])


@pytest.mark.parametrize("channel", PLANTED_TEXT)
def test_a_planted_text_is_found(channel):
    data = b"before " + PLANTED_TEXT[channel](TEXT.encode()) + b" after"
    assert find_leaks({"note": TEXT.encode()}, [("log", data)])


@given(st.binary(min_size=6, max_size=40), st.binary(max_size=20), st.binary(max_size=20))
def test_base64_is_found_at_every_alignment(secret, before, after):
    assert find_leaks({"s": secret}, [("x", base64.b64encode(before + secret + after))])


def test_random_bytes_hold_no_secret():
    assert find_leaks({"user key": SECRET}, [("noise", os.urandom(1 << 20))]) == []


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="by chance"):
        find_leaks({"code": b"12345"}, [])


def test_a_secret_across_blocks_of_a_file_is_found(tmp_path):
    block = 4 * 1024 * 1024
    (tmp_path / "database").write_bytes(b"." * (block - 16) + SECRET + b"." * 100)
    assert find_leaks({"k": SECRET}, read_places([tmp_path]))
