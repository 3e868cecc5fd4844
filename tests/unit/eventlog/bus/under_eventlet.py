"""Publishes and consumes under eventlet, as a service does. A process of its own; argv = bus URL, topic.

Prints one JSON line: what arrived, how late, and how often another green thread could run meanwhile.
"""

import warnings

warnings.simplefilter("ignore", DeprecationWarning)
import eventlet  # noqa: E402

eventlet.monkey_patch()

import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

from solekey_eventlog.bus import Message, TopicSettings, open_bus  # noqa: E402

COUNT = 40
TICK_S = 0.01


def main() -> None:
    url, topic = sys.argv[1:]
    longest_gap_s = 0.0
    arrived: list[tuple[str, float]] = []
    joined = eventlet.event.Event()

    def tick() -> None:
        nonlocal longest_gap_s
        before = time.monotonic()
        while True:
            eventlet.sleep(TICK_S)
            longest_gap_s = max(longest_gap_s, time.monotonic() - before - TICK_S)
            before = time.monotonic()

    def consume(bus) -> None:
        with bus.consumer("g-eventlet", [topic]) as consumer:
            while not consumer.poll(0.2):
                pass
            joined.send()
            while len(arrived) < COUNT + 2:
                for record in consumer.poll(5.0):
                    arrived.append((record.value.decode(), time.monotonic()))
                    consumer.commit(record)

    with open_bus(url) as bus:
        bus.create_topics([TopicSettings(topic, partitions=2)])
        bus.publish(topic, "a", b"the first")
        consumer = eventlet.spawn(consume, bus)
        joined.wait()
        ticker = eventlet.spawn(tick)
        published_at = {}
        for n in range(COUNT):
            published_at[str(n)] = time.monotonic()
            bus.publish(topic, "a", str(n).encode())
            eventlet.sleep(TICK_S)
        bus.publish_many([Message(topic, "a", b"x"), Message(topic, "a", b"y")])
        consumer.wait()
        ticker.kill()
        read = [record.value.decode() for record in bus.read(topic)][1:]
    delays = sorted(at - published_at[value] for value, at in arrived if value in published_at)
    report = {
        "arrived": [value for value, _ in arrived],
        "read": read,
        "median_delay_s": delays[len(delays) // 2],
        "longest_gap_s": longest_gap_s,
    }
    sys.stdout.write(json.dumps(report) + "\n")


main()
