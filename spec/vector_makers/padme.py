"""Padded sizes: Padmé and the inner plaintext. Spec: envelope.md §3."""

from vector_makers.sealing import compute_padme
from vector_makers.vector import Vector, VectorFile

# From the formula by hand, so that the table does not rest on our arithmetic alone.
BY_HAND = {0: 0, 1: 1, 2: 2, 8: 8, 9: 10, 15: 16, 17: 18, 33: 36, 255: 256, 256: 256, 257: 272, 273: 288}
SIZES = (
    *(3, 4, 5, 6, 7, 16, 31, 32, 63, 64, 65, 100, 127, 128, 129, 240, 241, 254),
    *(300, 511, 512, 513, 1000, 1023, 1025, 4095, 4096, 4097, 8192, 8193, 10_000, 65_535, 65_536, 65_537),
    *(1_000_000, 2**20 - 1, 2**20 + 1, 2**24 + 1, 2**30 - 1, 2**32 - 1, 2**32, 2**32 + 1, 10**12),
    *(2**40 - 2**33, 2**40 - 2**33 + 1, 2**40 - 1, 2**40),
)
MAX_INNER_BYTES = 2**40


def make_file() -> VectorFile:
    """Make the vectors."""
    for size, padded in BY_HAND.items():
        if compute_padme(size) != padded:
            raise AssertionError(f"Padmé({size}) is {padded}")
    sizes = sorted({*BY_HAND, *SIZES})
    too_large = (MAX_INNER_BYTES + 1, 2**41, 2**53 - 1)
    return VectorFile(
        "padme",
        "envelope.md",
        "Sizes before and after padding.",
        [
            *(
                Vector(
                    f"size {size}",
                    "§3",
                    "Rounded up to a multiple of 2^max(E-S, 0); an inner plaintext has 256 bytes or more.",
                    {"size": size},
                    output={"padme": compute_padme(size), "inner": compute_padme(max(size, 256))},
                )
                for size in sizes
            ),
            *(
                Vector(
                    f"too large: {size}",
                    "§3 largest",
                    "No inner plaintext is larger than 2^40 bytes.",
                    {"size": size},
                    "malformed",
                )
                for size in too_large
            ),
        ],
    )
