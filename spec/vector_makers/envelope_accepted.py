"""Envelopes that open. Spec: envelope.md §2-5."""

from typing import Any

from vector_makers.collision import make_colliding
from vector_makers.primitives import OTHER_DATA_KEY, counting, decrypt, encode_id, encode_json, encrypt
from vector_makers.sealing import (
    CONTENT,
    LONG_CONTENT,
    METADATA,
    encode_inner,
    encode_place,
    encode_prefix,
    make_sealer,
    open_input,
)
from vector_makers.vector import Vector


def make_vectors() -> list[Vector]:
    """Make the vectors."""
    notes = {**METADATA, "attributes": {"a": "x" * 4096, "b": "\u00e9" * 100, "empty": ""}}
    limits = {
        "attributes": {f"k{'0' * (62 - len(str(i)))}{i}_": "" for i in range(64)},
        "conflict": {"device": encode_id("dev", bytes(16)), "item": encode_id("itm", b"\xff" * 16)},
        "created_ms": 0,
        "modified_ms": 2**53 - 1,
        "name": "\U0001f511" * 1024,
        "revision": 2**31 - 1,
        "tags": [str(i).rjust(128, "t") for i in range(64)],
        "type": "a" + "b.+_/-09" * 15 + "1234567",
    }
    texts = {
        **METADATA,
        "attributes": {"note": 'a\n\t"\\/\u2028\x7f\x00'},
        "name": "\u20ac \u00a0",
        "tags": ["\u00e9", "e\u0301"],
    }
    largest = {**METADATA, "attributes": {f"a{number:02}": "x" * 4096 for number in range(16)}}
    over = len(encode_json(largest)) - 65_536
    largest["attributes"]["a15"] = "x" * (4096 - over)
    filled = 256 - 8 - 4 - len(encode_json(METADATA))
    cases = {
        "nothing": (METADATA, b"", "An item without content is padded to 256 bytes."),
        "the content ends with zeros": (
            METADATA,
            CONTENT + bytes(9),
            "Padding is told by the length, not by the zeros.",
        ),
        "no padding": (METADATA, counting(1, filled), "The unpadded size is 256 already."),
        "one byte more than 256": (METADATA, counting(1, filled + 1), "257 bytes are padded to 272."),
        "three chunks": (METADATA, LONG_CONTENT, "Two whole chunks and a shorter final one."),
        "two whole chunks": (
            METADATA,
            counting(0, 8192 - 256 + filled),
            "The final chunk is whole; none follows it.",
        ),
        "metadata longer than a chunk": (notes, CONTENT, "Metadata in two chunks."),
        "every limit of the metadata": (
            limits,
            CONTENT,
            "Characters are code points, not UTF-16 units or bytes.",
        ),
        "metadata of 65,536 bytes": (largest, CONTENT, "Exactly the limit."),
        "every kind of character": (
            texts,
            CONTENT,
            "Attributes may hold control characters; tags are not normalised.",
        ),
    }
    vectors = [
        Vector(
            f"opens: {name}",
            "§6",
            why,
            open_input(make_sealer().seal(encode_inner(metadata, content))),
            output={"metadata": metadata, "content": content.hex()},
        )
        for name, (metadata, content, why) in cases.items()
    ]
    if len(encode_inner(content=LONG_CONTENT)) != 8704:
        raise AssertionError("three chunks are wanted")
    return [*vectors, *_accepted_headers(), _accept_colliding()]


def _accepted_headers() -> list[Vector]:
    cases: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
        "the example": ({"log2": 16}, {}, "The example of §8."),
        "the largest chunk size": ({"log2": 22}, {}, "4 MiB chunks; this one is the only, hence shorter."),
        "the largest epoch": ({"epoch": 2**31 - 1}, {}, "2^31 - 1 is inside the limits."),
        "the largest item version": ({}, {"version": 2**53 - 1}, "Versions are 8 bytes, up to 2^53 - 1."),
        "the first item version": ({}, {"version": 1}, "Versions begin at 1."),
    }
    output = {"metadata": METADATA, "content": CONTENT.hex()}
    return [
        Vector(
            f"opens: {name}",
            "§2",
            why,
            open_input(
                make_sealer(encode_prefix(**prefix), place=encode_place(**place)).seal(encode_inner()),
                epoch=prefix.get("epoch", 1),
                **place,
            ),
            output=output,
        )
        for name, (prefix, place, why) in cases.items()
    ]


def make_colliding_envelope() -> tuple[bytes, bytes]:
    """Seal one chunk whose tag verifies under two data keys; return it and its content under the first."""
    sealer = make_sealer()
    other = make_sealer(data_key=OTHER_DATA_KEY)
    inner = encode_inner(content=bytes(64))
    start = inner.index(b'"login"}') + len(b'"login"}')
    free = -(-start // 16)  # the first block that lies in the content alone
    nonce = bytes(11) + b"\x01"
    keys = (sealer.item_key, other.item_key)
    sealed = make_colliding(keys, nonce, inner, sealer.header + sealer.place, free)
    decrypt(other.item_key, nonce, sealed, sealer.header + sealer.place)  # raises unless it verifies
    stream = encrypt(sealer.item_key, nonce, bytes(len(inner)), b"")[: len(inner)]
    opened = bytes(a ^ b for a, b in zip(sealed[:-16], stream, strict=True))
    return sealer.header + sealed, opened[start : start + 64]


def _accept_colliding() -> Vector:
    envelope, content = make_colliding_envelope()
    return Vector(
        "opens: a ciphertext whose tag verifies under two data keys, with the first",
        "§7",
        "See the vector of the commitment that opens the same bytes with the other key.",
        open_input(envelope),
        output={"metadata": METADATA, "content": content.hex()},
    )
