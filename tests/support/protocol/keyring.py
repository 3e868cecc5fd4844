"""The keys of one account and its devices, for tests of the protocol, and the statements that they sign."""

from collections.abc import Mapping
from datetime import UTC, datetime

from solekey_protocol.event import Event, encode_event
from solekey_protocol.events import Body, Signer, Stream, devices
from solekey_protocol.ids import (
    AccountId,
    Digest,
    KeyId,
    Timestamp,
    compute_digest,
)
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement
from tests.support.keys import Key, sign_statement

ACCOUNT = AccountId.from_raw(b"account of tests")
NOON = Timestamp.from_datetime(datetime(2026, 11, 23, 12, tzinfo=UTC))


LAPTOP, PHONE, GHOST = Key("laptop"), Key("phone"), Key("ghost")
USER, NEXT_USER, MALLORY = Key("user key"), Key("next user key"), Key("mallory")
KEY_ID, NEXT_KEY_ID = KeyId("01" * 16), KeyId("02" * 16)


def say(
    body: Body,
    after: Head,
    *,
    device: Key = LAPTOP,
    heads: Mapping[Stream, Head] | None = None,
    **signers: Key,
) -> SignedStatement:
    """Sign a statement that follows ``after``; who is not given signs with the right key."""
    keys = {
        Signer.DEVICE: device,
        Signer.ACCOUNT: USER,
        **{Signer(name): key for name, key in signers.items()},
    }
    return sign_statement(ACCOUNT, body, after, heads or {}, keys, device=device.device)


def record(
    said: Body | SignedStatement,
    after: Head = EMPTY_HEAD,
    account: AccountId = ACCOUNT,
    time: Timestamp = NOON,
) -> Event:
    """The event that a service would write."""
    return encode_event(said, account=account, after=after, time=time)


def founded() -> devices.AccountFounded:
    """The laptop founds the account."""
    return devices.AccountFounded(USER.public, KEY_ID, LAPTOP.certificate)


def digest(label: str) -> Digest:
    """A digest from a label."""
    return compute_digest(label.encode())
