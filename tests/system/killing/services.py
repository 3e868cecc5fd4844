"""The four services on Kafka and PostgreSQL as the driver sees them: each dies alone, and is revived."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from random import Random

from solekey.audit import Bounds, verify_log
from solekey_eventlog.bus import open_bus
from solekey_protocol.services import TOPICS
from tests.support.deployment.platform import Platform, Service, run_platform
from tests.support.engines.postgres import run_postgres
from tests.support.repository import ROOT

POINTS = 6
"""At most so many points are passed by a service that is to die."""
PROGRAM = "tests.system.killing.deadly_service"


class DeadlyServices:
    """Services of a running installation, of which one may die at any moment. See `DeadlyPlatform`."""

    def __init__(self, platform: Platform, folder: Path, random: Random) -> None:
        self._platform = platform
        self._folder = folder
        self._random = random
        self._turns = cycle(random.sample(sorted(platform.services), len(platform.services)))
        self._armed = ""
        self.url, self.ca = platform.proxy.origin, platform.proxy.ca_file
        self.starts = 0
        self.died: list[str] = []

    @property
    def _services(self) -> dict[str, Service]:
        return dict(self._platform.services)

    def open(self) -> None:
        """Run them as programs that die at named points."""
        for name, service in self._services.items():
            (self._folder / name).mkdir(parents=True)
            service.stop()
            service.add_to_environment({"PYTHONPATH": str(ROOT)})
            service.run_instead("-m", PROGRAM, str(self._folder / name))
            service.start()
        self.settle()

    def arm(self, passes: int) -> None:
        """Have the next of them in turn die after some points: one passes fewer than all together."""
        self._armed = next(self._turns)
        draft = self._folder / self._armed / "arm.new"
        draft.write_text(str(passes % POINTS))
        draft.replace(draft.with_name("arm"))

    def restart(self) -> None:
        """Kill the one that was armed, and start it again."""
        self._services[self._armed].kill()
        self.died.append(f"{self._armed}: while nothing was asked of it")
        self.revive_if_dead()

    def kill_heartbeats(self) -> None:
        """Kill the process that says on the bus that one of them is alive."""
        pid = self._services[self._random.choice(sorted(self._services))].pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)

    def revive_if_dead(self) -> None:
        """Start again what has died; the devices go on meanwhile, with what is there."""
        for name, service in self._services.items():
            if service.has_ended:
                (self._folder / name / "arm").unlink(missing_ok=True)
                service.start()
                self.starts += 1

    def settle(self) -> None:
        """Wait until all are well."""
        self.revive_if_dead()
        self._platform.wait_until_healthy()

    def close(self) -> None:
        """Note where they died."""
        for name in self._services:
            (self._folder / name / "arm").unlink(missing_ok=True)
            if (died := self._folder / name / "died").exists():
                self.died += [f"{name}: {point}" for point in died.read_text().splitlines()]

    def audit(self) -> list[str]:
        """What an audit of the log finds."""
        return self.audit_log(self._platform)

    @staticmethod
    def audit_log(platform: Platform) -> list[str]:
        """What an audit of an installation's log finds; as `honest_log.audit_bus`."""
        with open_bus(platform.broker.bus_config("auditor")) as bus:
            records = [record.value for topic in TOPICS.values() for record in bus.read(topic)]
        report = verify_log(records, None, Bounds())
        assert report.records, "positive control: the bus has records"
        return [str(finding) for finding in report.findings if finding.check != "CHN-03"]


@contextmanager
def run_installation() -> Iterator[tuple[Platform, str]]:
    """Run an installation of the compose file's services; gives it and a superuser's URL of its database."""
    with (
        tempfile.TemporaryDirectory(prefix="solekey-services-") as folder,
        run_postgres() as postgres,
        run_platform(Path(folder), postgres) as platform,
    ):
        database = platform.databases["vault"].database
        yield platform, postgres.set(database=database).render_as_string(hide_password=False)
