"""BUS-07: heartbeats say how far a producer has published, and no more. Spec: audit.md §3, events.md §7."""

from solekey.audit.bounds import Bounds
from solekey.audit.checks.claims import to_ms
from solekey.audit.report import Tally
from solekey.audit.sources.log import BusState, Record
from solekey_protocol.errors import ProtocolError
from solekey_protocol.heartbeat import Heartbeat, parse_heartbeat
from solekey_protocol.services import TOPICS, WRITERS

_STREAM_OF = {service: stream for stream, service in WRITERS.items()}


def check_heartbeat(record: Record, bus: BusState, bounds: Bounds, tally: Tally) -> None:
    """Check one record of the topic of heartbeats."""
    tally.look("BUS-07")
    try:
        heartbeat = parse_heartbeat(record.raw or b"")
    except ProtocolError as error:
        tally.find("BUS-07", "heartbeat_malformed", None, "heartbeat", None, str(error), record.place)
        return
    for code, detail in _judge(heartbeat, record, bus, bounds):
        tally.find("BUS-07", code, None, "heartbeat", None, detail, record.place)


def _judge(heartbeat: Heartbeat, record: Record, bus: BusState, bounds: Bounds) -> list[tuple[str, str]]:
    found = []
    stream = _STREAM_OF.get(heartbeat.service)
    if stream is None or record.key != stream.encode() or record.headers:
        found.append(
            ("heartbeat_malformed", f"a heartbeat of {heartbeat.service} with the key {record.key!r}")
        )
    at_ms = to_ms(heartbeat.at.datetime)
    clocks_ms = bounds.clocks.total_seconds() * 1000
    if record.timestamp_ms is not None and abs(record.timestamp_ms - at_ms) > clocks_ms:
        found.append(("heartbeat_time", f"it speaks of {heartbeat.at}, and was published at another time"))
    topic = bus.topics.get(TOPICS[stream]) if stream is not None else None
    for partition, position in heartbeat.positions.items():
        extent = topic.partitions.get(partition) if topic else None
        if topic is not None and (extent is None or position > extent.end):
            detail = (
                f"it knows offset {position - 1} of partition {partition}, which the export does not hold"
            )
            found.append(("heartbeat_ahead", detail))
    return found
