"""The bus: how services hear of each other's events.

Map
    interface.py   Bus, Consumer, Record, Message, Position: what callers use
    topics.py      names and settings of the topics
    config.py      BusConfig and the URL format
    errors.py      BusError and what to do about each
    embedded.py    a log in one SQLite file, for one machine
    kafka.py       Apache Kafka 4

``open_bus`` chooses the adapter; nothing else depends on which one it is.
"""

from solekey_eventlog.bus.config import BusConfig, EmbeddedAddress, parse_address
from solekey_eventlog.bus.errors import (
    BusConfigurationError,
    BusError,
    BusUnavailableError,
    PartitionLostError,
)
from solekey_eventlog.bus.interface import Bus, Consumer, Message, Position, Record, TopicPartition
from solekey_eventlog.bus.topics import TopicSettings, derive_topics
from solekey_eventlog.offload import Offload, run_here

__all__ = [
    "Bus",
    "BusConfig",
    "BusConfigurationError",
    "BusError",
    "BusUnavailableError",
    "Consumer",
    "Message",
    "PartitionLostError",
    "Position",
    "Record",
    "TopicPartition",
    "TopicSettings",
    "derive_topics",
    "open_bus",
]


def open_bus(config: BusConfig | str, *, offload: Offload = run_here) -> Bus:
    """Open the bus that a URL names. Connects when first used, so that a service starts without it.

    Args:
        config: its URL, or all that there is to say about it.
        offload: runs the commits of the embedded bus, which wait for the disk.

    Raises:
        BusConfigurationError: the URL or the credentials are wrong.
    """
    if isinstance(config, str):
        config = BusConfig(config)
    address = parse_address(config)
    # Imported when chosen: the embedded platform runs without a Kafka client, and the reverse.
    if isinstance(address, EmbeddedAddress):
        from solekey_eventlog.bus.embedded import EmbeddedBus

        return EmbeddedBus(address.path, config, offload=offload)
    from solekey_eventlog.bus.kafka import KafkaBus

    return KafkaBus(address, config)
