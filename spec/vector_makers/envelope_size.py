"""Sizes of envelopes, as those read them who hold no key. Spec: envelope.md §4."""

from vector_makers.vector import Vector, VectorFile

HEADER, TAG = 74, 16


def make_file() -> VectorFile:
    """Make the vectors."""
    inners = {
        12: (256, 4096, 4352, 8192, 8704, 2**40),
        16: (256, 65_536, 67_584),
        20: (2**20,),
        22: (256, 2**30),
    }
    good = [
        _accept(f"inner {inner}, chunks of 2^{log2}", log2, inner)
        for log2, sizes in inners.items()
        for inner in sizes
    ]
    return VectorFile(
        "envelope_size",
        "envelope.md",
        "The inner plaintext's size from the envelope's size.",
        [*good, *_refused()],
    )


def _accept(name: str, log2: int, inner: int) -> Vector:
    chunks = -(-inner // (1 << log2))
    size = HEADER + inner + chunks * TAG
    return Vector(
        name,
        "§4",
        "header + inner plaintext + a tag a chunk",
        {"envelope_size": size, "chunk_size_log2": log2},
        output={"inner_size": inner, "chunks": chunks},
    )


def _refused() -> list[Vector]:
    full = (1 << 12) + TAG
    sizes = {
        "nothing": (0, "There is no header."),
        "header alone": (HEADER, "There is no final chunk."),
        "an empty chunk": (HEADER + TAG, "The inner plaintext would be empty."),
        "inner 255": (HEADER + 255 + TAG, "Below the smallest inner plaintext of 256 bytes."),
        "inner 257": (HEADER + 257 + TAG, "257 is no Padmé size: 272 is the next."),
        "inner 4353": (HEADER + 4353 + 2 * TAG, "4353 is no Padmé size."),
        "an empty final chunk": (HEADER + 2 * full + TAG, "A final chunk holds at least one byte."),
        "a final chunk cut inside its tag": (HEADER + 2 * full + 15, "15 bytes are not even a tag."),
        "inner above 2^40": (
            HEADER + (2**40 + 2**34) // 4096 * full,
            "A Padmé size, but larger than any inner plaintext.",
        ),
    }
    return [
        Vector(
            f"refused: {name}", "§4 size", why, {"envelope_size": size, "chunk_size_log2": 12}, "malformed"
        )
        for name, (size, why) in sizes.items()
    ]
