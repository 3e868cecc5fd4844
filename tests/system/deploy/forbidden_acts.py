"""What no service and no auditor may do to the broker, as calls of Kafka's own admin client."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaAdminClient, OffsetAndMetadata, TopicPartition
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    NewPartitions,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError

from solekey_eventlog.bus.config import KafkaAddress, parse_address
from solekey_eventlog.bus.kafka_connection import KafkaConnection
from tests.support.deployment.broker import Broker

SCRATCH: Final = "solekey.scratch.v1"
"""A topic of the test's own, under the prefix that everybody may read: what is done to it breaks nothing."""
_REFUSED: Final = re.compile("AuthorizationFailed|needs [A-Z_]+ permission")
_EVERYTHING = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
_MORE_RIGHTS = ACL(
    "User:vault",
    "*",
    ACLOperation.WRITE,
    ACLPermissionType.ALLOW,
    ResourcePattern(ResourceType.TOPIC, SCRATCH),
)
_STOLEN = UserScramCredentialUpsertion("mallory", ScramMechanism.SCRAM_SHA_512, "a" * 20, 4096)

Act = Callable[[Any, str], object]
"""Does it, with an admin client, to a group of another service."""

ACTS: Final[Mapping[str, Act]] = {
    "create a topic": lambda admin, _: admin.create_topics(
        {"solekey.forged.v1": {"num_partitions": 1, "replication_factor": 1}}
    ),
    "add partitions": lambda admin, _: admin.create_partitions({SCRATCH: NewPartitions(3)}),
    "change a topic": lambda admin, _: admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, SCRATCH, {"retention.ms": "1000"})]
    ),
    "change the broker": lambda admin, _: admin.alter_configs(
        [ConfigResource(ConfigResourceType.BROKER, "1", {"log.cleaner.threads": "1"})], raise_on_unknown=False
    ),
    "delete records": lambda admin, _: admin.delete_records({TopicPartition(SCRATCH, 0): 0}),
    "read a group": lambda admin, group: admin.list_group_offsets({group: None}),
    "describe a group": lambda admin, group: admin.describe_groups([group]),
    "move a group": lambda admin, group: admin.alter_group_offsets(
        group, {TopicPartition(SCRATCH, 0): OffsetAndMetadata(0, "", -1)}
    ),
    "read the rights": lambda admin, _: admin.describe_acls(
        ACLFilter(None, "*", ACLOperation.ANY, ACLPermissionType.ANY, _EVERYTHING)
    ),
    "give rights": lambda admin, _: admin.create_acls([_MORE_RIGHTS]),
    "make a user": lambda admin, _: admin.alter_user_scram_credentials([_STOLEN]),
}


def is_refused(act: Act, admin: Any, group: str) -> bool:
    """Try it; tell whether the broker refused it for want of a right. Any other failure is the test's."""
    try:
        told = repr(act(admin, group))
    except KafkaError as error:
        told = f"{type(error).__name__}: {error}"
        if not _REFUSED.search(told):
            raise
    return _REFUSED.search(told) is not None


@contextmanager
def connect(broker: Broker, user: str) -> Iterator[Any]:
    """Connect as a user of the installation."""
    config = broker.bus_config(user)
    address = parse_address(config)
    assert isinstance(address, KafkaAddress)
    admin = KafkaConnection(address, config).open(KafkaAdminClient)
    try:
        yield admin
    finally:
        admin.close()


@contextmanager
def connect_as_operator(broker: Broker) -> Iterator[Any]:
    """Connect as who may do everything: on the listener that answers on the broker's own host alone."""
    admin = KafkaAdminClient(bootstrap_servers=broker.local_servers)
    try:
        yield admin
    finally:
        admin.close()
