"""Structured mutations: what breaks parsers, drawn by hypothesis so that a finding shrinks and comes again.

Bytes: bit flips, odd bytes, truncation, appended, deleted, repeated, swapped and zeroed slices, splices with
another valid input, and lies in whatever may be a length field. JSON: members missing, added, renamed, of
another type, out of bounds, nested too deep, and other spellings of the same document. Text: words and
characters missing, repeated, swapped, replaced by look-alikes.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

_ODD_BYTES: Final = (0x00, 0x01, 0x0A, 0x20, 0x22, 0x30, 0x5C, 0x7F, 0x80, 0xC0, 0xED, 0xFE, 0xFF)
_LIES: Final = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 2**40, 2**53, 2**63 - 1, 2**64 - 1)
_ODD_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, -1, 0, 1, 255, 2**31 - 1, 2**31, 2**53 - 1, 2**53, -(2**63), 10**400),
    *(1.5, 1e308, float("nan"), float("inf")),
    *(
        "",
        " ",
        "0",
        "-1",
        "null",
        "\x00",
        "\n",
        "x" * 200,
        "x" * 70_000,
        "\ud800",
        "é",
        "\u0661",
        "../../x",
        "acc_",
    ),
    *([], {}, [[]], [None], {"": {}}, [1, 2], {"a": None}),
)
_ODD_TEXTS: Final = (
    *(
        "",
        " ",
        "\x00",
        "\n",
        "\r\n",
        "\t",
        "\x1b[31m",
        "\u2028",
        "\ufeff",
        "\u0661",
        "\u00b2",
        "\u0130",
        "\ud800",
    ),
    *(
        "%",
        "%00",
        "%zz",
        "=",
        ",",
        ";",
        ":",
        "-",
        "--",
        ".",
        "..",
        "/",
        "//",
        "\\",
        "[",
        "]",
        "{",
        "}",
        '"',
        "'",
    ),
    *("0", "-1", "+1", "00", "1e9", "9" * 20, "9" * 5000, "a" * 5000, "zoo", "abandon", "é", "\U0001f511"),
)
_NO_JSON: Final = object()
_MAX_MUTATIONS: Final = 3
_MAX_INSERTED: Final = 40

Mutate = Callable[[DrawFn, Any, Any], Any]
"""Draws a mutant of the second argument; the third is another valid input to take pieces from."""


@st.composite
def mutants(draw: DrawFn, valid: SearchStrategy[Any], mutate: Mutate) -> Any:
    """Draw a valid input and mutate it once or a few times."""
    mutant, other = draw(valid), draw(valid)
    for _ in range(draw(st.integers(1, _MAX_MUTATIONS))):
        mutant = mutate(draw, mutant, other)
    return mutant


def mutate_bytes(draw: DrawFn, data: bytes, other: bytes) -> bytes:
    """Mutate bytes at one or two places."""
    start, stop = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
    return draw(st.sampled_from(_BYTE_MUTATIONS))(draw, data, other, start, stop)


def mutate_text(draw: DrawFn, text: str, other: str) -> str:
    """Mutate text: by characters, or by words where it has any."""
    if draw(st.booleans()) and len(text.split()) > 1:
        return " ".join(_mutate_list(draw, text.split(), other.split() or [""]))
    start, stop = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    inserted = draw(st.sampled_from(_ODD_TEXTS) | st.text(max_size=3) | st.just(text[start:stop]))
    return draw(
        st.sampled_from(
            [
                text[:start] + inserted + text[stop:],
                text[:start] + inserted + text[start:],
                text[:start] + text[start + 1 :],
                text[:stop],
                text[:start] + other[start:],
                text[:start] + text[start:].swapcase(),
            ]
        )
    )


def mutate_json(draw: DrawFn, raw: bytes, other: bytes) -> bytes:
    """Mutate a JSON document: its tree, its spelling, or its bytes."""
    how = draw(st.sampled_from(["tree", "tree", "tree", "spelling", "bytes"]))
    document = _load(raw)
    if how == "bytes" or document is _NO_JSON:
        return mutate_bytes(draw, raw, other)
    if how == "tree":
        pieces = _load(other)
        document = _mutate_tree(draw, document, None if pieces is _NO_JSON else pieces)
        return _dump(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return _spell(draw, document)


def mutate_document(draw: DrawFn, raw: bytes, other: bytes) -> bytes:
    """Mutate a JSON document as a tree only: what is parsed from it is not what is to be tested."""
    return _dump(_mutate_tree(draw, json.loads(raw), json.loads(other)))


def _flip(draw: DrawFn, data: bytes, _: bytes, start: int, __: int) -> bytes:
    bit = 1 << draw(st.integers(0, 7))
    return data[:start] + bytes(byte ^ bit for byte in data[start : start + 1]) + data[start + 1 :]


def _set(draw: DrawFn, data: bytes, _: bytes, start: int, __: int) -> bytes:
    return data[:start] + bytes([draw(st.sampled_from(_ODD_BYTES))]) + data[start + 1 :]


def _insert(draw: DrawFn, data: bytes, _: bytes, start: int, __: int) -> bytes:
    return data[:start] + draw(st.binary(max_size=_MAX_INSERTED)) + data[start:]


def _append(draw: DrawFn, data: bytes, _: bytes, __: int, ___: int) -> bytes:
    return data + draw(st.binary(min_size=1, max_size=_MAX_INSERTED))


def _truncate(_: DrawFn, data: bytes, __: bytes, start: int, ___: int) -> bytes:
    return data[:start]


def _delete(_: DrawFn, data: bytes, __: bytes, start: int, stop: int) -> bytes:
    return data[:start] + data[stop:]


def _repeat(_: DrawFn, data: bytes, __: bytes, start: int, stop: int) -> bytes:
    return data[:stop] + data[start:]


def _zero(_: DrawFn, data: bytes, __: bytes, start: int, stop: int) -> bytes:
    return data[:start] + bytes(stop - start) + data[stop:]


def _swap(_: DrawFn, data: bytes, __: bytes, start: int, stop: int) -> bytes:
    size = min(stop - start, len(data) - stop)
    return (
        data[:start]
        + data[stop : stop + size]
        + data[start + size : stop]
        + data[start : start + size]
        + (data[stop + size :])
    )


def _splice(_: DrawFn, data: bytes, other: bytes, start: int, __: int) -> bytes:
    return data[:start] + other[start:]


def _replace(_: DrawFn, data: bytes, other: bytes, start: int, stop: int) -> bytes:
    return data[:start] + other[start:stop] + data[stop:]


def _lie(draw: DrawFn, data: bytes, _: bytes, start: int, __: int) -> bytes:
    width = draw(st.sampled_from([1, 2, 4, 8]))
    near = int.from_bytes(data[start : start + width], "big") + draw(st.sampled_from([-1, 1]))
    value = draw(st.sampled_from(_LIES) | st.just(near)) % (1 << (8 * width))
    order = draw(st.sampled_from(["big", "big", "little"]))
    return data[:start] + value.to_bytes(width, order) + data[start + width :]


_BYTE_MUTATIONS: Final = (
    *(_flip, _flip, _set, _insert, _append, _truncate, _delete, _repeat, _zero, _swap),
    *(_splice, _replace, _lie, _lie),
)


def _mutate_list(draw: DrawFn, members: list[Any], others: list[Any]) -> list[Any]:
    """Mutate a list that is not empty."""
    first, second = (draw(st.integers(0, len(members) - 1)) for _ in range(2))
    changed = list(members)
    match draw(st.sampled_from(["swap", "repeat", "delete", "take", "double"])):
        case "swap":
            changed[first], changed[second] = changed[second], changed[first]
        case "repeat":
            changed.insert(first, changed[second])
        case "delete":
            del changed[first]
        case "take":
            changed[first] = draw(st.sampled_from(others))
        case _:
            changed += changed
    return changed


def _mutate_tree(draw: DrawFn, document: Any, other: Any) -> Any:
    """Mutate a tree of objects and arrays at one place."""
    if not isinstance(document, dict | list) or not document or draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from([*_ODD_VALUES, other]) | _deep())
    if isinstance(document, list):
        if draw(st.booleans()):
            return _mutate_list(draw, document, other if isinstance(other, list) and other else [None])
        position = draw(st.integers(0, len(document) - 1))
        child = other[0] if isinstance(other, list) and other else None
        changed = _mutate_tree(draw, document[position], child)
        return [*document[:position], changed, *document[position + 1 :]]
    return _mutate_object(draw, document, other if isinstance(other, dict) else {})


def _mutate_object(draw: DrawFn, document: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(document)))
    changed = dict(document)
    match draw(
        st.sampled_from(["inside", "inside", "inside", "delete", "add", "rename", "take", "exchange"])
    ):
        case "inside":
            changed[name] = _mutate_tree(draw, document[name], other.get(name))
        case "delete":
            del changed[name]
        case "add":
            changed[draw(st.text(max_size=8))] = draw(st.sampled_from(_ODD_VALUES))
        case "rename":
            changed[name.upper() if draw(st.booleans()) else name + " "] = changed.pop(name)
        case "take":
            changed[name] = other.get(name)
        case _:
            changed[name] = document[draw(st.sampled_from(sorted(document)))]
    return changed


@st.composite
def _deep(draw: DrawFn) -> Any:
    value: Any = draw(st.sampled_from([0, "", None]))
    for _ in range(draw(st.sampled_from([2, 11, 12, 13, 200]))):
        value = [value] if draw(st.booleans()) else {"a": value}
    return value


def _spell(draw: DrawFn, document: Any) -> bytes:
    """Write the same document otherwise."""
    spelled = _dump(
        document,
        indent=draw(st.sampled_from([None, 1])),
        sort_keys=draw(st.booleans()),
        ensure_ascii=draw(st.booleans()),
    )
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    return spelled.decode(errors="surrogatepass").encode(encoding, errors="replace")


def _load(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):  # refused from the start, or mutated before
        return _NO_JSON


def _dump(document: Any, **options: Any) -> bytes:
    return json.dumps(document, **options).encode(errors="surrogatepass")
