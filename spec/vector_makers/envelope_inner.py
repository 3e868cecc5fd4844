"""Envelopes whose tags all verify, and whose inside breaks the rules. Spec: envelope.md §3, §5."""

from collections.abc import Mapping
from typing import Any

from vector_makers.primitives import encode_id, encode_json
from vector_makers.sealing import CONTENT, METADATA, encode_inner, make_sealer, open_input
from vector_makers.vector import Vector

PLAIN = encode_json(METADATA)
HEAD_BYTES = 4 + len(PLAIN) + len(CONTENT)


def make_vectors() -> list[Vector]:
    """Make the vectors."""
    return [
        *_refuse("size", "padding", _sizes()),
        *_refuse("metadata-length", "metadata", _metadata_lengths()),
        *_refuse("content-length", "padding", _content_lengths()),
        *_refuse("zeros", "padding", _paddings()),
        *_refuse("text", "metadata", _in_envelopes(_not_json())),
        *_refuse("spelling", "metadata", _in_envelopes(_not_canonical())),
        *_refuse("member", "metadata", _in_envelopes(_outside_the_schema())),
    ]


def _refuse(rule: str, stage: str, cases: Mapping[str, tuple[bytes, str]]) -> list[Vector]:
    return [
        Vector(
            f"{stage}: {name}",
            f"§6 {rule}",
            why,
            open_input(make_sealer().seal(inner)),
            "open_failed",
            stage,
        )
        for name, (inner, why) in cases.items()
    ]


def _sizes() -> dict[str, tuple[bytes, str]]:
    return {
        "an empty inner plaintext": (b"", "Smaller than 256 bytes."),
        "an inner plaintext of one byte": (b"\x00", "Smaller than 256 bytes."),
        "255 bytes": (encode_inner(size=255), "Smaller than 256 bytes."),
        "257 bytes": (encode_inner(size=257), "No Padmé size; 272 is the next."),
        "two chunks of no Padmé size": (encode_inner(content=bytes(4096), size=4353), "4352 and 4608 are."),
    }


def _metadata_lengths() -> dict[str, tuple[bytes, str]]:
    tail = encode_inner()[4:]
    return {
        "a metadata length of 65537": (
            (65_537).to_bytes(4, "big") + tail,
            "Above the limit, whatever else the size is.",
        ),
        "a metadata length of 2^32 - 1": (b"\xff" * 4 + tail, "Above the limit; no negative number."),
    }


def _content_lengths() -> dict[str, tuple[bytes, str]]:
    return {
        "a metadata length that reaches past the end": (
            (65_536).to_bytes(4, "big") + encode_inner()[4:],
            "Inside the limit, outside the inner plaintext.",
        ),
        "a content length of 2^64 - 1": (encode_inner(claimed=2**64 - 1), "No negative number, no overflow."),
        "a content length of 2^63": (encode_inner(claimed=2**63), "No negative number, no overflow."),
        "a content length one byte past the end": (
            encode_inner(claimed=256 - HEAD_BYTES + len(CONTENT) - 8 + 1),
            "Metadata, content and length would be 257 bytes.",
        ),
        "padded too far": (encode_inner(size=272), "These lengths are padded to 256 bytes, not to 272."),
        "padded to twice the size": (encode_inner(size=512), "These lengths are padded to 256 bytes."),
        "a content length that is too short": (
            encode_inner(content=bytes(300), claimed=13),
            "Padding to this size belongs to a longer content.",
        ),
    }


def _paddings() -> dict[str, tuple[bytes, str]]:
    inner = encode_inner()

    def with_byte(offset: int) -> bytes:
        return inner[:offset] + b"\x01" + inner[offset + 1 :]

    long = encode_inner(content=bytes(8300))
    offset = len(long) - 9
    return {
        "the first byte of padding": (with_byte(HEAD_BYTES), "Padding is zeros."),
        "a byte in the middle of the padding": (with_byte(HEAD_BYTES + 10), "Padding is zeros."),
        "the last byte of padding": (with_byte(256 - 9), "Padding is zeros."),
        "padding in the last of three chunks": (
            long[:offset] + b"\x80" + long[offset + 1 :],
            "Padding is zeros.",
        ),
    }


def _in_envelopes(texts: Mapping[str, tuple[bytes, str]]) -> dict[str, tuple[bytes, str]]:
    return {name: (encode_inner(text), why) for name, (text, why) in texts.items()}


def _not_json() -> dict[str, tuple[bytes, str]]:
    return {
        "no metadata": (b"", "Nothing is not JSON."),
        "metadata cut": (PLAIN[:-1], "Not JSON."),
        "metadata with more behind it": (PLAIN + b"{}", "Not one JSON text."),
        "no UTF-8": (PLAIN.replace(b"Wi-Fi", b"Wi\xff"), "Not UTF-8."),
        "an overlong zero": (PLAIN.replace(b"Wi-Fi", b"Wi\xc0\x80"), "Not UTF-8."),
        "a surrogate in UTF-8": (PLAIN.replace(b"Wi-Fi", b"Wi\xed\xa0\x80"), "Not UTF-8."),
        "a byte order mark": (b"\xef\xbb\xbf" + PLAIN, "Not JSON."),
        "a raw control character": (
            PLAIN.replace(b"ada", b"a\na"),
            "Control characters are escaped in JSON.",
        ),
        "a lone surrogate": (PLAIN.replace(b"ada", b"\\ud800"), "No Unicode text."),
        "an array": (b"[]", "Metadata is an object."),
        "null": (b"null", "Metadata is an object."),
        "deeply nested": (
            b"[" * 3000 + b"]" * 3000,
            "Metadata is an object; a parser must not fail otherwise.",
        ),
    }


def _not_canonical() -> dict[str, tuple[bytes, str]]:
    return {
        "a space": (PLAIN.replace(b":[", b": ["), "Canonical JSON has no white space."),
        "a line end": (PLAIN + b"\n", "Canonical JSON has no white space."),
        "members in another order": (
            b"{" + PLAIN[:-1].split(b",", 1)[1] + b"," + PLAIN[1:].split(b",", 1)[0] + b"}",
            "Canonical JSON sorts members.",
        ),
        "attributes in another order": (
            PLAIN.replace(b'{"user":"ada"}', b'{"user":"ada","a":""}'),
            "Canonical JSON sorts members.",
        ),
        "a letter as an escape": (PLAIN.replace(b"ada", b"\\u0061da"), "Only what must be escaped is."),
        "a slash as an escape": (PLAIN.replace(b"ada", b"a\\/a"), "Only what must be escaped is."),
        "a tabulator as \\u0009": (PLAIN.replace(b"ada", b"a\\u0009a"), "A tabulator is \\t."),
        "an escape in capitals": (PLAIN.replace(b"ada", b"a\\u001Fa"), "Escapes are lower-case hex."),
        "an astral character as escapes": (PLAIN.replace(b"ada", b"\\ud83d\\udd11"), "It stands as UTF-8."),
        "a member twice": (PLAIN.replace(b'"name":', b'"name":"x","name":'), "A key stands once."),
        "an attribute twice": (
            PLAIN.replace(b'"user":"ada"', b'"user":"ada","user":"ada"'),
            "A key stands once, though the values are the same.",
        ),
        "a time as 1.7e12": (PLAIN.replace(b":1700000000000", b":1.7e12"), "No fractions, no exponents."),
        "a time of -0": (PLAIN.replace(b":1700000000000", b":-0"), "Zero is 0."),
    }


def _outside_the_schema() -> dict[str, tuple[bytes, str]]:
    texts: dict[str, tuple[bytes, str]] = {
        f"without {member}": (
            encode_json({name: value for name, value in METADATA.items() if name != member}),
            "All eight members are required.",
        )
        for member in METADATA
    }
    texts["an unknown member"] = (
        encode_json({**METADATA, "note": ""}),
        "A new member is a new format version.",
    )
    for name, (member, value, why) in _values().items():
        texts[name] = (encode_json({**METADATA, member: value}), why)
    return texts


def _values() -> dict[str, tuple[str, Any, str]]:
    times = {
        "negative": -1,
        "2^53": 2**53,
        "as text": "1700000000000",
        "true": True,
        "null": None,
    }
    cases: dict[str, tuple[str, Any, str]] = {
        f"{member} {name}": (member, value, "An integer, 0 … 2^53 - 1.")
        for member in ("created_ms", "modified_ms")
        for name, value in times.items()
    }
    names = {
        "empty": "",
        "of 1025 characters": "n" * 1025,
        "with a NUL": "a\x00",
        "with a line end": "a\nb",
        "with U+001F": "\x1f",
        "with U+007F": "\x7f",
        "with U+009F": "\x9f",
        "null": None,
        "a number": 1,
        "an array": ["Wi-Fi"],
    }
    cases |= {
        f"name {name}": ("name", value, "1 … 1,024 characters, no controls.") for name, value in names.items()
    }
    types = {
        "empty": "",
        "with a capital": "Login",
        "that starts with a dot": ".login",
        "with a space": "log in",
        "with a line end behind": "login\n",
        "beyond ASCII": "l\u00f6gin",
        "of 129 characters": "t" * 129,
        "null": None,
    }
    cases |= {
        f"type {name}": ("type", value, "The pattern is for the whole string.")
        for name, value in types.items()
    }
    tags: dict[str, Any] = {
        "null": None,
        "an object": {},
        "a text": "home",
        "with a number": [1],
        "with an empty text": [""],
        "with a text of 129 characters": ["t" * 129],
        "with a control character": ["a\x85"],
        "with one of them twice": ["home", "home"],
        "of 65": [str(number) for number in range(65)],
    }
    cases |= {f"tags {name}": ("tags", value, "At most 64 distinct texts.") for name, value in tags.items()}
    cases |= {
        f"revision {name}": ("revision", value, "An integer, 1 … 2^31 - 1.")
        for name, value in {"0": 0, "2^31": 2**31, "as text": "2", "true": True, "null": None}.items()
    }
    device, item = encode_id("dev", bytes(16)), encode_id("itm", bytes(16))
    conflicts: dict[str, Any] = {
        "a text": item,
        "an empty object": {},
        "without a device": {"item": item},
        "without an item": {"device": device},
        "with a member more": {"at_ms": 0, "device": device, "item": item},
        "with an item for a device": {"device": item, "item": item},
        "with an id of 25 characters": {"device": device, "item": item[:-1]},
        "with null": {"device": device, "item": None},
    }
    cases |= {
        f"conflict {name}": ("conflict", value, "Null, or an item and a device.")
        for name, value in conflicts.items()
    }
    attributes: dict[str, Any] = {
        "null": None,
        "an array": [],
        "with an empty key": {"": ""},
        "with a capital in a key": {"User": ""},
        "with a key that starts with a digit": {"1a": ""},
        "with a key that starts with an underscore": {"_a": ""},
        "with a hyphen in a key": {"a-b": ""},
        "with a line end behind a key": {"a\n": ""},
        "with a key of 65 characters": {"k" * 65: ""},
        "with a number": {"a": 1},
        "with null": {"a": None},
        "with an object": {"a": {}},
        "with a text of 4097 characters": {"a": "x" * 4097},
        "of 65": {f"k{number}": "" for number in range(65)},
    }
    return cases | {
        f"attributes {name}": ("attributes", value, "At most 64; keys by their pattern; texts.")
        for name, value in attributes.items()
    }
