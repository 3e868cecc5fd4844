"""Settings of the platform's topics: of each stream's, and of the heartbeats'. Spec: events.md (topics).

Key of an event = account id; event topics are kept for ever.
"""

from dataclasses import dataclass

from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS

DEFAULT_PARTITIONS = 6
KEEP_FOR_EVER_MS = -1
HEARTBEAT_RETENTION_MS = 3_600_000  # 1 h
MAX_TOPIC_CHARS = 249  # Kafka's own maximum


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """What a topic must look like. The partition count is fixed: a change would break the order per key."""

    name: str
    partitions: int = DEFAULT_PARTITIONS
    retention_ms: int = KEEP_FOR_EVER_MS
    min_insync_replicas: int = 1
    replication_factor: int = 1
    cleanup_policy: str = "delete"

    def __post_init__(self) -> None:
        """Refuse settings that no bus could satisfy. Raises ValueError."""
        if not 0 < len(self.name) <= MAX_TOPIC_CHARS:
            raise ValueError(f"topic name: expected 1 to {MAX_TOPIC_CHARS} characters")
        if self.partitions < 1:
            raise ValueError(f"{self.name}: expected at least one partition")
        if not 1 <= self.min_insync_replicas <= self.replication_factor:
            raise ValueError(f"{self.name}: min_insync_replicas must lie between 1 and replication_factor")


def derive_topics(
    *, partitions: int = DEFAULT_PARTITIONS, replication_factor: int = 1, min_insync_replicas: int = 1
) -> tuple[TopicSettings, ...]:
    """Derive the settings of every topic of a platform from what its operator chooses."""
    events = [
        TopicSettings(
            name,
            partitions=partitions,
            replication_factor=replication_factor,
            min_insync_replicas=min_insync_replicas,
        )
        for name in TOPICS.values()
    ]
    heartbeat = TopicSettings(
        HEARTBEAT_TOPIC,
        partitions=1,
        retention_ms=HEARTBEAT_RETENTION_MS,
        replication_factor=replication_factor,
        min_insync_replicas=min_insync_replicas,
    )
    return (*events, heartbeat)
