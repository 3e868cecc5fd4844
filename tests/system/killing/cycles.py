"""Kills everything, again and again: devices, services, the bus's heartbeats, connections of the database.

``python -m tests.system.killing.cycles [--cycles N] [--seconds S] [--seed X] [--database NAME]``
With ``--database services`` the four services are processes of their own, on Kafka and PostgreSQL, behind the
proxy, and one of them is killed while the others go on. Each cycle chooses what dies and at which point, has
two devices write and rotate at the same time, and then reads everything that was ever acknowledged. The
verdict depends on no clock: whoever works ends or is killed.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy.engine import make_url

from solekey import UserKey, Vault
from solekey.account.enrolment import trust_device
from solekey.account.session import Session
from solekey.errors import ItemMissingError, NotLoggedInError, SolekeyError
from solekey.rotation.rotation import resume_rotation
from solekey_protocol.change_list import Change
from solekey_protocol.ids import ItemId
from tests.support.engines.postgres import connect, run_postgres
from tests.support.people.library_user import LibraryUser
from tests.system.killing.device import Device, unlock_any
from tests.system.killing.ledger import GONE, Expected, Ledger, digest
from tests.system.killing.platform import DeadlyPlatform
from tests.system.killing.services import DeadlyServices, run_installation

DEVICES = ("laptop", "phone")
VICTIMS = ("laptop", "phone", "both", "platform", "heartbeats", "nobody")
SERVICES = ("auth", "devices", "vault", "rotation")
READ_EVERYTHING = 10
"""Each so many cycles all items are read, in the others those that have another ciphertext than before."""
POINTS_OF_A_DEVICE = 30
POINTS_OF_THE_PLATFORM = 60
_LOOK_S = 0.005
PROVEN_S = 200
"""After so long a second factor is proven again: rotations ask for one of the last 300 s."""


@dataclass
class Report:
    """What came of it."""

    cycles: int = 0
    acknowledged: int = 0
    readable: int = 0
    lost: list[str] = field(default_factory=list)
    copies: dict[ItemId, str] = field(default_factory=dict)
    """Conflict copies: no name has a second writer, so there may be none."""
    died: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    findings: list[str] = field(default_factory=list)
    """What an audit of the log finds that they left: nothing, whatever was killed."""

    def describe(self) -> str:
        points = "".join(f"\n  {count:5} {name}" for name, count in sorted(self.died.items()))
        return (
            f"{self.cycles} cycles, {self.acknowledged} writes acknowledged, {self.readable} items read, "
            f"{len(self.lost)} lost, {len(self.copies)} conflict copies, "
            f"{len(self.findings)} findings of an audit; the platform was started "
            f"{self.starts} times; killed:{points}"
        )


def change_of(vault: Vault, item: ItemId) -> Change:
    """What is committed of an item."""
    return vault.unlocked.index.items[item]


class Cycles:
    """A platform, a user with two devices, and what they were told."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        databases: str = "",
        *,
        flaw: str | None = None,
        services: Callable[[Path, random.Random], DeadlyServices] | None = None,
    ) -> None:
        self.folder = folder
        self.random = random.Random(seed)  # noqa: S311 - a seed that is printed
        self.databases = databases
        self.flaw = flaw
        self.platform: DeadlyPlatform | DeadlyServices = (
            DeadlyPlatform(folder / "platform", databases)
            if services is None
            else services(folder / "platform", self.random)
        )
        self.user = LibraryUser(self.platform, folder, username="ada")  # type: ignore[arg-type]  # has url and ca
        self.report = Report()
        self._proven_at = 0.0
        self._read: dict[str, tuple[ItemId, Change]] = {}

    def run(self, goes_on: Callable[[], bool]) -> Report:
        """Run cycles for as long as it is to go on, then audit the log."""
        try:
            self.set_up()
            while goes_on():
                self.run_one()
        finally:
            self.close()
        self.audit()
        return self.report

    def set_up(self) -> None:
        self.platform.open()
        self.user.sign_up().close()
        (self.folder / "phrases").write_text(self.user.phrase + "\n")
        with self.user.log_in("phone") as session:
            trust_device(session, self.user.key())
        self._proven_at = time.monotonic()

    @property
    def phrases(self) -> list[str]:
        return (self.folder / "phrases").read_text().split("\n")[:-1]

    def run_one(self) -> None:
        """Kill somebody while both devices work; start what died; read what was acknowledged."""
        victims = VICTIMS if not self.databases else (*VICTIMS, "connections")
        victim, starts = "nobody" if self.flaw else self.random.choice(victims), self.platform.starts
        if victim == "platform":
            self.platform.arm(self.random.randrange(POINTS_OF_THE_PLATFORM))
        elif victim == "heartbeats":
            self.platform.kill_heartbeats()
        working = [self._fork(name, victim in (name, "both")) for name in DEVICES]
        if victim == "connections":
            self._kill_connections()
        self._await(dict(zip(working, DEVICES, strict=True)))
        if victim == "platform" and self.platform.starts == starts:
            self.platform.restart()  # it passed fewer points than it might have
        self.platform.settle()
        self.report.cycles += 1
        self.report.died[f"({victim})"] += 1
        self.verify()

    def verify(self) -> None:
        """Read everything that was acknowledged, from the device that did not write it, too."""
        with self._open(self.random.choice(DEVICES)) as session, ExitStack() as stack:
            vault = unlock_any(session, self.phrases, stack)
            if self.random.random() < 0.5:
                with suppress(SolekeyError):
                    self._resume(vault)
            everything = self.report.cycles % READ_EVERYTHING == 0
            listing = vault.list()
            live = {info.name: (info.id, change_of(vault, info.id)) for info in listing}
            for info in listing:
                if info.conflict is not None:
                    self.report.copies.setdefault(info.id, f"cycle {self.report.cycles}: {info.name}")
            self.report.acknowledged = 0
            for device in DEVICES:
                expected, acknowledged = Ledger(self.folder / f"{device}.ledger").read()
                self.report.acknowledged += acknowledged
                for name, entry in expected.items():
                    if everything or name not in live or live[name] != self._read.get(name):
                        self._compare(vault, name, entry)
            self._read = live

    def close(self) -> None:
        self.report.starts = self.platform.starts
        for folder in (self.folder, self.folder / "platform"):
            with suppress(FileNotFoundError):
                self.report.died.update((folder / "died").read_text().splitlines())
        self.platform.close()
        if isinstance(self.platform, DeadlyServices):
            self.report.died.update(self.platform.died)

    def audit(self) -> None:
        """Audit the log, once the platform is down, or its services are well again."""
        self.report.findings = self.platform.audit()

    def _resume(self, vault: Vault) -> None:
        for phrase in self.phrases[-3:]:
            resume_rotation(vault, UserKey.from_phrase(phrase))

    def _compare(self, vault: Vault, name: str, entry: Expected) -> None:
        try:
            found = digest(vault.get(name).content)
        except ItemMissingError:
            found = GONE
        except SolekeyError as error:
            found = f"{error.code}: {error}"
        if entry.allows(found):
            self.report.readable += 1
        else:
            self.report.lost.append(f"cycle {self.report.cycles}: {name}: {found or 'gone'}")

    def _fork(self, name: str, dies: bool) -> int:
        passes = self.random.randrange(POINTS_OF_A_DEVICE) if dies else None
        seed = self.random.getrandbits(64)
        pid = os.fork()
        if pid:
            return pid
        try:
            chance = random.Random(seed)  # noqa: S311 - a seed that is printed
            Device(self.folder, name, chance, self.flaw).run(self.phrases, passes)
            code = 0
        except SolekeyError as error:
            (self.folder / "last-refusal").write_text(f"{error.code}: {error}")
            code = 0
        except BaseException:  # noqa: BLE001 - the driver is told, whatever it was
            (self.folder / "failed").write_text(traceback.format_exc())
            code = 3
        os._exit(code)

    def _await(self, working: dict[int, str]) -> None:
        """Wait for the devices, and start the platform again as soon as it has died: they go on with it."""
        while working:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid not in working:
                self.platform.revive_if_dead()
                time.sleep(_LOOK_S)
                continue
            name = working.pop(pid)
            if os.WIFSIGNALED(status):
                assert os.WTERMSIG(status) == signal.SIGKILL
            elif os.WEXITSTATUS(status):
                raise RuntimeError(f"{name} failed: {(self.folder / 'failed').read_text()}")

    @contextmanager
    def _open(self, name: str) -> Iterator[Session]:
        """Open a device's session; a kill while it was refreshed may have ended it."""
        try:
            session = self.user.open(name)
            session.sync()
            if time.monotonic() - self._proven_at > PROVEN_S:
                for device in DEVICES:
                    with self.user.open(device) as other:
                        other.step_up(self.user.code())
                self._proven_at = time.monotonic()
        except NotLoggedInError:
            session = self.user.log_in(name)
        with session:
            yield session

    def _kill_connections(self) -> None:
        """End every connection that a service has to its database, in the middle of whatever it carries."""
        service = self.random.choice(SERVICES)
        with connect(make_url(self.databases.replace("SERVICE", service))) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@contextmanager
def open_databases(kind: str) -> Iterator[str]:
    """Give the template of the services' database URLs; empty for SQLite."""
    if kind == "sqlite":
        yield ""
        return
    with run_postgres() as url:
        with connect(url) as connection:
            for service in SERVICES:
                connection.execute(f"CREATE DATABASE killed_{service}")
        yield (
            url.set(drivername="postgresql+psycopg", database="killed_SERVICE").render_as_string(
                hide_password=False
            )
        )


def run_cycles(
    kind: str, cycles: int, seed: int, *, seconds: float | None = None, flaw: str | None = None
) -> Report:
    """Run cycles until there were so many, or for so long."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="solekey-killing-")))
        if kind == "services":
            running, database = stack.enter_context(run_installation())
            run = Cycles(folder, seed, database, flaw=flaw, services=partial(DeadlyServices, running))
        else:
            run = Cycles(folder, seed, stack.enter_context(open_databases(kind)), flaw=flaw)
        until = time.monotonic() + seconds if seconds is not None else None
        return run.run(lambda: run.report.cycles < cycles if until is None else time.monotonic() < until)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cycles", type=int, default=int(os.environ.get("SOLEKEY_SOAK_CYCLES", "1000")))
    parser.add_argument("--seconds", type=float, default=os.environ.get("SOLEKEY_SOAK_SECONDS"))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--flaw", choices=("hasty", "forgetful"), help="fail on purpose: a positive control")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "services"), action="append")
    arguments = parser.parse_args()
    wrong = 0
    for kind in arguments.database or ("sqlite", "postgresql"):
        sys.stdout.write(f"{kind}, seed {arguments.seed}\n")
        sys.stdout.flush()
        report = run_cycles(
            kind, arguments.cycles, arguments.seed, seconds=arguments.seconds, flaw=arguments.flaw
        )
        sys.stdout.write(report.describe() + "\n" + "".join(f"LOST {line}\n" for line in report.lost))
        sys.stdout.write("".join(f"CONFLICT COPY {line}\n" for line in report.copies.values()))
        sys.stdout.write("".join(f"FOUND {line}\n" for line in report.findings))
        wrong += len(report.lost) + len(report.copies) + len(report.findings)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
