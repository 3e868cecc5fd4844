"""Argon2id, given to the second decoder as SHA-256 is: each input is stretched once a process."""

from functools import cache

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id


@cache
def stretch(message: bytes, salt: bytes, size: int, iterations: int, lanes: int, memory_kib: int) -> bytes:
    kdf = Argon2id(salt=salt, length=size, iterations=iterations, lanes=lanes, memory_cost=memory_kib)
    return kdf.derive(message)
