"""Somebody changes a topic of a running Kafka: the check that services repeat names topic and setting."""

import secrets

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from solekey_eventlog.bus import BusConfigurationError, TopicSettings, open_bus

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("retention.ms", "1000", "-1"),
        ("retention.bytes", "1000", "-1"),
        ("cleanup.policy", "compact", "delete"),
        ("unclean.leader.election.enable", "true", "false"),
    ],
)
def test_a_changed_setting_is_named_and_its_repair_is_seen(
    kafka_servers: str, name: str, value: str, expected: str
) -> None:
    topic = TopicSettings(f"test.{secrets.token_hex(8)}.v1", 1)
    admin = KafkaAdminClient(bootstrap_servers=kafka_servers)
    try:
        with open_bus(f"kafka://{kafka_servers}") as bus:
            bus.create_topics([topic])
            bus.check([topic])
            resource = ConfigResourceType.TOPIC, topic.name
            admin.alter_configs([ConfigResource(*resource, {name: value})])
            with pytest.raises(
                BusConfigurationError, match=f"{topic.name}: {name}={value}, expected {expected}"
            ):
                bus.check([topic])
            admin.alter_configs([ConfigResource(*resource, {name: expected})])
            bus.check([topic])
    finally:
        admin.close()
