"""A, continued: a record, spelt otherwise. Who hashes other bytes can show two people two histories."""

import zlib
from collections.abc import Callable

from tamper.classes.editing import replace_record, reshape, respell
from tamper.classes.history import HISTORY
from tamper.tampering import Exhibit, honest

_add = HISTORY.add
_FACT, _SAID = "ada.codes", "ada.phone commit"


def spell(
    what: str, name: str, old: bytes, new: bytes, *expects: str, named: bool = True, reason: str = ""
) -> None:
    """Spell a part of a record otherwise."""
    _add(
        f"spelling: {what}",
        respell(name, old, new),
        *(expects or ("REC-01", "REC-02")),
        named=named,
        reason=reason,
    )


def shape(what: str, make: Callable[[bytes], bytes], *, named: bool = True, reason: str = "") -> None:
    """Put the bytes of a record into another shape."""
    _add(f"spelling: {what}", reshape(_FACT, make), "REC-01", "REC-02", named=named, reason=reason)


spell("a blank after a colon", _FACT, b'"seq":', b'"seq": ')
spell("a blank before a comma", _FACT, b',"seq"', b' ,"seq"')
spell("a tab", _FACT, b'"seq":', b'"seq":\t')
spell(
    "members in another order",
    _FACT,
    b'"source":"solekey/auth","specversion":"1.0"',
    b'"specversion":"1.0","source":"solekey/auth"',
)
spell("a letter as an escape", _FACT, b'"recovery_codes"', b'"\\u0072ecovery_codes"')
spell("a slash as an escape", _FACT, b"solekey/auth", b"solekey\\/auth")
spell("a member twice", _FACT, b'"stream":"auth"', b'"stream":"auth","stream":"auth"')
spell("a member twice, first another", _FACT, b'"stream":"auth"', b'"stream":"vault","stream":"auth"')
spell("an integer with a fraction", _SAID, b'"count":1', b'"count":1.0')
spell("an integer with an exponent", _SAID, b'"count":1', b'"count":1e0')
spell(
    "an integer with a leading zero",
    _SAID,
    b'"count":1',
    b'"count":01',
    named=False,
    reason="it is no JSON: it claims nothing",
)
spell(
    "an integer of 5,000 digits",
    _SAID,
    b'"count":1',
    b'"count":' + b"9" * 5_000,
    named=False,
    reason="it is no JSON: it claims nothing",
)
spell("an integer beyond 2^53", _SAID, b'"count":1', b'"count":9007199254740993')
spell("minus zero", _SAID, b'"count":1', b'"count":-0')
spell("an integer as text", _SAID, b'"count":1', b'"count":"1"')
spell("NaN", _SAID, b'"count":1', b'"count":NaN')
spell("true in the place of 1", _SAID, b'"count":1', b'"count":true')
spell("null", _SAID, b'"count":1', b'"count":null')
spell("hex in capitals", _SAID, b'"changes":"', b'"changes":"AB', "REC-02")
spell("a digit of another script", _SAID, b'"id":"acc_', '"id":"acc_\uff11'.encode(), "REC-02", "REC-01")
spell("an override of the direction", _FACT, b'"id":"', '"id":"\u202e'.encode(), "REC-02", "REC-01")
spell("a zero byte as an escape", _FACT, b'"id":"', b'"id":"\\u0000', "REC-02", "REC-01")
spell("half of a surrogate pair", _FACT, b'"id":"', b'"id":"\\ud800', "REC-02", "REC-01")
spell(
    "bytes that are no UTF-8",
    _FACT,
    b'"id":"',
    b'"id":"\xff\xfe',
    named=False,
    reason="it is no JSON: it claims nothing",
)
spell(
    "UTF-8 in a longer form",
    _FACT,
    b'"id":"',
    b'"id":"\xc0\xaf',
    named=False,
    reason="it is no JSON: it claims nothing",
)
spell(
    "single quotes", _FACT, b'"source"', b"'source'", named=False, reason="it is no JSON: it claims nothing"
)
spell(
    "a comment", _FACT, b'"source"', b'/* */"source"', named=False, reason="it is no JSON: it claims nothing"
)
spell(
    "a comma at the end",
    _FACT,
    b'"type":"solekey.auth.mfa_enrolled.v1"}',
    b'"type":"solekey.auth.mfa_enrolled.v1",}',
    named=False,
    reason="it is no JSON: it claims nothing",
)
spell("a carriage return at the end", _FACT, b'.v1"}', b'.v1"}\r')
spell("a blank at the end", _FACT, b'.v1"}', b'.v1"} ')
spell(
    "a zero byte at the end",
    _FACT,
    b'.v1"}',
    b'.v1"}\x00',
    named=False,
    reason="it is no JSON: it claims nothing",
)
shape("a byte order mark", lambda raw: b"\xef\xbb\xbf" + raw)
shape(
    "UTF-16",
    lambda raw: raw.decode().encode("utf-16"),
    named=False,
    reason="it is no JSON in UTF-8: it claims nothing",
)
shape("in an array", lambda raw: b"[" + raw + b"]", named=False, reason="an array claims nothing")
shape("two records in one", lambda raw: raw + raw, named=False, reason="it is no JSON: it claims nothing")
shape(
    "cut in the middle",
    lambda raw: raw[: len(raw) // 2],
    named=False,
    reason="it is no JSON: it claims nothing",
)
shape("nothing", lambda _: b"", named=False, reason="no bytes claim nothing")
shape("a line feed", lambda _: b"\n", named=False, reason="no bytes claim nothing")
shape("null", lambda _: b"null", named=False, reason="it claims nothing")
shape("10,000 brackets", lambda _: b"[" * 10_000 + b"]" * 10_000, named=False, reason="it claims nothing")
shape(
    "70,000 bytes",
    lambda raw: raw.replace(b'"id":"', b'"id":"' + b"a" * 70_000),
    named=False,
    reason="it is longer than a record may be: it is not read",
)
shape("compressed", zlib.compress, named=False, reason="it is no JSON: it claims nothing")


def append_garbage() -> Exhibit:
    """Bytes that are no event, beside an honest log."""
    return Exhibit([*honest().records, b"the spare key is under the third flower pot"])


_add(
    "spelling: plaintext beside the events", append_garbage, "REC-01", named=False, reason="it claims nothing"
)
_add(
    "spelling: the record of another step",
    lambda: replace_record(_FACT, honest().find("ben.codes").raw),
    "CHN-01",
    "CHN-03",
)
