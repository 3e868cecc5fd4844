"""The state of the bus as JSON: ``bus.json``. Spec: audit-bundle.md §3."""

from typing import Any

from solekey.audit.sources.log import BusState, Extent, TopicState
from solekey_protocol.encoding import Json

_KINDS = ("embedded", "kafka")


def encode_bus_state(bus: BusState) -> dict[str, Json]:
    """Turn the state of a bus into values for JSON."""
    topics: dict[str, Json] = {
        name: {
            "exported": state.exported,
            "partitions": {
                str(partition): {"start": extent.start, "end": extent.end}
                for partition, extent in state.partitions.items()
            },
            "settings": dict(state.settings),
        }
        for name, state in bus.topics.items()
    }
    return {"kind": bus.kind, "cluster": bus.cluster, "topics": topics}


def parse_bus_state(document: Any) -> BusState:
    """Take the state of a bus from a parsed document.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it has another shape.
    """
    cluster = document["cluster"]
    if document["kind"] not in _KINDS or not isinstance(cluster, str | None):
        raise ValueError("another kind of bus")
    return BusState(
        document["kind"],
        cluster,
        {_text(name): _parse_topic(topic) for name, topic in document["topics"].items()},
    )


def _parse_topic(document: Any) -> TopicState:
    partitions = {
        _number(int(partition)): Extent(_number(extent["start"]), _number(extent["end"]))
        for partition, extent in document["partitions"].items()
    }
    settings = {_text(name): _text(value) for name, value in document["settings"].items()}
    return TopicState(partitions, settings, exported=document["exported"] is True)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("expected a number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a text")
    return value
