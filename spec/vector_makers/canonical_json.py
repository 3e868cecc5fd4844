"""Canonical JSON, written down by hand. Spec: conventions.md §3.1."""

from collections.abc import Mapping

from vector_makers.vector import Vector, VectorFile

Texts = Mapping[str, tuple[bytes, str]]


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "JSON that is canonical, JSON that is only JSON, and what is neither."
    vectors = [*_canonical(), *_brought_into_form(), *_refused_by_both(), *_refused_spellings()]
    return VectorFile("canonical_json", "conventions.md", about, vectors)


def _given(parser: str, text: bytes) -> dict[str, str]:
    return {"parser": parser, "text": text.hex()}


def _nest(levels: int, inner: bytes = b"") -> bytes:
    return b"[" * levels + inner + b"]" * levels


def _canonical() -> list[Vector]:
    cases: Texts = {
        "null": (b"null", "A scalar is a document."),
        "an empty object": (b"{}", "A document."),
        "an empty text": (b'""', "A document."),
        "a member with an empty key": (b'{"":0}', "Any text is a key."),
        "every kind": (b'{"a":[null,true,false],"b":{"c":"d"},"e":-7}', "Every kind of value."),
        "the largest integer": (b"9007199254740991", "2^53 - 1."),
        "the smallest integer": (b"-9007199254740991", "-(2^53 - 1)."),
        "the escapes": (rb'"\b\t\n\f\r\"\\\u0000\u001f"', "What must be escaped, and how."),
        "nothing else is escaped": ('"/\x7f\u0085\u2028\u20ac\U0001f511"'.encode(), "These stand as UTF-8."),
        "keys by UTF-16 code units": (
            '{"\r":1,"1":2,"\u0080":3,"\u00f6":4,"\u20ac":5,"\U0001f600":6,"\ufb33":7}'.replace(
                "\r", "\\r"
            ).encode(),
            "RFC 8785 §3.2.3: U+1F600 (d83d de00) stands before U+FB33.",
        ),
        "keys that are prefixes": (b'{"a":0,"a0":0,"aa":0}', "The shorter stands first."),
        "capitals first": (b'{"A":0,"a":0}', "Code units, not a dictionary's order."),
        "texts in two normal forms": ('["\u00e9","e\u0301"]'.encode(), "Texts are not normalised."),
        "12 nested arrays": (_nest(12), "The innermost is at level 12."),
        "a number in 11 nested arrays": (_nest(11, b"1"), "The number is at level 12."),
        "12 levels of objects": (b'{"a":' * 11 + b"{}" + b"}" * 11, "Keys are not levels."),
    }
    return [
        Vector(f"canonical: {name}", "§3.1", why, _given("canonical", text), output={"canonical": text.hex()})
        for name, (text, why) in cases.items()
    ]


def _brought_into_form() -> list[Vector]:
    cases = {
        "white space": (b' {\t"a" :\r\n[ 1 , 2 ] } ', b'{"a":[1,2]}', "Dropped."),
        "the order of members": (b'{"b":1,"a":2}', b'{"a":2,"b":1}', "Sorted."),
        "escapes": (
            b'"\\u0041\\/\\u00e9\\ud83d\\udd11\\u000A"',
            '"A/\u00e9\U0001f511\\n"'.encode(),
            "Shortest.",
        ),
        "minus zero": (b"-0", b"0", "Zero is 0."),
        "what is canonical": (b'{"a":[]}', b'{"a":[]}', "It stays."),
    }
    return [
        Vector(
            f"lenient: {name}", "§3.1", why, _given("lenient", text), output={"canonical": canonical.hex()}
        )
        for name, (text, canonical, why) in cases.items()
    ]


def _refused_by_both() -> list[Vector]:
    texts: Texts = {
        "nothing": (b"", "Not one JSON text."),
        "white space alone": (b" ", "Not one JSON text."),
        "two texts": (b"1 2", "Not one JSON text."),
        "a cut object": (b'{"a":1', "Not JSON."),
        "a comma too many": (b"[1,]", "Not JSON."),
        "a comment": (b"[1]//", "Not JSON."),
        "single quotes": (b"{'a':1}", "Not JSON."),
        "a key without quotes": (b"{a:1}", "Not JSON."),
        "a number as key": (b"{1:1}", "Not JSON."),
        "an unknown word": (b"True", "Not JSON."),
        "NaN": (b"NaN", "Not JSON."),
        "Infinity": (b"-Infinity", "Not JSON."),
        "a leading zero": (b"01", "Not JSON."),
        "a plus sign": (b"+1", "Not JSON."),
        "hex": (b"0x1", "Not JSON."),
    }
    numbers: Texts = {
        "a fraction": (b"0.5", "There are no floats."),
        "1.0": (b"1.0", "There are no floats, though the value is an integer."),
        "1e0": (b"1e0", "There are no floats, though the value is an integer."),
        "1E400": (b"1E400", "There are no floats."),
    }
    ranges: Texts = {
        "2^53": (b"9007199254740992", "Beyond 2^53 - 1."),
        "-2^53": (b"-9007199254740992", "Beyond -(2^53 - 1)."),
        "an integer of 5000 digits": (b"1" * 5000, "Beyond 2^53 - 1."),
    }
    keys: Texts = {
        "a key twice": (b'{"a":1,"a":1}', "A key stands once."),
        "a key twice, in two spellings": (b'{"a":1,"\\u0061":1}', "A key stands once."),
        "a key twice, deep inside": (b'[{"a":{"b":1,"b":2}}]', "A key stands once, at every level."),
    }
    surrogates: Texts = {
        "a lone high surrogate": (b'"\\ud800"', "No Unicode text."),
        "a lone low surrogate": (b'"\\udc00"', "No Unicode text."),
        "surrogates in the wrong order": (b'"\\udd11\\ud83d"', "No Unicode text."),
        "a lone surrogate in a key": (b'{"\\ud800":1}', "No Unicode text."),
    }
    bytes_: Texts = {
        "a lone surrogate, raw": (b'"\xed\xa0\x80"', "Not UTF-8."),
        "bytes that are not UTF-8": (b'"\xff"', "Not UTF-8."),
        "an overlong slash": (b'"\xc0\xaf"', "Not UTF-8."),
        "a byte order mark": (b"\xef\xbb\xbf{}", "No byte order mark."),
        "UTF-16": ("{}".encode("utf-16-le"), "Not UTF-8."),
    }
    escapes: Texts = {
        "a raw control character": (b'"\n"', "Control characters are escaped."),
        "an unknown escape": (b'"\\x41"', "Not JSON."),
        "a cut escape": (b'"\\u00e"', "Not JSON."),
    }
    depths: Texts = {
        "13 nested arrays": (_nest(13), "The innermost is at level 13."),
        "a number in 12 nested arrays": (_nest(12, b"1"), "The number is at level 13."),
        "13 nested objects": (b'{"a":' * 12 + b"{}" + b"}" * 12, "The innermost is at level 13."),
        "3000 nested arrays": (_nest(3000), "A parser must not fail otherwise."),
    }
    rules = {
        "utf-8": bytes_,
        "json": {**texts, **escapes},
        "float": numbers,
        "range": ranges,
        "key-twice": keys,
        "surrogate": surrogates,
        "depth": depths,
    }
    return [
        Vector(f"{parser} refuses: {name}", f"§3.1 {rule}", why, _given(parser, text), "malformed")
        for rule, cases in rules.items()
        for name, (text, why) in cases.items()
        for parser in ("lenient", "canonical")
    ]


def _refused_spellings() -> list[Vector]:
    cases: Texts = {
        "a space": (b'{"a": 1}', "No white space."),
        "a line end behind": (b"{}\n", "No white space."),
        "members in another order": (b'{"b":1,"a":2}', "Sorted."),
        "keys by code points": (
            '{"\ufb33":7,"\U0001f600":6}'.encode(),
            "By UTF-16 code units U+1F600 stands first.",
        ),
        "an escape that is not needed": (b'"\\u0041"', "Shortest."),
        "a slash as an escape": (b'"\\/"', "Shortest."),
        "a letter beyond ASCII as an escape": (b'"\\u00e9"', "It stands as UTF-8."),
        "a surrogate pair as escapes": (b'"\\ud83d\\udd11"', "It stands as UTF-8."),
        "a line end as \\u000a": (b'"\\u000a"', "It is \\n."),
        "an escape in capitals": (b'"\\u001F"', "Lower-case hex."),
        "minus zero": (b"-0", "Zero is 0."),
    }
    return [
        Vector(f"not canonical: {name}", "§3.1 spelling", why, _given("canonical", text), "malformed")
        for name, (text, why) in cases.items()
    ]
