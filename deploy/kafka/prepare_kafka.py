"""Prepare a Kafka cluster for Solekey: a SCRAM user for each service, its rights, and the topics.

Each service may write its own topic and the heartbeats, and read everything; the auditor may read the log,
see the names of all other topics, and nothing else. May be run again: passwords are set anew, and an existing
topic is left as it is, since each service checks the topics when it starts.

Environment: KAFKA_URL, as SOLEKEY_BUS_URL of a service, and KAFKA_PASSWORD where it has a username: an
administrator of the cluster; AUTH_BUS_PASSWORD and so on, one for each service and the auditor, or
AUTH_BUS_PASSWORD_FILE, which names a file that holds it; as for the services, SOLEKEY_BUS_PARTITIONS,
SOLEKEY_BUS_REPLICATION_FACTOR and SOLEKEY_BUS_MIN_INSYNC_REPLICAS.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from solekey_eventlog.bus import BusConfig, open_bus
from solekey_eventlog.bus.config import KafkaAddress, parse_address
from solekey_eventlog.bus.kafka_connection import KafkaConnection
from solekey_eventlog.bus.topics import DEFAULT_PARTITIONS, derive_topics
from solekey_protocol.services import HEARTBEAT_TOPIC, SERVICES, Service

AUDITOR = "auditor"
SCRAM_ITERATIONS = 8192
ALL_TOPICS = ResourcePattern(ResourceType.TOPIC, "solekey.", ACLResourcePatternType.PREFIXED)
HEARTBEATS = ResourcePattern(ResourceType.TOPIC, HEARTBEAT_TOPIC)
EVERY_TOPIC = ResourcePattern(ResourceType.TOPIC, "*")
CLUSTER = ResourcePattern(ResourceType.CLUSTER, "kafka-cluster")


def read_secret(name: str) -> str:
    """Read a secret from the environment, or from the file that it names. Raises KeyError."""
    file = os.environ.get(f"{name}_FILE")
    return Path(file).read_text().strip() if file else os.environ[name]


def make_users(admin: KafkaAdminClient, passwords: dict[str, str]) -> None:
    """Make the users, or change their passwords. Raises RuntimeError when Kafka refuses one."""
    for_auditors = {AUDITOR: passwords[AUDITOR]}  # what auditors.properties lets in
    for mechanism, users in (
        (ScramMechanism.SCRAM_SHA_512, passwords),
        (ScramMechanism.SCRAM_SHA_256, for_auditors),
    ):
        wanted = [
            UserScramCredentialUpsertion(name, mechanism, password, SCRAM_ITERATIONS)
            for name, password in users.items()
        ]
        for name, error in admin.alter_user_scram_credentials(wanted).items():
            if error is not None:
                raise RuntimeError(f"user {name}: {error}")


def derive_rights() -> Iterator[ACL]:
    """Derive who may do what."""
    for name, entry in SERVICES.items():
        own_groups = ResourcePattern(ResourceType.GROUP, f"solekey-{name}", ACLResourcePatternType.PREFIXED)
        if entry.topic is not None:
            yield _allow(name, ACLOperation.WRITE, ResourcePattern(ResourceType.TOPIC, entry.topic))
        yield _allow(name, ACLOperation.WRITE, HEARTBEATS)
        yield _allow(name, ACLOperation.READ, own_groups)
        yield _allow(name, ACLOperation.DESCRIBE_CONFIGS, CLUSTER)  # to see that auto-creation is off
    for name in (*Service, AUDITOR):
        yield _allow(name, ACLOperation.READ, ALL_TOPICS)  # implies DESCRIBE
        yield _allow(name, ACLOperation.DESCRIBE_CONFIGS, ALL_TOPICS)
    yield _allow(AUDITOR, ACLOperation.DESCRIBE, EVERY_TOPIC)  # to see that there is no other


def _allow(name: str, operation: ACLOperation, resource: ResourcePattern) -> ACL:
    return ACL(f"User:{name}", "*", operation, ACLPermissionType.ALLOW, resource)


def main() -> None:
    """Prepare the cluster that the environment names."""
    config = BusConfig(
        os.environ["KAFKA_URL"], password=os.environ.get("KAFKA_PASSWORD"), client_id="solekey-prepare"
    )
    passwords = {name: read_secret(f"{name.upper()}_BUS_PASSWORD") for name in (*Service, AUDITOR)}
    address = parse_address(config)
    if not isinstance(address, KafkaAddress):
        raise TypeError("KAFKA_URL: expected kafka://…")
    with KafkaConnection(address, config).admin() as admin:
        make_users(admin, passwords)
        outcome = admin.create_acls(list(derive_rights()))
        if outcome["failed"]:
            raise RuntimeError(f"rights: {outcome['failed']}")
    topics = derive_topics(
        partitions=int(os.environ.get("SOLEKEY_BUS_PARTITIONS", DEFAULT_PARTITIONS)),
        replication_factor=int(os.environ.get("SOLEKEY_BUS_REPLICATION_FACTOR", "1")),
        min_insync_replicas=int(os.environ.get("SOLEKEY_BUS_MIN_INSYNC_REPLICAS", "1")),
    )
    with open_bus(config) as bus:
        bus.create_topics(topics)
        bus.check(topics)
    print(f"Prepared {len(passwords)} users and {len(topics)} topics.")


if __name__ == "__main__":
    main()
