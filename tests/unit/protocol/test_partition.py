"""The partitioner is Kafka's own: vectors from org.apache.kafka.common.utils.UtilsTest.testMurmur2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2

from solekey_protocol.partition import _murmur2, derive_partition


@pytest.mark.parametrize(
    ("data", "signed_hash"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_the_java_clients(data: bytes, signed_hash: int) -> None:
    assert _murmur2(data) == signed_hash & 0xFFFFFFFF


@given(st.binary(max_size=64))
def test_murmur2_agrees_with_kafka_python(data: bytes) -> None:
    assert _murmur2(data) == murmur2(data)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=64), st.integers(1, 64))
def test_a_partition_exists(key: str, partitions: int) -> None:
    assert 0 <= derive_partition(key, partitions) < partitions
