"""Deterministic CBOR, written down by hand. Spec: conventions.md §3.2."""

from typing import Any

from vector_makers.vector import Vector, VectorFile


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "Deterministic CBOR, and every other encoding of it."
    return VectorFile("cbor", "conventions.md", about, [*_accepted(), *_refused()])


def _integer(value: int) -> dict[str, str]:
    return {"integer": str(value)}


def _nest(levels: int, inner: str = "80") -> str:
    return "81" * levels + inner


def _accepted() -> list[Vector]:
    integers = {
        0: "00",
        23: "17",
        24: "1818",
        255: "18ff",
        256: "190100",
        65_535: "19ffff",
        65_536: "1a00010000",
    }
    integers |= {2**32 - 1: "1affffffff", 2**32: "1b0000000100000000", 2**64 - 1: "1bffffffffffffffff"}
    integers |= {
        -1: "20",
        -24: "37",
        -25: "3818",
        -256: "38ff",
        -257: "390100",
        -(2**64): "3bffffffffffffffff",
    }
    deep: Any = []
    for _ in range(11):
        deep = [deep]
    cases: dict[str, tuple[str, Any]] = {
        f"integer {value}": (data, _integer(value)) for value, data in integers.items()
    }
    cases |= {
        "false": ("f4", False),
        "true": ("f5", True),
        "null": ("f6", None),
        "no bytes": ("40", {"bytes": ""}),
        "bytes": ("43010203", {"bytes": "010203"}),
        "24 bytes": ("5818" + "aa" * 24, {"bytes": "aa" * 24}),
        "256 bytes": ("590100" + "aa" * 256, {"bytes": "aa" * 256}),
        "an empty text": ("60", ""),
        "a text": ("63e282ac", "\u20ac"),
        "a text beyond the basic plane": ("64f09f9491", "\U0001f511"),
        "an empty array": ("80", []),
        "an array": ("8301f6820220", [_integer(1), None, [_integer(2), _integer(-1)]]),
        "24 elements": ("9818" + "00" * 24, [_integer(0)] * 24),
        "an empty map": ("a0", {"map": []}),
        "a map in order": (
            "a46000616201617a0262616103",
            {"map": [["", _integer(0)], ["b", _integer(1)], ["z", _integer(2)], ["aa", _integer(3)]]},
        ),
        "a change list": (
            "8202818650" + "30" * 16 + "01011864" + "5820" + "cd" * 32 + "81825820" + "ab" * 32 + "1864",
            [
                _integer(2),
                [
                    [
                        {"bytes": "30" * 16},
                        _integer(1),
                        _integer(1),
                        _integer(100),
                        {"bytes": "cd" * 32},
                        [[{"bytes": "ab" * 32}, _integer(100)]],
                    ]
                ],
            ],
        ),
        "12 nested arrays": (_nest(11), deep),
    }
    return [
        Vector(f"accepted: {name}", "§3.2", "The only encoding.", {"data": data}, output={"value": value})
        for name, (data, value) in cases.items()
    ]


def _refused() -> list[Vector]:
    return [
        Vector(f"refused: {name}", f"§3.2 {rule}", why, {"data": data}, "malformed")
        for rule, cases in {**_encodings(), **_types()}.items()
        for name, (data, why) in cases.items()
    ]


def _encodings() -> dict[str, dict[str, tuple[str, str]]]:
    cut = {
        "nothing": ("", "Too few bytes."),
        "a cut integer": ("19ff", "Too few bytes."),
        "a cut text": ("6261", "Too few bytes."),
        "a cut array": ("8201", "Too few bytes."),
        "a map without its last value": ("a16161", "Too few bytes."),
        "an array of 2^63 elements": ("9b8000000000000000", "Too few bytes, and no memory for them."),
        "2^62 bytes": ("5b4000000000000000", "Too few bytes, and no memory for them."),
    }
    behind = {
        "a byte behind": ("0000", "One value."),
        "a null behind": ("80f6", "One value."),
    }
    shortest = {
        "23 in two bytes": ("1817", "Shortest form."),
        "255 in three bytes": ("1900ff", "Shortest form."),
        "65535 in five bytes": ("1a0000ffff", "Shortest form."),
        "2^32 - 1 in nine bytes": ("1b00000000ffffffff", "Shortest form."),
        "-1 in two bytes": ("3800", "Shortest form."),
        "a long length of bytes": ("580101", "Shortest form."),
        "a long length of text": ("780161", "Shortest form."),
        "a long length of an array": ("980100", "Shortest form."),
        "a long length of a map": ("b801616100", "Shortest form."),
    }
    indefinite = {
        "bytes of indefinite length": ("5f4101ff", "Definite lengths."),
        "a text of indefinite length": ("7f6161ff", "Definite lengths."),
        "an array of indefinite length": ("9f01ff", "Definite lengths."),
        "a map of indefinite length": ("bf616101ff", "Definite lengths."),
        "a break": ("ff", "Definite lengths."),
    }
    return {"cut": cut, "behind": behind, "shortest": shortest, "indefinite": indefinite}


def _types() -> dict[str, dict[str, tuple[str, str]]]:
    floats = {
        "a half-precision float": ("f93c00", "There are no floats."),
        "a single-precision float": ("fa47c35000", "There are no floats."),
        "a double-precision float": ("fb3ff199999999999a", "There are no floats."),
        "NaN": ("f97e00", "There are no floats."),
    }
    simple = {
        "undefined": ("f7", "No other simple value."),
        "simple value 16": ("f0", "No other simple value."),
        "simple value 255": ("f8ff", "No other simple value."),
        "false in two bytes": ("f814", "No other simple value."),
        "reserved length 28": ("1c", "Not CBOR."),
    }
    tags = {
        "a bignum of 2^64": ("c249010000000000000000", "No tags."),
        "a negative bignum": ("c349010000000000000000", "No tags."),
        "a bignum of a small integer": ("c24101", "No tags."),
        "a date": ("c074323032362d31312d32335432313a33363a30305a", "No tags."),
        "a moment": ("c11a514b67b0", "No tags."),
        "encoded CBOR": ("d8184100", "No tags."),
        "a shared reference": ("d81c80", "No tags."),
        "a self-describing document": ("d9d9f780", "No tags."),
    }
    texts = {
        "text that is not UTF-8": ("61ff", "Text is UTF-8."),
        "a surrogate in text": ("63eda080", "Text is UTF-8."),
    }
    twice = {
        "a key twice": ("a2616100616100", "A key stands once."),
    }
    order = {
        "keys out of order": ("a2616200616100", "Bytewise order of the encoded keys."),
        "a long key before a short one": ("a262616100616200", "Bytewise order of the encoded keys."),
    }
    types = {
        "an integer as key": ("a10000", "Keys are texts."),
        "bytes as key": ("a1416100", "Keys are texts."),
        "true as key": ("a1f500", "Keys are texts."),
        "null as key": ("a1f600", "Keys are texts."),
        "an array as key": ("a18000", "Keys are texts."),
    }
    depths = {
        "13 nested arrays": (_nest(12), "The innermost is at level 13."),
        "an integer in 12 nested arrays": (_nest(12, "00"), "The integer is at level 13."),
        "5000 nested arrays": (_nest(4999), "A parser must not fail otherwise."),
    }
    keys = {"key-twice": twice, "key-order": order, "key-type": types}
    return {"float": floats, "simple": simple, "tag": tags, "utf-8": texts, **keys, "depth": depths}
