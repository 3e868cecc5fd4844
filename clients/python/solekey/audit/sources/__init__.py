"""Where an event log comes from: an exported file, the embedded bus, or Kafka. Spec: audit.md §1.

A source is named by a path (``events.jsonl``), by ``embedded:///path/bus.db``, or by
``kafka://host:port[,host:port]`` with ``?ca_file=…`` for TLS, ``&mechanism=SCRAM-SHA-256`` for
that mechanism; SASL credentials come from SOLEKEY_AUDIT_USERNAME and SOLEKEY_AUDIT_PASSWORD.

``log`` what every source gives · ``errors`` why it cannot be read · ``lines`` an exported file ·
``embedded`` the bus of one machine · ``kafka`` · ``opening`` the choice between them.
"""

from solekey.audit.sources.errors import LogConvertedError, LogError, LogIncompleteError
from solekey.audit.sources.log import (
    BusPlace,
    BusState,
    Extent,
    Log,
    Ranges,
    Record,
    StoredObjects,
    TopicState,
)
from solekey.audit.sources.opening import export_log, open_log, read_log

__all__ = [
    "BusPlace",
    "BusState",
    "Extent",
    "Log",
    "LogConvertedError",
    "LogError",
    "LogIncompleteError",
    "Ranges",
    "Record",
    "StoredObjects",
    "TopicState",
    "export_log",
    "open_log",
    "read_log",
]
