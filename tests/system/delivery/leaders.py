"""As `cycles`, on three brokers: each is killed or held back in turn, and another one leads its partitions.

``python -m tests.system.delivery.leaders [--cycles N] [--moves N] [--seed X]``
While a broker is away the two others take what is written: it must be applied before that one is back. It is
killed, or held back for longer than the others wait for it (SIGSTOP), so that what was sent to it comes late.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from solekey_protocol.events import Stream
from solekey_protocol.services import TOPICS
from tests.support.demo_service import reacting as demo
from tests.support.engines.kafka.cluster import BROKERS, LocalCluster
from tests.system.delivery.cycles import Cycles, count_rows, run_at, start_command
from tests.system.delivery.workers import open_inbox

APPLIED_S = 60.0
HELD_BACK_S = 5.0  # a broker is missed after 3 s
_TOPIC = TOPICS[Stream.DEVICES]


class LeaderCycles(Cycles):
    """Moves leaders where `Cycles` kills the only broker."""

    def __init__(self, folder: Path, cluster: LocalCluster, seed: int) -> None:
        self._cluster = cluster
        self._moves = 0
        super().__init__(folder, cluster, seed, None)

    def _kill_broker(self) -> None:
        """Take a broker away, write, see that it is applied without it, and bring it back in sync."""
        node = self._moves % BROKERS + 1
        self._moves += 1
        if self._moves % 2:
            self._cluster.kill(node)
            self._write_and_wait()
            self._cluster.bring_back(node)
            self.report.kills["leader"] += 1
        else:
            with self._cluster.paused(node):
                threading.Event().wait(HELD_BACK_S)
                self._write_and_wait()
            self.report.kills["leader held back"] += 1
        if not in_child(self._wait_until_in_sync):
            raise AssertionError("the broker that was away does not come into sync")

    def _wait_until_in_sync(self) -> None:
        self._cluster.wait_for_leaders(_TOPIC, lambda leader: len(leader.in_sync) == BROKERS)

    def _write_and_wait(self) -> None:
        for number in range(6):  # accounts of different partitions, whoever leads them
            self._writers.write(number)
        deadline_s = time.monotonic() + APPLIED_S
        while not in_child(self._verify_applied):
            self._revive()
            if time.monotonic() > deadline_s:
                raise AssertionError("what was written while a broker was away is not applied without it")

    def _verify_applied(self) -> None:
        assert count_rows(open_inbox(self._folder), demo.TABLES.inbox) == self._writers.acknowledged


def in_child(look: Callable[[], object]) -> bool:
    """Look from a process that ends, and tell whether it did so without an error.

    The driver forks: a connection to Kafka, or to SQLite, that it had open would be open in each worker, too.
    """
    child = os.fork()
    if not child:
        try:
            look()
        except BaseException:  # noqa: BLE001  # whatever it is, the driver must not go on as two
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def main() -> int:
    """Run as the command line says; 0: nothing was lost, and nothing happened twice."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cycles", type=int, default=12)
    parser.add_argument("--moves", type=int, default=6)
    arguments, seed = start_command(parser)
    with tempfile.TemporaryDirectory(prefix="solekey-leaders-") as name:
        folder, cluster = Path(name), LocalCluster(Path(name))
        return run_at(
            cluster, partial(LeaderCycles, folder, cluster, seed), arguments.cycles, arguments.moves
        )


if __name__ == "__main__":
    sys.exit(main())
