"""A recovery kit of a fixed key, and what it holds."""

import pytest

from solekey.crypto import UserKey
from solekey.recovery import RecoveryKit
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Timestamp, compute_digest
from solekey_protocol.statements import Head

ACCOUNT = AccountId.from_raw(bytes(range(16)))
KEY_BYTES = bytes(range(100, 132))


@pytest.fixture
def user_key() -> UserKey:
    return UserKey(KEY_BYTES)


@pytest.fixture
def kit(user_key: UserKey) -> RecoveryKit:
    return RecoveryKit(
        account=ACCOUNT,
        key_id=user_key.derive_key_id(ACCOUNT),
        server="https://solekey.example",
        username="ada.lovelace@example.org",
        created=Timestamp("2026-11-23T21:36:07.123Z"),
        heads={
            stream: Head(seq, compute_digest(stream.encode()))
            for stream, seq in zip(Stream, (41, 7, 12, 1234), strict=True)
        },
    )
