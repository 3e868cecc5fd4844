"""Fixed inputs that several tests of the client's cryptography share."""

from solekey.crypto import DataKey, ItemContext, ItemMetadata
from solekey_protocol.ids import AccountId, ItemId


def counting(start: int, size: int) -> bytes:
    """Bytes that count up from `start`."""
    return bytes((start + index) % 256 for index in range(size))


def make_salt(size: int) -> bytes:
    """A fixed source of randomness."""
    return counting(0x60, size)


ACCOUNT = AccountId.from_raw(counting(0x20, 16))
ITEM = ItemId.from_raw(counting(0x30, 16))
DATA_KEY = DataKey(1, counting(0x40, 32))
CONTEXT = ItemContext(ACCOUNT, ITEM, version=3)
METADATA = ItemMetadata(name="Wi-Fi", type="login", created_ms=1, modified_ms=2, tags=("home",))
