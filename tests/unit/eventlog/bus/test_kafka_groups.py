"""Several members share a consumer group on Kafka; on the embedded bus a group has one (test_embedded.py)."""

from collections.abc import Callable, Sequence
from itertools import chain

import pytest

from solekey_eventlog.bus import Message, PartitionLostError, Record, TopicPartition
from solekey_eventlog.bus.kafka_consumer import GroupConsumer
from tests.support.engines.waiting import collect, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.parametrize("under_test", ["kafka"], indirect=True)]


def make_messages(topic: str) -> list[Message]:
    return [Message(topic, f"account-{key}", b"0") for key in range(20)]


def read_assignment(consumer: GroupConsumer) -> set[TopicPartition]:
    """The partitions that a member owns, as the library says."""
    if consumer._consumer is None:
        return set()
    return {TopicPartition(*one) for one in consumer._consumer.assignment() & consumer._held.fixed}


def share(consumers: Sequence, topic: str, partitions: int) -> Callable[[], bool]:
    """Poll all, until each has something and together they have everything exactly once."""

    def is_shared() -> bool:
        for consumer in consumers:
            assert not consumer.poll(0.2)
        held = [sorted(read_assignment(consumer)) for consumer in consumers]
        return all(held) and sorted(chain.from_iterable(held)) == [(topic, p) for p in range(partitions)]

    return is_shared


@pytest.mark.slow
def test_two_members_share_the_partitions_and_one_takes_over_when_the_other_leaves(under_test) -> None:
    topic, bus = under_test.make_topic(partitions=4), under_test.open()
    first, second = under_test.join(bus, "g-share", topic), under_test.join(bus, "g-share", topic)
    wait_until(share([first, second], topic, 4))
    bus.publish_many(make_messages(topic))
    polled = {consumer: collect_until_quiet(consumer) for consumer in (first, second)}
    for consumer, records in polled.items():
        assert {record.partition for record in records} <= {p for _, p in read_assignment(consumer)}
        for record in records:
            consumer.commit(record)
    assert sorted(r.key for records in polled.values() for r in records) == sorted(
        f"account-{k}" for k in range(20)
    )
    second.close()
    wait_until(share([first], topic, 4))
    bus.publish_many(make_messages(topic))
    assert len(collect(first, 20)) == 20


def collect_until_quiet(consumer) -> list[Record]:
    records = list(consumer.poll(5))
    while more := consumer.poll(0.5):
        records += more
    return records


def test_what_another_member_takes_over_comes_to_it_and_can_no_longer_be_committed_here(under_test) -> None:
    topic, bus = under_test.make_topic(partitions=4), under_test.open()
    bus.publish_many(make_messages(topic))
    first, second = under_test.join(bus, "g-lost", topic), under_test.join(bus, "g-lost", topic)
    held = collect(first, 20)
    taken_over: list[Record] = []

    def is_handed_over() -> bool:
        taken_over.extend(second.poll(0.2))
        assert not first.poll(0.2)
        lost = [record for record in held if (topic, record.partition) in read_assignment(second)]
        return bool(lost) and len(taken_over) == len(lost) and bool(read_assignment(first))

    wait_until(is_handed_over)
    for record in held:
        if record in taken_over:
            for act in (first.commit, first.seek):
                with pytest.raises(PartitionLostError):
                    act(record)
            second.commit(record)
        else:
            first.commit(record)  # what it kept, it may still commit
