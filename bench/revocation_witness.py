"""The limit of `bench/revocation.py`: a bare kafka-python consumer that says when each record has come.

Arguments: bootstrap servers, CA file, user name; the password is in WITNESS_PASSWORD. Prints `ready`, then a
line a record: SHA-256 of its value, and `time.monotonic()`, a clock that all processes of a machine share.
"""

import hashlib
import os
import sys
import time

from kafka import KafkaConsumer, TopicPartition

from solekey_protocol.events import Stream
from solekey_protocol.services import TOPICS

_POLL_MS = 1000


def main() -> None:
    """Follow the devices topic from its end until the process is terminated."""
    servers, ca_file, username = sys.argv[1:]
    consumer = KafkaConsumer(
        bootstrap_servers=servers,
        security_protocol="SASL_SSL",
        ssl_cafile=ca_file,
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=username,
        sasl_plain_password=os.environ["WITNESS_PASSWORD"],
        group_id=None,
        enable_auto_commit=False,
        allow_auto_create_topics=False,
    )
    partitions = [
        TopicPartition(TOPICS[Stream.DEVICES], number)
        for number in consumer.partitions_for_topic(TOPICS[Stream.DEVICES])
    ]
    consumer.assign(partitions)
    consumer.seek_to_end(*partitions)
    for partition in partitions:
        consumer.position(partition)
    print("ready", flush=True)
    while True:
        for batch in consumer.poll(timeout_ms=_POLL_MS).values():
            seen_s = time.monotonic()
            for record in batch:
                print(hashlib.sha256(record.value).hexdigest(), seen_s, flush=True)


if __name__ == "__main__":
    main()
