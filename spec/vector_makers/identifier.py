"""Identifiers: one spelling each. Spec: conventions.md §2."""

from vector_makers.primitives import ACCOUNT, counting, encode_id
from vector_makers.vector import Vector, VectorFile

PREFIXES = {"account": "acc", "device": "dev", "item": "itm", "rotation": "rot", "session": "ses"}
HEX = {"digest": 32, "public_key": 32, "signature": 64, "key_id": 16}
MOMENT = "2026-11-23T21:36:00.125Z"


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "Identifiers, digests, keys and timestamps, and every other spelling of them."
    vectors = [
        *_accepted(),
        *_refused_ids(),
        *_refused_hex(),
        *_refused_keys(),
        *_timestamps(),
        *_refused_timestamps(),
    ]
    return VectorFile("identifier", "conventions.md", about, vectors)


def _accept(name: str, kind: str, text: str, raw: bytes) -> Vector:
    given = {"kind": kind, "text": text}
    return Vector(name, "§2", "A spelling and its bytes.", given, output={"raw": raw.hex()})


def _refuse(rule: str, name: str, kind: str, text: str, why: str) -> Vector:
    return Vector(f"{kind}: {name}", f"§2 {rule}", why, {"kind": kind, "text": text}, "malformed")


def _accepted() -> list[Vector]:
    raws = {"counting": counting(0, 16), "zeros": bytes(16), "ones": b"\xff" * 16}
    return [
        *(
            _accept(f"{kind}: {name}", kind, encode_id(prefix, raw), raw)
            for kind, prefix in PREFIXES.items()
            for name, raw in raws.items()
        ),
        *(
            _accept(f"{kind}: {size} bytes", kind, counting(0xA0, size).hex(), counting(0xA0, size))
            for kind, size in HEX.items()
        ),
    ]


def _refused_ids() -> list[Vector]:
    body = ACCOUNT.removeprefix("acc_")
    cases = {
        "nothing": ("", "No spelling."),
        "no prefix": (body, "The prefix is part of it."),
        "another prefix": (f"itm_{body}", "Kinds are told apart."),
        "an unknown prefix": (f"abc_{body}", "Kinds are told apart."),
        "a prefix in capitals": (f"ACC_{body}", "Lower case only."),
        "a hyphen": (f"acc-{body}", "The separator is an underscore."),
        "capitals": (f"acc_{body.upper()}", "Lower case only."),
        "one capital": (f"acc_{body[0].upper()}{body[1:]}", "Lower case only."),
        "a digit 1": (f"acc_1{body[1:]}", "Base32 has no 0, 1, 8 and 9."),
        "a digit 8": (f"acc_8{body[1:]}", "Base32 has no 0, 1, 8 and 9."),
        "25 characters": (f"acc_{body[:-1]}", "26 characters."),
        "27 characters": (f"acc_{body}a", "26 characters."),
        "padding": (f"acc_{body}======", "No padding."),
        "bits beyond the last byte": (f"acc_{body[:-1]}5", "The last character is one of a e i m q u y 4."),
        "bits beyond the last byte, a letter": (
            f"acc_{body[:-1]}b",
            "The last character is one of a e i m q u y 4.",
        ),
        "a line end behind": (f"{ACCOUNT}\n", "Nothing follows."),
        "a space before": (f" {ACCOUNT}", "Nothing precedes."),
        "a letter beyond ASCII": (f"acc_\uff41{body[1:]}", "ASCII only."),
        "raw hex": (counting(0x20, 16).hex(), "Base32."),
    }
    return [_refuse("prefixed", name, "account", text, why) for name, (text, why) in cases.items()]


def _refused_hex() -> list[Vector]:
    vectors = []
    for kind, size in HEX.items():
        text = counting(0xA0, size).hex()
        cases = {
            "nothing": ("", "No spelling."),
            "capitals": (text.upper(), "Lower case only."),
            "a character too few": (text[:-1], "An exact length."),
            "a byte too many": (f"{text}00", "An exact length."),
            "a letter that is no hex": (f"{text[:-1]}g", "Hex."),
            "a line end behind": (f"{text}\n", "Nothing follows."),
            "0x before": (f"0x{text[2:]}", "Hex alone."),
            "a digit beyond ASCII": (f"\u0661{text[1:]}", "ASCII only."),
        }
        vectors += [_refuse("hex", name, kind, value, why) for name, (value, why) in cases.items()]
    return vectors


def _refused_keys() -> list[Vector]:
    prime = 2**255 - 19
    order_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
    cases = {
        "order 1": (1, "One signature fits every message."),
        "order 2": (prime - 1, "A point of small order."),
        "order 4": (0, "A point of small order."),
        "order 8": (order_8, "A point of small order."),
        "order 8, the other": (prime - order_8, "A point of small order."),
        **{
            f"p + {more}": (prime + more, "The coordinate is below p in the one spelling of a point.")
            for more in range(19)
        },
    }
    return [
        _refuse("public-key", f"{name}, sign {sign}", "public_key", _encode_point(y, sign), why)
        for name, (y, why) in cases.items()
        for sign in (0, 1)
    ]


def _encode_point(y: int, sign: int) -> str:
    return (y | sign << 255).to_bytes(32, "little").hex()


def _timestamps() -> list[Vector]:
    cases = {
        "a moment": (MOMENT, 1_795_469_760_125),
        "the epoch": ("1970-01-01T00:00:00.000Z", 0),
        "before the epoch": ("1969-12-31T23:59:59.999Z", -1),
        "a leap day": ("2028-02-29T12:00:00.000Z", 1_835_438_400_000),
        "the leap day of 2000": ("2000-02-29T23:59:59.999Z", 951_868_799_999),
        "the last": ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        "the first": ("0001-01-01T00:00:00.000Z", -62_135_596_800_000),
    }
    return [
        Vector(
            f"timestamp: {name}",
            "§2",
            "Milliseconds since 1970-01-01, without leap seconds.",
            {"kind": "timestamp", "text": text},
            output={"unix_ms": moment},
        )
        for name, (text, moment) in cases.items()
    ]


def _refused_timestamps() -> list[Vector]:
    cases = {
        "no decimals": ("2026-11-23T21:36:00Z", "Always three decimals."),
        "two decimals": ("2026-11-23T21:36:00.12Z", "Always three decimals."),
        "six decimals": ("2026-11-23T21:36:00.125000Z", "Always three decimals."),
        "a decimal comma": ("2026-11-23T21:36:00,125Z", "A point."),
        "an offset": ("2026-11-23T21:36:00.125+00:00", "UTC is Z."),
        "no zone": ("2026-11-23T21:36:00.125", "UTC is Z."),
        "lower case": ("2026-11-23t21:36:00.125z", "T and Z are capitals."),
        "a space": ("2026-11-23 21:36:00.125Z", "T and Z are capitals."),
    }
    moments = {
        "month 13": ("2026-13-01T00:00:00.000Z", "No such month."),
        "month 0": ("2026-00-01T00:00:00.000Z", "No such month."),
        "day 0": ("2026-11-00T00:00:00.000Z", "No such day."),
        "31 November": ("2026-11-31T00:00:00.000Z", "No such day."),
        "29 February 2027": ("2027-02-29T00:00:00.000Z", "No leap year."),
        "29 February 1900": ("1900-02-29T00:00:00.000Z", "No leap year."),
        "hour 24": ("2026-11-23T24:00:00.000Z", "No such hour."),
        "minute 60": ("2026-11-23T21:60:00.000Z", "No such minute."),
        "a leap second": ("2016-12-31T23:59:60.000Z", "There are no leap seconds."),
        "year 0": ("0000-01-01T00:00:00.000Z", "Years begin at 1."),
    }
    cases |= {
        "a five-digit year": ("10000-01-01T00:00:00.000Z", "Four digits."),
        "a line end behind": (f"{MOMENT}\n", "Nothing follows."),
        "a digit beyond ASCII": ("\u0662026-11-23T21:36:00.125Z", "ASCII only."),
    }
    rules = {"timestamp-form": cases, "timestamp-moment": moments}
    return [
        _refuse(rule, name, "timestamp", text, why)
        for rule, texts in rules.items()
        for name, (text, why) in texts.items()
    ]
