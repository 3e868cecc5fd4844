"""What is particular to Kafka: protection, topic settings made by others, and what is in flight."""

import gc
import logging
import secrets
import threading
from pathlib import Path
from urllib.parse import urlencode

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from solekey_eventlog.bus import (
    BusConfig,
    BusConfigurationError,
    BusUnavailableError,
    Message,
    TopicSettings,
    open_bus,
)
from solekey_eventlog.bus.kafka import split_waves
from solekey_standalone.certificates import load_or_make_certificates
from tests.support.engines.kafka.broker import SecureKafka
from tests.support.engines.kafka.local import LocalBroker
from tests.support.engines.waiting import collect, wait_until

pytestmark = pytest.mark.kafka

# kafka-python does not close the socket of a failed handshake; the fixture `abandoned_sockets` collects it
BUSY_S = 180.0
"""Reached only when something is wrong: a broker on a very busy machine has answered by then."""
ABANDONS_SOCKETS = pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")


def configure(
    kafka: SecureKafka,
    password: str | None = None,
    ca_file: Path | None = None,
    request_timeout_s: float = 3,
) -> BusConfig:
    options = {
        "security": "sasl_tls",
        "username": kafka.username,
        "ca_file": str(ca_file or kafka.ca_file),
    }
    url = f"kafka://{kafka.servers}?{urlencode(options)}"
    return BusConfig(
        url, password=password or kafka.password, publish_timeout_s=3, request_timeout_s=request_timeout_s
    )


def test_sasl_over_tls_works_and_the_password_is_in_no_log(
    secure_kafka: SecureKafka, caplog: pytest.LogCaptureFixture
) -> None:
    topic = TopicSettings("test.secure.v1", partitions=1)
    with caplog.at_level(logging.DEBUG), open_bus(configure(secure_kafka)) as bus:
        bus.create_topics([topic])
        bus.check([topic])
        bus.publish(topic.name, "a", b"value")
        with bus.consumer("g-secure", [topic.name]) as consumer:
            (record,) = collect(consumer, 1)
            consumer.commit(record)
    assert secure_kafka.username in caplog.text  # positive control: the settings are logged
    assert secure_kafka.password not in caplog.text


@ABANDONS_SOCKETS
@pytest.mark.usefixtures("abandoned_sockets")
def test_a_wrong_password_is_refused(secure_kafka: SecureKafka) -> None:
    """And the broker's reason is told; a busy broker may hang up before it gives one."""

    def is_reason_told() -> bool:
        with (
            open_bus(configure(secure_kafka, password="wrong-one", request_timeout_s=3)) as bus,
            pytest.raises(BusUnavailableError) as refused,
        ):
            bus.check([])
        assert "wrong-one" not in str(refused.value)
        return "SaslAuthenticationFailed" in str(refused.value)

    wait_until(is_reason_told, BUSY_S)


@ABANDONS_SOCKETS
@pytest.mark.usefixtures("abandoned_sockets")
def test_a_broker_that_another_authority_vouches_for_is_refused(
    secure_kafka: SecureKafka, tmp_path: Path
) -> None:
    foreign = load_or_make_certificates(tmp_path, "localhost").authority
    with open_bus(configure(secure_kafka, ca_file=foreign)) as bus, pytest.raises(BusUnavailableError):
        bus.publish("test.secure.v1", "a", b"value")


def test_tls_files_that_cannot_be_read_are_named_at_start(tmp_path: Path) -> None:
    url = f"kafka://localhost:1?security=tls&ca_file={tmp_path}/missing.pem"
    with pytest.raises(BusConfigurationError, match="TLS files"):
        open_bus(url)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"cleanup.policy": "compact"}, "cleanup.policy=compact, expected delete"),
        ({"retention.bytes": "1000000"}, "retention.bytes=1000000, expected -1"),
        ({"retention.ms": "604800000"}, "--add-config retention.ms=-1"),
        ({"unclean.leader.election.enable": "true"}, "unclean.leader.election.enable=true"),
    ],
)
def test_check_refuses_a_topic_that_could_forget(kafka_servers: str, config: dict, complaint: str) -> None:
    settings = TopicSettings(f"test.{secrets.token_hex(8)}.v1", partitions=1)
    admin = KafkaAdminClient(bootstrap_servers=kafka_servers)
    right = {"retention.ms": "-1", "retention.bytes": "-1"}
    admin.create_topics(
        {settings.name: {"num_partitions": 1, "replication_factor": 1, "configs": {**right, **config}}},
        wait_for_metadata=False,
    )
    admin.wait_for_topics([settings.name])
    admin.close()
    with open_bus(f"kafka://{kafka_servers}") as bus:
        with pytest.raises(BusConfigurationError) as refused:
            bus.check([settings])
        assert complaint in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1


def test_check_wants_as_many_replicas_as_configured(kafka_servers: str) -> None:
    name = f"test.{secrets.token_hex(8)}.v1"
    with open_bus(f"kafka://{kafka_servers}") as bus:
        bus.create_topics([TopicSettings(name, partitions=1)])
        with pytest.raises(BusConfigurationError) as refused:
            bus.check([TopicSettings(name, partitions=1, replication_factor=3, min_insync_replicas=2)])
    faults = str(refused.value).splitlines()
    assert "replication factor 1, configured is 3" in faults[0]
    assert "min.insync.replicas=1, expected 2" in faults[1]


def test_check_refuses_a_broker_that_creates_topics_by_itself(tmp_path: Path) -> None:
    broker = LocalBroker(tmp_path, auto_create_topics=True)
    broker.start()
    try:
        with (
            open_bus(f"kafka://{broker.servers}") as bus,
            pytest.raises(BusConfigurationError, match=r"auto\.create\.topics\.enable=false"),
        ):
            bus.check([])
    finally:
        broker.stop()


def test_a_strangers_record_is_delivered_like_any_other(kafka_servers: str) -> None:
    settings = TopicSettings(f"test.{secrets.token_hex(8)}.v1", partitions=1)
    with open_bus(f"kafka://{kafka_servers}") as bus:
        bus.create_topics([settings])
        stranger = KafkaProducer(bootstrap_servers=kafka_servers, enable_idempotence=True)
        stranger.send(settings.name, b"no key").get(10)
        stranger.send(settings.name, None, key=b"\xff").get(10)
        stranger.close()
        bus.publish(settings.name, "a", b"ours")
        expected = [("", b"no key"), ("\ufffd", b""), ("a", b"ours")]
        assert [(record.key, record.value) for record in bus.read(settings.name)] == expected
        with bus.consumer("g-stranger", [settings.name]) as consumer:
            assert [(record.key, record.value) for record in collect(consumer, 3)] == expected


def test_no_two_records_of_a_key_are_in_flight_together() -> None:
    messages = [Message("t", key, b"") for key in "aababc"] + [Message("u", "a", b"")]
    assert split_waves(messages) == [[0, 2, 5, 6], [1, 4], [3]]
    assert split_waves([]) == []


@ABANDONS_SOCKETS
@pytest.mark.usefixtures("abandoned_sockets")
def test_a_bus_that_cannot_be_reached_leaves_no_threads_behind() -> None:
    before = set(threading.enumerate())
    with open_bus(BusConfig("kafka://127.0.0.1:1", publish_timeout_s=0.5, request_timeout_s=0.6)) as bus:
        for act in (lambda: bus.publish("t", "a", b""), lambda: bus.check([])):
            with pytest.raises(BusUnavailableError):
                act()
        with bus.consumer("g", ["t"]) as consumer, pytest.raises(BusUnavailableError):
            consumer.poll(0.1)
    gc.collect()
    assert set(threading.enumerate()) <= before
