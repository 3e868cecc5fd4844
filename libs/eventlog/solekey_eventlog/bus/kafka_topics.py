"""Topics on Kafka: creating them, and checking that they keep what they are given."""

from collections.abc import Iterator, Sequence
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import NoError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from solekey_eventlog.bus.errors import BusConfigurationError
from solekey_eventlog.bus.topics import KEEP_FOR_EVER_MS, TopicSettings

_SEGMENTS_PER_RETENTION = 6  # only whole segments expire


def create_topics(admin: Any, topics: Sequence[TopicSettings], timeout_ms: int) -> None:
    """Create those that do not exist, and return when every partition has a leader."""
    wanted = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": topic.replication_factor,
            "configs": _derive_configs(topic),
        }
        for topic in topics
    }
    answer = admin.create_topics(wanted, timeout_ms=timeout_ms, raise_errors=False)
    for topic in answer["topics"]:
        error = for_code(topic["error_code"])
        if error not in {NoError, TopicAlreadyExistsError}:
            raise error(f"topic {topic['name']}: {topic.get('error_message')}")
    admin.wait_for_topics(list(wanted), timeout_ms=timeout_ms)


def count_partitions(admin: Any, topic: str) -> int:
    """Ask how many partitions a topic has. Raises BusConfigurationError when it does not exist."""
    return len(_describe_topic(admin, topic)["partitions"])


def find_topic_id(admin: Any, topic: str) -> str:
    """Ask for the id that the cluster gave a topic. Raises BusConfigurationError when it does not exist."""
    return str(_describe_topic(admin, topic)["topic_id"])


def _describe_topic(admin: Any, topic: str) -> dict[str, Any]:
    (answer,) = admin.describe_topics([topic])
    error = for_code(answer["error_code"])
    if error is UnknownTopicOrPartitionError:
        raise BusConfigurationError(f"topic {topic}: does not exist; create_topics makes it")
    if error is not NoError:
        raise error(f"topic {topic}")
    described: dict[str, Any] = answer
    return described


def check_topics(admin: Any, topics: Sequence[TopicSettings]) -> None:
    """Compare with the cluster. Raises BusConfigurationError with one line for each fault."""
    faults = [*_check_brokers(admin)]
    known = {answer["name"]: answer for answer in admin.describe_topics([topic.name for topic in topics])}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics]
    configs = admin.describe_configs(resources, config_filter="all").get("topic", {})
    for topic in topics:
        answer = known[topic.name]
        if for_code(answer["error_code"]) is not NoError:
            faults.append(f"topic {topic.name}: does not exist; create_topics makes it")
            continue
        faults += _check_layout(topic, answer["partitions"])
        faults += _check_configs(topic, configs[topic.name])
    if faults:
        raise BusConfigurationError("\n".join(faults))


def _derive_configs(topic: TopicSettings) -> dict[str, str]:
    configs = {
        "cleanup.policy": topic.cleanup_policy,
        "retention.ms": str(topic.retention_ms),
        "retention.bytes": "-1",
        "min.insync.replicas": str(topic.min_insync_replicas),
        "unclean.leader.election.enable": "false",
    }
    if topic.retention_ms != KEEP_FOR_EVER_MS:
        configs["segment.ms"] = str(topic.retention_ms // _SEGMENTS_PER_RETENTION)
    return configs


def _check_brokers(admin: Any) -> Iterator[str]:
    brokers = [str(broker["broker_id"]) for broker in admin.describe_cluster()["brokers"]]
    resources = [ConfigResource(ConfigResourceType.BROKER, broker) for broker in brokers]
    configs = admin.describe_configs(resources, config_filter="all")["broker"]
    for broker in brokers:
        if configs[broker]["auto.create.topics.enable"]["value"] != "false":
            yield f"broker {broker}: set auto.create.topics.enable=false and restart it"


def _check_layout(topic: TopicSettings, partitions: Sequence[dict[str, Any]]) -> Iterator[str]:
    if len(partitions) != topic.partitions:
        yield (
            f"topic {topic.name}: {len(partitions)} partitions, configured are {topic.partitions}: "
            "configure the number that it was created with (changing it breaks the order per key)"
        )
    replicas = min(len(partition["replica_nodes"]) for partition in partitions)
    if replicas < topic.replication_factor:
        yield (
            f"topic {topic.name}: replication factor {replicas}, configured is {topic.replication_factor}: "
            "add replicas with kafka-reassign-partitions.sh"
        )


def _check_configs(topic: TopicSettings, found: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, wanted in _derive_configs(topic).items():
        value = found[name]["value"]
        if name == "min.insync.replicas" and int(value) > int(wanted):
            continue  # stricter is welcome
        if value != wanted:
            yield (
                f"topic {topic.name}: {name}={value}, expected {wanted}: kafka-configs.sh --alter "
                f"--entity-type topics --entity-name {topic.name} --add-config {name}={wanted}"
            )
