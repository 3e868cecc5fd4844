"""What a bus URL may say, and that nothing of it gives a secret away."""

from pathlib import Path

import pytest

from solekey_eventlog.bus import BusConfig, BusConfigurationError, TopicSettings, derive_topics
from solekey_eventlog.bus.config import EmbeddedAddress, KafkaAddress, ScramMechanism, Security, parse_address
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS


def test_an_embedded_url_names_an_absolute_path() -> None:
    address = parse_address(BusConfig("embedded:///var/lib/my%20bus/bus.db"))
    assert address == EmbeddedAddress(Path("/var/lib/my bus/bus.db"))


def test_a_kafka_url_names_servers_and_their_protection() -> None:
    url = "kafka://one:9092,two:9093?security=sasl_tls&username=auth&ca_file=/ca.pem&mechanism=SCRAM-SHA-256"
    assert parse_address(BusConfig(url, password="p")) == KafkaAddress(
        servers=("one:9092", "two:9093"),
        security=Security.SASL_TLS,
        username="auth",
        mechanism=ScramMechanism.SHA_256,
        ca_file="/ca.pem",
        cert_file=None,
        key_file=None,
    )


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("embedded://bus.db", "three slashes"),
        ("embedded:///folder/", "three slashes"),
        ("embedded:///bus.db?x=1", "three slashes"),
        ("redis://host:1", "unknown scheme"),
        ("kafka://", "expected"),
        ("kafka://host", "expected"),
        ("kafka://host:0", "expected"),
        ("kafka://host:9092,", "expected"),
        ("kafka://host:9092/path", "expected"),
        ("kafka://host:9092?sequrity=tls", "unknown option sequrity"),
        ("kafka://host:9092?security=ssl", "choose from"),
        ("kafka://host:9092?security=sasl_tls&username=a&mechanism=PLAIN", "choose from"),
        ("kafka://user:secret@host:9092", "no credentials"),
        ("kafka://host:9092?security=sasl_tls&username=auth", "password setting"),
        ("kafka://host:9092?username=auth", "password setting"),
        ("kafka://host:9092?security=sasl_tls", "password setting"),
    ],
)
def test_a_url_that_cannot_work_is_refused_when_it_is_configured(url: str, complaint: str) -> None:
    with pytest.raises(BusConfigurationError, match=complaint) as refused:
        BusConfig(url)
    assert "secret" not in str(refused.value)


def test_a_password_without_sasl_is_refused_rather_than_ignored() -> None:
    with pytest.raises(BusConfigurationError, match="password setting"):
        BusConfig("kafka://host:9092?username=auth", password="p")


def test_the_password_is_in_no_repr() -> None:
    config = BusConfig("kafka://host:9092?security=sasl_tls&username=auth", password="hunter2-hunter2")
    assert "hunter2" not in repr(config)
    assert "auth" in repr(config)  # positive control: the rest is


def test_event_topics_are_kept_for_ever_and_heartbeats_for_an_hour() -> None:
    topics = {topic.name: topic for topic in derive_topics(replication_factor=3, min_insync_replicas=2)}
    assert set(topics) == {*TOPICS.values(), HEARTBEAT_TOPIC}
    for name in TOPICS.values():
        assert topics[name] == TopicSettings(
            name, partitions=6, retention_ms=-1, min_insync_replicas=2, replication_factor=3
        )
    assert (topics[HEARTBEAT_TOPIC].partitions, topics[HEARTBEAT_TOPIC].retention_ms) == (1, 3_600_000)


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"partitions": 0}, {"min_insync_replicas": 2}, {"min_insync_replicas": 0}]
)
def test_topic_settings_that_no_bus_could_satisfy_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"topic|partition|min_insync"):
        TopicSettings(**{"name": "t", **wrong})
