"""The arithmetic of edwards25519 (RFC 8032 §5.1): for signatures that no library makes."""

import hashlib
from typing import Final

P: Final = 2**255 - 19
L: Final = 2**252 + 27742317777372353535851937790883648493
D: Final = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
"""x and y."""
IDENTITY: Final[Point] = (0, 1)


def add(a: Point, b: Point) -> Point:
    """Add two points."""
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P
    return x, (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P


def multiply(scalar: int, point: Point) -> Point:
    """Multiply a point."""
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def encode(point: Point) -> bytes:
    """Encode a point in its one canonical spelling."""
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(encoded: bytes) -> Point:
    """Decode a point. Raises ValueError where the curve has none."""
    number = int.from_bytes(encoded, "little")
    y, sign = number % 2**255, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        raise ValueError("no point of the curve")
    return (P - x if x & 1 != sign else x), y


BASE: Final = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
ORDER_8: Final = decode(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))
"""A point of order 8."""


def hash_challenge(r: bytes, key: bytes, message: bytes) -> int:
    """What a signer multiplies his secret with."""
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
