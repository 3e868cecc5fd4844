"""Change lists of format 2. Spec: vault.md §4."""

from collections.abc import Sequence
from typing import Any

from vector_makers.primitives import ITEM_RAW, OTHER_ITEM_RAW, counting, encode_id, sha256
from vector_makers.vector import Vector, VectorFile

PART_BYTES = 8 << 20
HEADER, DIGEST = sha256(b"header"), sha256(b"part")
PUT: Sequence[Any] = [ITEM_RAW, 1, 1, 330, HEADER, [[DIGEST, 330]]]
REMOVAL: Sequence[Any] = [ITEM_RAW, 2, 0, 0, b"", []]
OTHER: Sequence[Any] = [OTHER_ITEM_RAW, 5, 2, 400, HEADER, [[DIGEST, 330], [sha256(b"more"), 70]]]


def make_file() -> VectorFile:
    """Make the vectors."""
    about = "What a commit changes, as every reader of change lists must read it."
    return VectorFile("change_list", "vault.md", about, [*_accepted(), *_refused()])


def encode(value: Any) -> bytes:
    """Encode in deterministic CBOR. Spec: conventions.md §3.2."""
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, bool) or value is None:
        return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    return _head(4, len(value)) + b"".join(encode(member) for member in value)


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    power = next(power for power in range(4) if number < 1 << (8 << power))
    return bytes([major << 5 | 24 + power]) + number.to_bytes(1 << power, "big")


def _with(row: Sequence[Any], place: int, value: Any) -> list[Any]:
    return [*row[:place], value, *row[place + 1 :]]


def show_change(row: Sequence[Any]) -> dict[str, Any]:
    """Show a change as the vectors do."""
    item, version, epoch, size, header, parts = row
    return {
        "item": encode_id("itm", item),
        "version": version,
        "epoch": epoch,
        "size": size,
        "header": header.hex() or None,
        "parts": [[digest.hex(), part_size] for digest, part_size in parts],
    }


def _accepted() -> list[Vector]:
    many = [_with(PUT, 0, counting(number, 16)) for number in range(24)]
    large = [*PUT[:3], PART_BYTES + 1, HEADER, [[DIGEST, PART_BYTES], [DIGEST, 1]]]
    cases: dict[str, tuple[list[Sequence[Any]], str]] = {
        "an item": ([PUT], "One part."),
        "nothing": ([], "A snapshot of an account that never had an item."),
        "a removal": ([REMOVAL], "No epoch, no size, no header and no parts."),
        "two items": ([PUT, OTHER], "Sorted by item id."),
        "24 items": (many, "A length that takes a byte of its own."),
        "the largest part and the smallest": ([large], "1 byte … 8 MiB."),
        "the largest numbers": (
            [_with(_with(PUT, 1, 2**31 - 1), 2, 2**31 - 1)],
            "Version and epoch 2^31 - 1.",
        ),
    }
    return [
        Vector(
            f"parses: {name}",
            "§4",
            why,
            {"data": encode([2, rows]).hex()},
            output={"changes": [show_change(row) for row in rows]},
        )
        for name, (rows, why) in cases.items()
    ]


def _refused() -> list[Vector]:
    rules = {
        "cbor": _not_cbor(),
        "shape": _shapes(),
        "range": _ranges(),
        "order": {
            "the other order": (encode([2, [OTHER, PUT]]), "Sorted by item id."),
            "an item twice": (encode([2, [PUT, PUT]]), "Each item once."),
            "a removal and a version of one item": (encode([2, [PUT, REMOVAL]]), "Each item once."),
        },
        "sizes": {
            "a size too small": (_row(_with(PUT, 3, 329)), "The sum of the parts."),
            "a size too large": (_row(_with(PUT, 3, 331)), "The sum of the parts."),
            "the size of the first part": (_row(_with(OTHER, 3, 330)), "The sum of all parts."),
            "a removal with a size": (_row(_with(REMOVAL, 3, 1)), "It has no parts."),
        },
        "removal": {
            "parts without an epoch": (_row(_with(PUT, 2, 0)), "Epoch 0 removes."),
            "an epoch without parts": (_row(_with(REMOVAL, 2, 1)), "What is there has parts."),
        },
        "header": {
            "parts without a header": (_row(_with(PUT, 4, b"")), "32 bytes, or no parts."),
            "a removal with a header": (_row(_with(REMOVAL, 4, HEADER)), "A removal has no envelope."),
            "a header of 31 bytes": (_row(_with(PUT, 4, HEADER[:31])), "32 bytes."),
            "a header of 33 bytes": (_row(_with(PUT, 4, HEADER + b"\x00")), "32 bytes."),
        },
    }
    return [
        Vector(f"{rule}: {name}", f"§4 {rule}", why, {"data": data.hex()}, "malformed")
        for rule, cases in rules.items()
        for name, (data, why) in cases.items()
    ]


def _row(row: Sequence[Any]) -> bytes:
    return encode([2, [row]])


def _not_cbor() -> dict[str, tuple[bytes, str]]:
    good = _row(PUT)
    return {
        "nothing": (b"", "No value."),
        "cut": (good[:-1], "Cut."),
        "a byte behind": (good + b"\x00", "Nothing follows."),
        "a length that is not the shortest": (
            b"\x82\x02\x98\x01" + good[3:],
            "Shortest form.",
        ),
        "an indefinite length": (b"\x82\x02\x9f" + encode(PUT) + b"\xff", "Definite lengths."),
        "a tag": (b"\xc0" + good, "No tags."),
    }


def _shapes() -> dict[str, tuple[bytes, str]]:
    return {
        "format 1": (encode([1, [PUT]]), "Format 2."),
        "format 3": (encode([3, [PUT]]), "Format 2."),
        "no format": (encode([[PUT]]), "Format and changes."),
        "a third member": (encode([2, [PUT], None]), "Format and changes."),
        "changes that are no array": (encode([2, None]), "An array."),
        "five members of a change": (_row(PUT[:5]), "Six: format 1 had no header."),
        "seven members of a change": (_row([*PUT, None]), "Six."),
        "an item as text": (_row(_with(PUT, 0, encode_id("itm", ITEM_RAW))), "16 bytes."),
        "a version as text": (_row(_with(PUT, 1, "1")), "An integer."),
        "a version true": (_row(_with(PUT, 1, True)), "An integer."),
        "a header that is null": (_row(_with(REMOVAL, 4, None)), "An empty byte string."),
        "parts that are null": (_row(_with(REMOVAL, 5, None)), "An empty array."),
        "a part of three members": (_row(_with(PUT, 5, [[DIGEST, 330, 0]])), "Digest and size."),
        "a part's digest as text": (_row(_with(PUT, 5, [[DIGEST.hex(), 330]])), "32 bytes."),
    }


def _ranges() -> dict[str, tuple[bytes, str]]:
    too_large = [*PUT[:3], PART_BYTES + 1, HEADER, [[DIGEST, PART_BYTES + 1]]]
    return {
        "an item of 15 bytes": (_row(_with(PUT, 0, ITEM_RAW[:15])), "16 bytes."),
        "an item of 17 bytes": (_row(_with(PUT, 0, ITEM_RAW + b"\x00")), "16 bytes."),
        "version 0": (_row(_with(PUT, 1, 0)), "Versions begin at 1."),
        "version -1": (_row(_with(PUT, 1, -1)), "Versions begin at 1."),
        "version 2^31": (_row(_with(PUT, 1, 2**31)), "2^31 - 1 at most."),
        "epoch -1": (_row(_with(REMOVAL, 2, -1)), "0 or more."),
        "epoch 2^31": (_row(_with(PUT, 2, 2**31)), "2^31 - 1 at most."),
        "a part of 0 bytes": (_row([*PUT[:3], 0, HEADER, [[DIGEST, 0]]]), "1 byte at least."),
        "a part above 8 MiB": (_row(too_large), "8 MiB at most."),
        "a digest of 31 bytes": (_row(_with(PUT, 5, [[DIGEST[:31], 330]])), "32 bytes."),
    }
