"""Heartbeats: how far a producer has published, as of a moment. Spec: events.md §7.

*Wire format.* Canonical JSON ``{"service", "at", "positions": {"<partition>": <offset that comes next>}}``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from solekey_protocol.encoding import encode_json, parse_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Timestamp
from solekey_protocol.services import Service

MAX_HEARTBEAT_BYTES: Final = 65_535


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a producer says: everything that was appended before ``at`` lies before these offsets."""

    service: Service
    at: Timestamp
    positions: Mapping[int, int]


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """Encode a heartbeat."""
    positions = {str(partition): offset for partition, offset in heartbeat.positions.items()}
    return encode_json({"service": heartbeat.service.value, "at": heartbeat.at, "positions": positions})


def parse_heartbeat(raw: bytes) -> Heartbeat:
    """Parse a heartbeat. Raises MalformedError."""
    document = parse_json(raw, max_bytes=MAX_HEARTBEAT_BYTES)
    if not isinstance(document, dict) or document.keys() != {"service", "at", "positions"}:
        raise MalformedError("heartbeat: expected exactly service, at and positions")
    positions = document["positions"]
    if not isinstance(positions, dict):
        raise MalformedError("heartbeat.positions: expected an object")
    for partition, offset in positions.items():
        digits = partition.isascii() and partition.isdigit() and len(partition) < 10
        digits = (
            digits and str(int(partition)) == partition
        )  # one spelling: else a partition could be there twice
        if not digits or not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
            raise MalformedError("heartbeat.positions: expected partition numbers and offsets")
    try:
        service = Service(document["service"])
    except ValueError as error:
        raise MalformedError(f"heartbeat.service: {error}") from error
    at = Timestamp(str(document["at"]))
    at.datetime  # noqa: B018 - raises for a date that does not exist
    return Heartbeat(service, at, {int(partition): offset for partition, offset in positions.items()})
