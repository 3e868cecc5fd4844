"""What an audit has seen of a bundle, as values for JSON: a later audit looks at it, too."""

import base64
from typing import Any

from solekey.audit.bundle.bus_state import encode_bus_state, parse_bus_state
from solekey.audit.sources.log import BundleState, Extent
from solekey_protocol.encoding import Json


def encode_bundle_state(state: BundleState) -> dict[str, Json]:
    """Turn it into values for JSON."""
    ranges: list[Json] = [
        [topic, partition, extent.start, extent.end] for (topic, partition), extent in state.ranges.items()
    ]
    signature = state.signature
    return {
        "name": state.name,
        "manifest": base64.b64encode(state.manifest).decode(),
        "signature": None if signature is None else base64.b64encode(signature).decode(),
        "prev": state.prev,
        "files": state.files,
        "records": state.records,
        "ranges": ranges,
        "bus": encode_bus_state(state.bus),
        "damaged": dict(state.damaged),
        "unlisted": list(state.unlisted),
        "has_own_schemas": state.has_own_schemas,
    }


def take_bundle_state(document: Any) -> BundleState:
    """Take it from a parsed document. Raises ValueError, TypeError, KeyError, AttributeError."""
    signature = document["signature"]
    return BundleState(
        document["name"],
        base64.b64decode(document["manifest"]),
        None if signature is None else base64.b64decode(signature),
        document["prev"],
        document["files"],
        document["records"],
        {(topic, partition): Extent(start, end) for topic, partition, start, end in document["ranges"]},
        parse_bus_state(document["bus"]),
        document["damaged"],
        tuple(document["unlisted"]),
        document["has_own_schemas"],
    )
