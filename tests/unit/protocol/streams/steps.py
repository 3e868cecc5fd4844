"""Steps in a stream, as tests take them."""

from solekey_protocol.ids import RotationId
from tests.support.protocol.keyring import record

ROTATION = RotationId.from_raw(b"rotation of test")


def extend(stream, said):
    return stream.apply(record(said, stream.head), stream)
