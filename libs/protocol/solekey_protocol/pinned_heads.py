"""What a user hands to an auditor: how far a device has followed, signed by it. Spec: audit.md §2.

*Wire format.* ``{account: {"device", "first_key", "heads", "made_at", "signature"}}``. What is signed is
``"solekey/heads/v1" ‖ 0x00 ‖ RFC 8785 bytes`` of these members without ``signature``, with ``account``, by
the device key (RFC 8032).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.errors import SchemaError
from solekey_protocol.events.fields import decode_body, encode_body
from solekey_protocol.ids import AccountId, DeviceId, PublicKey, SignatureHex, Timestamp
from solekey_protocol.services import V1_STREAMS, Stream
from solekey_protocol.statements import Head, verify_signature

SIGNING_CONTEXT: Final = b"solekey/heads/v1\x00"


@dataclass(frozen=True, slots=True)
class _Members:
    device: DeviceId
    first_key: PublicKey
    made_at: Timestamp
    signature: SignatureHex


@dataclass(frozen=True, slots=True)
class PinnedHeads:
    """How far one device has followed its account.

    Attributes:
        account: the account.
        first_key: the account key that it was founded with.
        heads: the last verified event of each stream that has any.
        device: the device that says so.
        made_at: when, by the device's clock.
    """

    account: AccountId
    first_key: PublicKey
    heads: Mapping[Stream, Head]
    device: DeviceId
    made_at: Timestamp

    def signing_bytes(self) -> bytes:
        """What the device signs."""
        return SIGNING_CONTEXT + encode_json({"account": self.account, **self._members()})

    def to_json(self, signature: SignatureHex) -> dict[str, Json]:
        """The document, with the device's signature."""
        return {self.account: {**self._members(), "signature": signature}}

    def _members(self) -> dict[str, Json]:
        heads: dict[str, Json] = {stream.value: encode_body(head) for stream, head in self.heads.items()}
        return {
            "device": self.device,
            "first_key": self.first_key,
            "heads": heads,
            "made_at": self.made_at,
        }

    def verify(self, signature: SignatureHex, device_key: PublicKey) -> None:
        """Verify that the device has signed this. Raises SignatureError."""
        verify_signature(device_key, self.signing_bytes(), signature)


def parse_pinned_heads(account: AccountId, document: Mapping[str, Json]) -> tuple[PinnedHeads, SignatureHex]:
    """Parse what a document says of one account, and the signature, which is not verified yet.

    Raises:
        SchemaError: a member is missing, unknown, of another type, or outside its pattern or bounds.
    """
    members = decode_body(
        _Members, {name: value for name, value in document.items() if name != "heads"}, where=account
    )
    heads = parse_heads(document.get("heads"), where=f"{account}.heads")
    pinned = PinnedHeads(account, members.first_key, heads, members.device, members.made_at)
    return pinned, members.signature


def parse_heads(document: Json, *, where: str) -> dict[Stream, Head]:
    """Parse heads by stream. Raises SchemaError."""
    if not isinstance(document, Mapping):
        raise SchemaError(f"{where}: expected an object")
    if unknown := document.keys() - {stream.value for stream in V1_STREAMS}:
        raise SchemaError(f"{where}: unknown stream {min(unknown)!r}")
    return {Stream(name): decode_body(Head, head, where=f"{where}.{name}") for name, head in document.items()}
