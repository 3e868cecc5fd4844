"""Kills publisher, followers and broker, again and again, and counts what was lost and what happened twice.

``python -m tests.system.delivery.cycles [--cycles N] [--brokers N] [--seed X] [--flaw NAME]``
In each cycle devices are enrolled and revoked, which is acknowledged by the database's commit; then somebody
is killed at a random moment and started again; others die in the act (``workers.die_sometimes``). The broker
is killed ``--brokers`` times. At the end everything acknowledged must have been applied once by a service
that follows, in a consumer group of two; each revocation has an effect there, a row and an event of its own.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import func, select

from solekey_eventlog.bus import BusConfig, derive_topics, open_bus
from solekey_eventlog.parking import read_parked_accounts
from solekey_eventlog.store import EventStore
from solekey_protocol.event import parse_event
from solekey_protocol.events import Body, Stream, devices
from solekey_protocol.services import TOPICS
from tests.support.demo_service import reacting as demo
from tests.support.engines.kafka.cluster import LocalCluster
from tests.support.engines.kafka.local import LocalBroker
from tests.support.eventlog.author import Author
from tests.support.keys import Key
from tests.system.delivery.workers import (
    follow,
    fork,
    has_died,
    kill,
    open_follower,
    open_inbox,
    open_outbox,
    publish,
)

ACCOUNTS = 6
FOLLOWERS = 2
VICTIMS = ("publisher", "follower", "follower", "both", "nobody")
FLAWS = ("marks-early", "commits-early")
LONGEST_LIFE_S = 0.6
QUIET_S = 15.0
"""Nothing is applied for so long while something is missing: it is lost. A group misses a member in 1 s."""
_LOOK_S = 0.1


@dataclass
class Report:
    """What came of it."""

    cycles: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    records: int = 0
    repeated: int = 0
    applied: int = 0
    parked: int = 0
    revocations: int = 0
    effects: int = 0

    @property
    def lost(self) -> int:
        """Acknowledged, and not applied."""
        return self.acknowledged - self.applied

    @property
    def duplicated(self) -> int:
        """Effects beyond one for each revocation."""
        return self.effects - min(self.effects, self.revocations)

    def describe(self) -> str:
        """A table."""
        kills = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        rows = {
            "cycles": f"{self.cycles} ({kills})",
            "acknowledged": self.acknowledged,
            "records on the log": f"{self.records} ({self.repeated} repeated)",
            "applied once": self.applied,
            "lost": self.lost,
            "effects": f"{self.effects} of {self.revocations}",
            "duplicated effects": self.duplicated,
            "parked accounts": self.parked,
        }
        return "\n".join(f"{name:<20} {value}" for name, value in rows.items())

    @property
    def is_right(self) -> bool:
        """Whether nothing was lost, and nothing happened twice."""
        return not (self.lost or self.duplicated or self.parked) and self.effects == self.revocations


class Writers:
    """Accounts whose devices come and go; what they state is acknowledged by a commit."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._authors = [Author(f"account {number}") for number in range(ACCOUNTS)]
        self._phones = 0
        self.acknowledged = self.revocations = 0
        for author in self._authors:
            laptop = author.laptop.certificate
            self._append(author, devices.AccountFounded(author.user_key.public, author.key_id, laptop))

    def write(self, author_number: int) -> None:
        """Enrol a phone of an account, and revoke it."""
        author = self._authors[author_number]
        self._phones += 1
        phone = Key(f"phone {self._phones}")
        self._append(author, devices.DeviceEnrolled(phone.certificate), phone)
        lost = devices.RevocationReason.LOST
        self._append(author, devices.DeviceRevoked(phone.certificate.device, lost))
        self.revocations += 1

    def _append(self, author: Author, body: Body, device: Key | None = None) -> None:
        signed = author.sign(body, device=device)
        with self._store.begin() as uow:
            (event,) = uow.append(author.account, author.head(Stream.DEVICES), signed)
        author.events[Stream.DEVICES].append(event)
        self.acknowledged += 1


class Cycles:
    """The driver. Must fork, so nothing is connected to Kafka until the end."""

    def __init__(self, folder: Path, broker: LocalBroker | LocalCluster, seed: int, flaw: str | None) -> None:
        self._folder, self._broker, self._flaw = folder, broker, flaw
        self._url = f"kafka://{broker.servers}"
        self._random = random.Random(seed)  # noqa: S311 - a seed that can be repeated
        with open_bus(self._url) as bus:
            bus.create_topics(
                derive_topics(
                    replication_factor=broker.replication_factor,
                    min_insync_replicas=broker.min_insync_replicas,
                )
            )
            open_follower(folder, bus).close()  # migrated before two want to
        self._writers = Writers(open_outbox(folder))
        self._publisher = 0
        self._followers = [0] * FOLLOWERS
        self.report = Report()

    def run(self, cycles: int, brokers: int) -> Report:
        """Run, look, and tell."""
        self._start_publisher()
        for number in range(FOLLOWERS):
            self._start_follower(number)
        with_broker = set(self._random.sample(range(cycles), brokers))
        for cycle in range(cycles):
            for _ in range(self._random.randint(1, 4)):
                self._writers.write(self._random.randrange(ACCOUNTS))
            threading.Event().wait(self._random.uniform(0, LONGEST_LIFE_S))  # when it dies is what is random
            self._revive()
            self._kill_somebody()
            if cycle in with_broker:
                self._kill_broker()
            self.report.cycles += 1
        self._count()
        return self.report

    def stop(self) -> None:
        """End the workers."""
        for process in filter(None, (self._publisher, *self._followers)):
            kill(process)
        self._publisher, self._followers = 0, [0] * FOLLOWERS

    def _start_publisher(self) -> None:
        self._publisher = fork(publish, self._folder, self._url, self._flaw)

    def _start_follower(self, number: int) -> None:
        self._followers[number] = fork(follow, self._folder, self._url, self._flaw)

    def _revive(self) -> None:
        """Start those again who died in the act: sent and not marked, or applied and not committed."""
        if has_died(self._publisher):
            self._start_publisher()
            self.report.kills["publisher in the act"] += 1
        for number, process in enumerate(self._followers):
            if has_died(process):
                self._start_follower(number)
                self.report.kills["follower in the act"] += 1

    def _kill_somebody(self) -> None:
        victim = self._random.choice(VICTIMS)
        if victim in {"publisher", "both"}:
            kill(self._publisher)
            self._start_publisher()
            self.report.kills["publisher"] += 1
        if victim in {"follower", "both"}:
            number = self._random.randrange(FOLLOWERS)
            kill(self._followers[number])
            self._start_follower(number)
            self.report.kills["follower"] += 1

    def _kill_broker(self) -> None:
        assert isinstance(self._broker, LocalBroker)
        self._broker.kill()
        self._writers.write(self._random.randrange(ACCOUNTS))  # acknowledged while there is no bus
        self._broker.start()
        self.report.kills["broker"] += 1

    def _count(self) -> None:
        report, writers = self.report, self._writers
        report.acknowledged, report.revocations = writers.acknowledged, writers.revocations
        inbox = open_inbox(self._folder)
        self._wait_until_applied(inbox)
        self.stop()
        report.applied = count_rows(inbox, demo.TABLES.inbox)
        report.effects = max(count_rows(inbox, table) for table in (demo.NOTES, demo.TABLES.events))
        with inbox.read() as uow:
            report.parked = len(read_parked_accounts(uow))
        with open_bus(BusConfig(self._url)) as bus:
            places = Counter(_places(record.value for record in bus.read(TOPICS[Stream.DEVICES])))
        report.records, report.repeated = places.total(), places.total() - len(places)

    def _wait_until_applied(self, inbox: EventStore) -> None:
        applied, changed_s = -1, time.monotonic()
        while applied < self._writers.acknowledged and time.monotonic() - changed_s < QUIET_S:
            threading.Event().wait(_LOOK_S)
            self._revive()
            if (now := count_rows(inbox, demo.TABLES.inbox)) != applied:
                applied, changed_s = now, time.monotonic()


def _places(records: Iterable[bytes]) -> Iterable[tuple[str, int]]:
    for raw in records:
        event = parse_event(raw)
        yield event.account, event.seq


def count_rows(store: EventStore, table: object) -> int:
    with store.read() as uow:
        return int(uow.connection.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]  # any table


def start_command(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, int]:
    """Parse the command line, and print the seed that it gives or that is drawn."""
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    sys.stdout.write(f"seed {seed}\n")
    return arguments, seed


def run_at(servers: LocalBroker | LocalCluster, make: Callable[[], Cycles], cycles: int, kills: int) -> int:
    """Run at servers that are started before and stopped afterwards.

    Args:
        servers: what the cycles run at.
        make: makes the cycles once that is started.
        cycles: how many.
        kills: how many of them kill a server.

    Returns:
        The exit code; 0: nothing was lost, and nothing happened twice.
    """
    try:
        servers.start()
        driver = make()
        try:
            report = driver.run(cycles, min(kills, cycles))
        finally:
            driver.stop()
    finally:
        servers.stop()
    sys.stdout.write(f"{report.describe()}\n")
    return 0 if report.is_right else 1


def main() -> int:
    """Run as the command line says; 0: nothing was lost, and nothing happened twice."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cycles", type=int, default=int(os.environ.get("SOLEKEY_SOAK_CYCLES", "200")))
    parser.add_argument("--brokers", type=int, default=10)
    parser.add_argument("--flaw", choices=FLAWS)
    arguments, seed = start_command(parser)
    with tempfile.TemporaryDirectory(prefix="solekey-delivery-") as name:
        folder, broker = Path(name), LocalBroker(Path(name))
        make = partial(Cycles, folder, broker, seed, arguments.flaw)
        return run_at(broker, make, arguments.cycles, arguments.brokers)


if __name__ == "__main__":
    sys.exit(main())
