"""Apache Kafka, read by an auditor: every topic that it shows, with extents and effective settings.

Nothing is passed over in silence: a topic or partition that cannot be read is an error, and what the cluster
has beside Solekey's topics is listed.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition, errors
from kafka.admin import ConfigResource, ConfigResourceType

from solekey.audit.sources.errors import LogError
from solekey.audit.sources.log import EXPORTED_TOPICS, BusPlace, BusState, Extent, Ranges, Record, TopicState
from solekey_protocol.services import HEARTBEAT_TOPIC

_POLL_MS: Final = 500
_SILENCE_S: Final = 20.0
_MECHANISMS: Final = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_SETTINGS: Final = (
    "cleanup.policy",
    "delete.retention.ms",
    "max.message.bytes",
    "message.timestamp.type",
    "min.insync.replicas",
    "retention.bytes",
    "retention.ms",
    "unclean.leader.election.enable",
)
"""The settings that decide what a topic keeps."""


class KafkaLog:
    """A Kafka cluster, as of one moment.

    Raises:
        LogError: the cluster cannot be reached, or shows no topic of Solekey's.
    """

    objects = None
    bundles = ()

    def __init__(self, source: str) -> None:
        url = urlsplit(source)
        self.name = source
        self._servers = url.netloc.split(",")
        self._security = _derive_security(parse_qs(url.query))
        with self._translated():
            self.bus: BusState = self._read_state()
        if not any(topic in self.bus.topics for topic in EXPORTED_TOPICS):
            raise LogError(f"{url.netloc} shows no topic of Solekey's: another cluster, or no right to read")

    @property
    def total(self) -> int:
        """How many records it holds at most."""
        return self.bus.count

    def records(self, ranges: Ranges | None = None) -> Iterator[Record]:
        """See Log.records. What was published since it was opened is left out."""
        with self._translated(), self._consumer() as consumer:
            for log, extent in (self.bus.ranges() if ranges is None else ranges).items():
                yield from _read_partition(consumer, TopicPartition(*log), extent)

    def _read_state(self) -> BusState:
        admin = KafkaAdminClient(bootstrap_servers=self._servers, **self._security)
        try:
            cluster = admin.describe_cluster()
            described = [topic for topic in admin.describe_topics() if not topic.get("is_internal")]
            described.sort(key=lambda topic: topic["name"] != HEARTBEAT_TOPIC)  # so it knows no later event
            names = [topic["name"] for topic in described]
            settings = _read_settings(admin, names)
        finally:
            admin.close()
        with self._consumer() as consumer:
            topics = {topic["name"]: _read_topic(consumer, topic, settings) for topic in described}
        return BusState("kafka", cluster.get("cluster_id"), topics)

    @contextmanager
    def _consumer(self) -> Iterator[Any]:
        """Give a consumer outside any group, which commits nothing."""
        consumer = KafkaConsumer(
            bootstrap_servers=self._servers,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            metrics_enabled=False,
            **self._security,
        )
        try:
            yield consumer
        finally:
            consumer.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (errors.KafkaError, OSError) as error:
            text = str(error)
            name = type(error).__name__
            raise LogError(f"{self._servers[0]}: {text if name in text else f'{name}: {text}'}") from error


def _read_topic(consumer: Any, topic: dict[str, Any], settings: dict[str, dict[str, str]]) -> TopicState:
    name = topic["name"]
    if (error := errors.for_code(topic["error_code"])) is not errors.NoError:
        raise LogError(f"topic {name}: cannot be described: {error.__name__}")
    logs = [TopicPartition(name, partition["partition_index"]) for partition in topic["partitions"]]
    try:
        starts, ends = consumer.beginning_offsets(logs), consumer.end_offsets(logs)
    except errors.AuthorizationError:
        if name in EXPORTED_TOPICS:
            raise
        starts, ends = (
            {},
            {},
        )  # what another topic holds is not the auditor's to read; that it is there, is said
    extents = {log.partition: Extent(starts.get(log, 0), ends.get(log, 0)) for log in logs}
    return TopicState(extents, settings.get(name, {}), exported=name in EXPORTED_TOPICS)


def _read_settings(admin: Any, topics: list[str]) -> dict[str, dict[str, str]]:
    """Read the effective settings of Solekey's topics; none of a topic whose settings may not be read."""
    found: dict[str, dict[str, str]] = {}
    for topic in (name for name in topics if name in EXPORTED_TOPICS):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        try:
            configs = admin.describe_configs([resource], config_filter="all").get("topic", {}).get(topic, {})
        except errors.AuthorizationError:
            continue
        found[topic] = {name: str(configs[name]["value"]) for name in _SETTINGS if name in configs}
    return found


def _read_partition(consumer: Any, log: TopicPartition, extent: Extent) -> Iterator[Record]:
    """Read from the first offset that is there to the end that was known when the cluster was opened."""
    if not extent.count:
        return
    consumer.assign([log])
    consumer.seek(log, extent.start)
    heard_at = time.monotonic()
    position = extent.start
    while position < extent.end:
        for record in consumer.poll(timeout_ms=_POLL_MS).get(log, ()):
            if record.offset < extent.end:
                place = BusPlace(log.topic, log.partition, record.offset)
                yield Record(record.value, place, record.key, record.timestamp, tuple(record.headers or ()))
        if consumer.position(log) > position:
            position = consumer.position(log)
            heard_at = time.monotonic()
        elif time.monotonic() - heard_at > _SILENCE_S:
            raise LogError(f"{log.topic}-{log.partition}: Kafka stopped answering at {position}")


def _derive_security(query: dict[str, list[str]]) -> dict[str, object]:
    username, password = os.environ.get("SOLEKEY_AUDIT_USERNAME"), os.environ.get("SOLEKEY_AUDIT_PASSWORD")
    if unknown := query.keys() - {"ca_file", "mechanism"}:
        raise LogError(f"kafka://…?{min(unknown)}: the only options are ca_file, a PEM file, and mechanism")
    mechanism = query.get("mechanism", ["SCRAM-SHA-512"])[0]
    if mechanism not in _MECHANISMS:
        raise LogError(f"kafka://…?mechanism: expected {' or '.join(_MECHANISMS)}")
    tls = {"ssl_cafile": query["ca_file"][0]} if "ca_file" in query else {}
    protocol = ("SASL_" if username else "") + ("SSL" if tls else "PLAINTEXT")
    settings: dict[str, object] = {"security_protocol": protocol, **tls}
    if username:
        settings |= {
            "sasl_mechanism": mechanism,
            "sasl_plain_username": username,
            "sasl_plain_password": password,
        }
    return settings
