"""One AES-GCM ciphertext with one tag that verifies under two keys: why a key must be committed to.

The tag is linear in each ciphertext block, so one free block solves for equal tags
(Dodis et al., CRYPTO 2018).
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_R = 0xE1 << 120
_BLOCK = 16


def make_colliding(keys: tuple[bytes, bytes], nonce: bytes, plaintext: bytes, aad: bytes, free: int) -> bytes:
    """Encrypt under the first key; the plaintext's block `free` is given up so that both keys verify the tag.

    Both lengths are of whole blocks for the ciphertext; the associated data is padded as GCM does.
    """
    first, second = keys
    stream = b"".join(_encrypt_block(first, nonce, 2 + i) for i in range(len(plaintext) // _BLOCK))
    ciphertext = bytearray(a ^ b for a, b in zip(plaintext, stream, strict=True))
    start = free * _BLOCK
    ciphertext[start : start + _BLOCK] = bytes(_BLOCK)
    difference = _tag(first, nonce, aad, ciphertext) ^ _tag(second, nonce, aad, ciphertext)
    power = len(ciphertext) // _BLOCK - free + 1
    slope = _power(_hash_key(first), power) ^ _power(_hash_key(second), power)
    block = _multiply(difference, _power(slope, 2**128 - 2))
    ciphertext[start : start + _BLOCK] = block.to_bytes(_BLOCK, "big")
    return bytes(ciphertext) + _tag(first, nonce, aad, ciphertext).to_bytes(_BLOCK, "big")


def _tag(key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes | bytearray) -> int:
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(ciphertext)).to_bytes(8, "big")
    blocks = aad + bytes(-len(aad) % _BLOCK) + bytes(ciphertext) + lengths
    hash_key, state = _hash_key(key), 0
    for start in range(0, len(blocks), _BLOCK):
        state = _multiply(state ^ int.from_bytes(blocks[start : start + _BLOCK], "big"), hash_key)
    return state ^ int.from_bytes(_encrypt_block(key, nonce, 1), "big")


def _encrypt_block(key: bytes, nonce: bytes, counter: int) -> bytes:
    return _aes(key, nonce + counter.to_bytes(4, "big"))


def _hash_key(key: bytes) -> int:
    return int.from_bytes(_aes(key, bytes(_BLOCK)), "big")


def _aes(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - GCM's own building block
    return encryptor.update(block) + encryptor.finalize()


def _multiply(left: int, right: int) -> int:
    """Multiply in GCM's GF(2^128), whose bits stand in reverse."""
    product = 0
    for bit in range(127, -1, -1):
        if left >> bit & 1:
            product ^= right
        right = right >> 1 ^ (_R if right & 1 else 0)
    return product


def _power(base: int, exponent: int) -> int:
    result = 1 << 127
    while exponent:
        if exponent & 1:
            result = _multiply(result, base)
        base, exponent = _multiply(base, base), exponent >> 1
    return result
