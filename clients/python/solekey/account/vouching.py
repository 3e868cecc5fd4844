"""What a user vouches for: the first account key, how far a device has followed, what was accepted as lost.

Spec: audit.md §1.2.
"""

from collections.abc import Mapping
from typing import cast

from solekey.connection.connection import Connection
from solekey.errors import AccountError
from solekey.streams.accepted import read_accepted
from solekey.streams.streams import Streams
from solekey_protocol.encoding import Json
from solekey_protocol.events import Stream
from solekey_protocol.events.devices import AccountFounded
from solekey_protocol.ids import PublicKey, Timestamp
from solekey_protocol.pinned_heads import PinnedHeads
from solekey_protocol.services import V1_STREAMS


def find_first_account_key(streams: Streams) -> PublicKey | None:
    """Find the key that the account was founded with; None before it is founded."""
    founded = [event.body for event in streams.events(Stream.DEVICES)[:1]]
    return next((body.account_key for body in founded if isinstance(body, AccountFounded)), None)


def sign_heads(connection: Connection, streams: Streams) -> dict[str, Json]:
    """Sign how far this device has followed its account.

    Raises:
        AccountError: the account is not founded yet.
        ProviderError: the device key cannot be reached.
    """
    first_key, profile = find_first_account_key(streams), connection.profile
    if first_key is None:
        raise AccountError("the account is not founded yet: there is nothing to vouch for")
    heads = {stream: streams.head(stream) for stream in V1_STREAMS}
    pinned = PinnedHeads(
        profile.account,
        first_key,
        {stream: head for stream, head in heads.items() if head.seq},
        profile.device_key.device_id,
        Timestamp.from_datetime(connection.runtime.now()),
    )
    document = pinned.to_json(profile.device_key.sign(pinned.signing_bytes()))
    accepted = [each.to_json(signature) for each, signature in read_accepted(profile.folder, profile.account)]
    if accepted:
        document[profile.account] = {
            **cast("Mapping[str, Json]", document[profile.account]),
            "restorations": list[Json](accepted),
        }
    return document
