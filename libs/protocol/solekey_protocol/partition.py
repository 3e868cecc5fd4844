"""Which partition a key belongs to: murmur2, as Kafka's own default partitioner has it.

Ours, and the same for every bus, so that the order per account survives a move from one bus to
another and does not depend on a client library's default. Checked against Kafka's own vectors.
"""

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def derive_partition(key: str, partitions: int) -> int:
    """Derive the partition of a key: (murmur2(UTF-8 key) & 0x7fffffff) mod the number of partitions."""
    return (_murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    """Compute org.apache.kafka.common.utils.Utils.murmur2 as an unsigned 32-bit number."""
    h = _SEED ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = h * _M & _MASK ^ k
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15
