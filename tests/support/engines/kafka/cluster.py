"""Three brokers from the official jars, each a controller too, with the settings of deploy/three-brokers.yml
that decide what is acknowledged and who leads.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.engines.kafka.local import LocalBroker
from tests.support.engines.ports import find_free_ports

BROKERS = 3
_LOOK_S = 0.2
_ASK_TIMEOUT_S = 5
_ELECTED_TIMEOUT_S = 60
_SETTINGS = """\
node.id={node}
controller.quorum.voters={voters}
offsets.topic.num.partitions=1
offsets.topic.replication.factor=3
default.replication.factor=3
min.insync.replicas=2
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


@dataclass(frozen=True, slots=True)
class Leader:
    """Who leads a partition, and who is in sync with it. Broker numbers are from 1."""

    broker: int
    in_sync: frozenset[int]


class LocalCluster:
    """Brokers 1, 2 and 3. Each has its own folder, port and data."""

    replication_factor, min_insync_replicas = BROKERS, 2

    def __init__(self, folder: Path) -> None:
        controllers = find_free_ports(BROKERS)
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(controllers, start=1))
        self._brokers = []
        for node, port in enumerate(controllers, start=1):
            own = folder / f"broker-{node}"
            own.mkdir()
            more = _SETTINGS.format(node=node, voters=voters)
            self._brokers.append(LocalBroker(own, controller_port=port, more=more))

    @property
    def servers(self) -> str:
        """Bootstrap servers: all three."""
        return ",".join(broker.servers for broker in self._brokers)

    def start(self) -> None:
        """Start all that do not run, at the same time: one alone has no quorum, and does not answer."""
        for broker in self._brokers:
            broker.launch()
        for broker in self._brokers:
            broker.wait_until_ready()

    def stop(self) -> None:
        """End all of them at once: nobody reads their data again."""
        for broker in self._brokers:
            broker.resume()
            broker.kill()

    def kill(self, node: int) -> None:
        """Take a broker away at once."""
        self._brokers[node - 1].kill()

    def bring_back(self, node: int) -> None:
        """Start a broker that was killed, with its data; it may take a while until it is in sync."""
        self._brokers[node - 1].launch()

    @contextmanager
    def paused(self, node: int) -> Iterator[None]:
        """Hold a broker back for the time of a block: its connections stay, and nothing is answered."""
        self._brokers[node - 1].pause()
        try:
            yield
        finally:
            self._brokers[node - 1].resume()

    def find_leaders(self, topic: str) -> list[Leader]:
        """Find who leads each partition, as those see it who answer; none: nobody does, or nobody answers."""
        from kafka.admin import KafkaAdminClient
        from kafka.errors import KafkaError

        try:
            admin: Any = KafkaAdminClient(
                bootstrap_servers=self.servers.split(","), bootstrap_timeout_ms=_ASK_TIMEOUT_S * 1000
            )
        except KafkaError:
            return []
        try:
            (described,) = admin.describe_topics([topic])
        except KafkaError:
            return []
        finally:
            admin.close()
        return [Leader(each["leader_id"], frozenset(each["isr_nodes"])) for each in described["partitions"]]

    def wait_for_leaders(self, topic: str, holds: Callable[[Leader], bool]) -> list[Leader]:
        """Wait until each partition of a topic has a leader of which something holds."""
        deadline_s = time.monotonic() + _ELECTED_TIMEOUT_S
        while time.monotonic() < deadline_s:
            leaders = self.find_leaders(topic)
            if leaders and all(leader.broker > 0 and holds(leader) for leader in leaders):
                return leaders
            time.sleep(_LOOK_S)
        raise AssertionError(f"{topic}: no such leaders, but {self.find_leaders(topic)}")
