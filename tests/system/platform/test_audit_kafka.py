"""An auditor exports a bundle from a real Kafka, and sees what its operator does to it."""

import uuid
from itertools import islice

import pytest
from kafka import KafkaProducer

from solekey.audit import Pin, Verdict, open_log, verify_log
from solekey.audit.bundle.export import export_to_bundle
from solekey.audit.sources import LogError
from solekey.audit.sources import kafka as kafka_source
from solekey_eventlog.bus import Message, TopicSettings, open_bus
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS
from tests.support.engines.engine import required
from tests.support.engines.kafka.broker import run_broker
from tests.support.protocol.keyring import ACCOUNT, USER
from tests.support.protocol.story import tell_whole

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PINS = {ACCOUNT: Pin(USER.public)}


@pytest.fixture
def cluster(tmp_path):
    """A broker of its own, with the platform's topics and the story on them."""
    topics = [TopicSettings(topic, 3, -1) for topic in TOPICS.values()]
    topics.append(TopicSettings(HEARTBEAT_TOPIC, 1, 3_600_000))
    with required(run_broker(tmp_path)) as broker:
        with open_bus(f"kafka://{broker.servers}") as bus:
            bus.create_topics(topics)
            bus.publish_many([Message(TOPICS[e.stream], e.account, e.raw) for e in tell_whole()])
        yield broker.servers


def test_a_bundle_of_a_real_kafka(cluster, tmp_path, monkeypatch):
    source, shadow = f"kafka://{cluster}", f"shadow-{uuid.uuid4().hex}"
    export_to_bundle(open_log(source), tmp_path / "bundle.tar")
    report = verify_log(open_log(tmp_path / "bundle.tar"), PINS)
    assert report.findings == ()
    assert report.verdict is Verdict.CLEAN
    rows = {row.check.id: row.looked_at for row in report.coverage}
    assert rows["BUS-02"] == 3 * len(TOPICS)
    assert rows["BUS-04"] == len(tell_whole())

    producer = KafkaProducer(bootstrap_servers=cluster)
    try:
        place = producer.send(TOPICS["vault"], None, key=ACCOUNT.encode(), headers=[("diary", b"dear")])
        place = place.get(timeout=30)
    finally:
        producer.close()
    with open_bus(source) as bus:
        bus.create_topics([TopicSettings(shadow, 1)])
        bus.publish(shadow, "diary", b"dear diary")
    report = verify_log(open_log(source), PINS)
    found = {finding.code: finding for finding in report.findings}
    assert {"malformed", "headers_present", "topic_unknown"} <= found.keys()
    assert (found["malformed"].place.partition, found["malformed"].place.offset) == (
        place.partition,
        place.offset,
    )

    begun = open_log(source)
    whole = begun.records
    begun.records = lambda ranges=None: islice(_killed(whole(ranges)), None)
    with pytest.raises(KeyboardInterrupt):
        export_to_bundle(begun, tmp_path / "resumed")
    resumed = export_to_bundle(open_log(source), tmp_path / "resumed")
    assert 0 < resumed.resumed < resumed.records
    assert sorted(map(str, open_log(tmp_path / "resumed").records())) == sorted(map(str, whole()))

    monkeypatch.setattr(kafka_source, "EXPORTED_TOPICS", ("absent",))
    with pytest.raises(LogError, match="no topic of Solekey's"):
        open_log(source)


def _killed(records):
    for number, record in enumerate(records):
        if number == len(tell_whole()) - 2:
            raise KeyboardInterrupt
        yield record
