"""That a user has accepted a restored server on one device, signed with the user key.

Source: hostile-server.md §2.3, audit.md §1.2.

*Wire format.* ``{"accepted_at", "account_key", "device", "revoked": [device, …], "signature", "streams":
{stream: {"as_of", "at", "kept": {"seq", "digest"}, "lost": {"seq", "digest"}}}}``. What is signed is
``"solekey/restoration/v1" ‖ 0x00 ‖ RFC 8785 bytes`` of these members without ``signature``, with
``account``, by the account signing key (RFC 8032).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.errors import SchemaError
from solekey_protocol.events.fields import decode_body, encode_body
from solekey_protocol.ids import AccountId, DeviceId, PublicKey, SignatureHex, Timestamp
from solekey_protocol.limits import MAX_DEVICES
from solekey_protocol.services import V1_STREAMS, Stream
from solekey_protocol.statements import Head, verify_signature

SIGNING_CONTEXT: Final = b"solekey/restoration/v1\x00"


@dataclass(frozen=True, slots=True)
class StreamLoss:
    """What one stream has lost.

    Attributes:
        as_of: the moment of the backup, as the server declares it.
        at: when it was restored, as the server declares it.
        kept: the last record that device and server have in common; seq 0: none.
        lost: the last record that the device had verified.
    """

    as_of: Timestamp
    at: Timestamp
    kept: Head
    lost: Head


@dataclass(frozen=True, slots=True)
class _Members:
    accepted_at: Timestamp
    account_key: PublicKey
    device: DeviceId
    signature: SignatureHex


@dataclass(frozen=True, slots=True)
class AcceptedRestoration:
    """A restoration that a user has accepted.

    Attributes:
        account: whose.
        account_key: the account key that was in force at the server then, which signs this.
        device: on which device.
        accepted_at: when, by the device's clock.
        streams: what was lost, of each stream that had lost anything.
        revoked: the devices that this device has seen revoked: none of them is ever trusted again.
    """

    account: AccountId
    account_key: PublicKey
    device: DeviceId
    accepted_at: Timestamp
    streams: Mapping[Stream, StreamLoss]
    revoked: tuple[DeviceId, ...] = ()

    def signing_bytes(self) -> bytes:
        """What the account signing key signs."""
        return SIGNING_CONTEXT + encode_json({"account": self.account, **self._members()})

    def to_json(self, signature: SignatureHex) -> dict[str, Json]:
        """The document, with the signature."""
        return {**self._members(), "signature": signature}

    def verify(self, signature: SignatureHex) -> None:
        """Verify that its account key has signed this. Raises SignatureError."""
        verify_signature(self.account_key, self.signing_bytes(), signature)

    def _members(self) -> dict[str, Json]:
        return {
            "accepted_at": self.accepted_at,
            "account_key": self.account_key,
            "device": self.device,
            "revoked": list[Json](self.revoked),
            "streams": {stream.value: encode_body(loss) for stream, loss in self.streams.items()},
        }


def parse_accepted_restoration(
    account: AccountId, document: Json
) -> tuple[AcceptedRestoration, SignatureHex]:
    """Parse a document and its signature, which is not verified yet.

    Raises:
        SchemaError: a member is missing, unknown, of another type, or outside its pattern or bounds.
    """
    if not isinstance(document, Mapping):
        raise SchemaError(f"{account}.restorations: expected an object")
    rest = {name: value for name, value in document.items() if name not in {"streams", "revoked"}}
    members = decode_body(_Members, rest, where=f"{account}.restorations")
    return (
        AcceptedRestoration(
            account,
            members.account_key,
            members.device,
            members.accepted_at,
            _parse_streams(account, document.get("streams")),
            _parse_revoked(account, document.get("revoked")),
        ),
        members.signature,
    )


def _parse_streams(account: AccountId, document: Json) -> dict[Stream, StreamLoss]:
    where = f"{account}.restorations.streams"
    if not isinstance(document, Mapping) or not document:
        raise SchemaError(f"{where}: expected an object with members")
    if unknown := document.keys() - {stream.value for stream in V1_STREAMS}:
        raise SchemaError(f"{where}: unknown stream {min(unknown)!r}")
    losses = {
        Stream(name): decode_body(StreamLoss, loss, where=f"{where}.{name}")
        for name, loss in document.items()
    }
    if any(loss.kept.seq >= loss.lost.seq for loss in losses.values()):
        raise SchemaError(f"{where}: nothing is lost")
    return losses


def _parse_revoked(account: AccountId, document: Json) -> tuple[DeviceId, ...]:
    if not isinstance(document, list) or len(document) > MAX_DEVICES:
        raise SchemaError(f"{account}.restorations.revoked: expected a list of devices")
    return tuple(DeviceId(str(device)) for device in document)
