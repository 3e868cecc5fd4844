"""deploy/kafka makes a broker that lets each service write its own topic and nobody anything else.

The broker is Apache Kafka from its official jars, started by the very script and settings of the container;
only ports and paths are mapped.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from kafka.errors import TopicDeletionDisabledError

from solekey_eventlog.bus import BusConfigurationError, BusError, derive_topics, open_bus
from solekey_eventlog.bus.config import ScramMechanism
from solekey_protocol.events import Stream
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS
from solekey_protocol.services import SERVICES as REGISTRY
from tests.support.deployment.broker import Broker, run_broker
from tests.support.deployment.compose import SERVICES
from tests.support.engines.engine import required
from tests.system.deploy.forbidden_acts import ACTS, SCRATCH, connect, connect_as_operator, is_refused

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_TOPICS = {entry.service.value: entry.topic for entry in REGISTRY.values()}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with required(run_broker(tmp_path_factory.mktemp("broker"))) as running:
        running.prepare()  # an init container runs at every start
        yield running


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_finds_its_topics_right_and_writes_its_own(installation: Broker, service: str) -> None:
    with open_bus(installation.bus_config(service)) as bus:
        bus.check(derive_topics())
        bus.publish(_TOPICS[service], "account", f"by {service}".encode())
        bus.publish(HEARTBEAT_TOPIC, service, b"{}")
        assert f"by {service}".encode() in {record.value for record in bus.read(_TOPICS[service])}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_writes_no_other_topic(installation: Broker, service: str) -> None:
    with open_bus(installation.bus_config(service)) as bus:
        for topic in set(TOPICS.values()) - {_TOPICS[service]}:
            with pytest.raises(BusConfigurationError):
                bus.publish(topic, "account", b"forged")


def test_a_service_follows_the_others_in_its_own_group_only(installation: Broker) -> None:
    with open_bus(installation.bus_config("auth")) as bus:
        bus.publish(TOPICS[Stream.AUTH], "account", b"to be followed")
    with open_bus(installation.bus_config("vault")) as bus:
        with bus.consumer("solekey-vault", [TOPICS[Stream.AUTH]]) as consumer:
            assert consumer.poll(30)
        with (
            bus.consumer("solekey-auth", [TOPICS[Stream.AUTH]]) as consumer,
            pytest.raises(BusError),
        ):
            consumer.poll(10)


def test_an_auditor_reads_everything_and_writes_nothing(installation: Broker) -> None:
    with open_bus(installation.bus_config("auth")) as bus:
        bus.publish(TOPICS[Stream.AUTH], "account", b"to be audited")
    with open_bus(installation.bus_config("auditor")) as bus:
        assert b"to be audited" in {record.value for record in bus.read(TOPICS[Stream.AUTH])}
        for topic in TOPICS.values():
            before = bus.end_offsets(topic)
            with pytest.raises(BusError):
                bus.publish(topic, "account", b"forged")
            assert bus.end_offsets(topic) == before


def test_a_wrong_password_gets_nowhere(installation: Broker) -> None:
    config = installation.bus_config("auth", password="wrong")
    with pytest.raises(BusError), open_bus(config) as bus:
        bus.end_offsets(TOPICS[Stream.AUTH])


def test_at_the_auditors_listener_the_auditor_reads(installation: Broker) -> None:
    with open_bus(installation.bus_config("auth")) as bus:
        bus.publish(TOPICS[Stream.AUTH], "account", b"to be read from outside")
    with open_bus(installation.auditors_config("auditor")) as bus:
        assert b"to be read from outside" in {record.value for record in bus.read(TOPICS[Stream.AUTH])}
        with pytest.raises(BusError):
            bus.publish(TOPICS[Stream.AUTH], "account", b"forged")


@pytest.mark.parametrize("mechanism", list(ScramMechanism))
def test_at_the_auditors_listener_no_service_is_let_in(
    installation: Broker, mechanism: ScramMechanism
) -> None:
    """With its right password, which its own listener takes: see above."""
    config = replace(installation.auditors_config("auth", mechanism), request_timeout_s=1)
    with pytest.raises(BusError), open_bus(config) as bus:
        bus.end_offsets(TOPICS[Stream.AUTH])


@pytest.fixture(scope="module")
def group_of_another(installation: Broker) -> Callable[[str], str]:
    """Give a function that names a group of another service, and the scratch topic that acts are tried on."""
    for service in SERVICES:
        with (
            open_bus(installation.bus_config(service)) as bus,
            bus.consumer(f"solekey-{service}", [HEARTBEAT_TOPIC]) as consumer,
        ):
            consumer.poll(0.1)  # it exists once somebody has joined it
    with connect_as_operator(installation) as admin:
        admin.create_topics({SCRATCH: {"num_partitions": 1, "replication_factor": 1}})
    return lambda user: next(f"solekey-{service}" for service in SERVICES if service != user)


@pytest.mark.parametrize("user", [*SERVICES, "auditor"])
def test_nobody_administers_the_broker_or_another_s_group(
    installation: Broker, group_of_another: Callable[[str], str], user: str
) -> None:
    with connect(installation, user) as admin:
        group = group_of_another(user)
        allowed = [name for name, act in ACTS.items() if not is_refused(act, admin, group)]
        assert allowed == []
        assert {group["group_id"] for group in admin.list_groups()} <= {f"solekey-{user}"}
        assert admin.describe_topics([SCRATCH])  # control: it is known, and answered


@pytest.mark.parametrize("user", SERVICES)
def test_control_each_service_may_read_its_own_group(installation: Broker, user: str) -> None:
    with connect(installation, user) as admin:
        assert not is_refused(ACTS["read a group"], admin, f"solekey-{user}")
        assert not is_refused(ACTS["describe a group"], admin, f"solekey-{user}")


def test_control_an_operator_may_do_all_of_it_but_delete_a_topic(
    installation: Broker, group_of_another: Callable[[str], str]
) -> None:
    """So a refusal is one for want of a right. Topics are deleted by nobody."""
    with connect_as_operator(installation) as admin:
        refused = [name for name, act in ACTS.items() if is_refused(act, admin, group_of_another("auth"))]
        assert refused == []
        with pytest.raises(TopicDeletionDisabledError):
            admin.delete_topics([SCRATCH])
