"""How soon every service refuses a revoked device, on real Kafka, with the four services as four processes.

Broker, database and services are those of docker-compose.yml, run as processes by tests/support/deployment:
TLS and SCRAM to the broker, PostgreSQL, the deployed settings but for the limits on registrations and
challenges of one source.

For each revocation a laptop posts the signed statement. From the moment its answer is here, one thread a
service asks with the phone's access token and a fresh proof, on a connection that is open since before, with
a short pause after each answer, until the first refusal has come. What counts is `401 session_ended` and
`403 device_revoked`: anything else that is no 200 ends the benchmark. Before, the phone was served at every
service; afterwards it is refused once more and the laptop served. The limit, in the same run: when a bare
kafka-python consumer in a process of its own has the record.

Run it with `make bench-revocation`.

Spec: events.md §7. Why it is so: docs/decisions/0025-revocation-latency.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.measure import Row, find_quantile, make_row, print_rows, write_rows
from solekey_protocol.ids import compute_digest
from solekey_protocol.services import Service
from tests.support.deployment.broker import Broker
from tests.support.deployment.platform import run_services
from tests.support.engines.ports import find_free_ports
from tests.support.engines.postgres import run_postgres
from tests.support.people.household import SERVICES, Device, Household, Site

GOAL: Final = "value <= 100"
"""Of the p99, in milliseconds, on a machine that does nothing else."""
BUSY_GOAL: Final = "value <= 250"
"""The same beside processes that take all that they can get."""
_BURN: Final = "while True: pass"
_PHONES: Final = 2  # with the laptop three logins: codes of three time steps are good at once
_PAUSE_S: Final = 0.02  # without it the asking itself would take the processors that the answer needs
_DEADLINE_S: Final = 30.0
_REFUSALS: Final = frozenset({"401 session_ended", "403 device_revoked"})
_SETTINGS: Final = {
    "auth": {"SOLEKEY_REGISTRATIONS_PER_SOURCE": "100000", "SOLEKEY_CHALLENGES_PER_SOURCE": "100000"}
}
_WITNESS: Final = "a bare consumer has the record"
_QUANTILES: Final = {"p50": 0.5, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True, slots=True)
class Refusal:
    """When a service refused first, after the revocation was acknowledged, and how."""

    after_s: float
    told: str


@dataclass(frozen=True, slots=True)
class Revocation:
    """One revocation: what each service did, and when the bare consumer had the record."""

    refusals: Mapping[Service, Refusal]
    witness_s: float


class Witness:
    """The bare consumer's process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._seen: dict[str, float] = {}
        self._changed = threading.Condition()
        self._ready = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> None:
        """Wait until it follows the topic."""
        self._wait(lambda: self._ready)

    def find(self, digest: str) -> float:
        """Wait for a record, and tell when it was seen."""
        self._wait(lambda: digest in self._seen)
        return self._seen[digest]

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()

    def _wait(self, is_reached: Callable[[], bool]) -> None:
        with self._changed:
            if not self._changed.wait_for(is_reached, _DEADLINE_S):
                raise TimeoutError("the bare consumer has not seen what it should")

    def _read(self) -> None:
        for line in self._process.stdout or ():
            digest, _, seen = line.partition(" ")
            with self._changed:
                if seen:
                    self._seen[digest] = float(seen)
                else:
                    self._ready = True
                self._changed.notify_all()


@contextmanager
def run_witness(broker: Broker) -> Iterator[Witness]:
    """Run the bare consumer, as the auditor, who may read everything."""
    command = [sys.executable, "-m", "bench.revocation_witness"]
    command += [f"localhost:{broker.port}", str(broker.ca_file), "auditor"]
    environ = {**os.environ, "WITNESS_PASSWORD": broker.environ["AUDITOR_BUS_PASSWORD"]}
    witness = Witness(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ))
    try:
        witness.wait_until_ready()
        yield witness
    finally:
        witness.close()


def measure_revocations(folder: Path, count: int) -> list[Revocation]:
    """Run the platform and revoke so many devices, one after the other."""
    (port,) = find_free_ports(1)
    measured: list[Revocation] = []
    with (
        run_postgres() as postgres,
        run_services(folder, postgres, port, _SETTINGS) as (broker, _, services),
        run_witness(broker) as witness,
        ThreadPoolExecutor(len(SERVICES)) as pool,
    ):
        addresses = {service: services[service.value].address for service in SERVICES}
        site = Site(f"https://localhost:{port}", addresses)
        while len(measured) < count:
            household = Household(site)
            household.sign_up()
            phones = [household.add_phone(f"phone {number}") for number in range(_PHONES)]
            wanted = phones[: count - len(measured)]
            measured += [_revoke(household, phone, witness, pool) for phone in wanted]
            household.close()
    return measured


def _revoke(household: Household, phone: Device, witness: Witness, pool: ThreadPoolExecutor) -> Revocation:
    for service in SERVICES:  # what will be refused is served, on connections that stay open
        _demand(phone.ask_until_known(service).told == "200", f"{service} does not serve the phone")
    acknowledged = household.revoke(phone)
    refusals = pool.map(lambda service: _watch(phone, service, acknowledged.at_s), SERVICES)
    found = dict(zip(SERVICES, refusals, strict=True))
    for service in SERVICES:
        _demand(phone.ask(service).told in _REFUSALS, f"{service} serves the phone again")
        _demand(household.laptop.ask_until_known(service).told == "200", f"{service} refuses the laptop")
    seen_s = witness.find(compute_digest(acknowledged.raw))
    return Revocation(found, seen_s - acknowledged.at_s)


def _watch(phone: Device, service: Service, since_s: float) -> Refusal:
    """Ask until the first refusal."""
    while (answer := phone.ask(service)).told == "200":
        _demand(answer.at_s - since_s < _DEADLINE_S, f"{service} does not refuse")
        time.sleep(_PAUSE_S)
    _demand(answer.told in _REFUSALS, f"{service} says {answer.told}")
    return Refusal(answer.at_s - since_s, answer.told)


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RuntimeError(otherwise)


@contextmanager
def burn_processors(count: int) -> Iterator[None]:
    """Keep so many processors busy beside the platform."""
    burning = [subprocess.Popen([sys.executable, "-c", _BURN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


def make_rows(measured: Sequence[Revocation], goal: str = GOAL) -> list[Row]:
    """Compare each service with the bare consumer: p50, p99, max; and count what it refused with."""
    witness_ms = [1000 * one.witness_s for one in measured]
    rows = []
    for service in SERVICES:
        refusals = [one.refusals[service] for one in measured]
        ours_ms = [1000 * refusal.after_s for refusal in refusals]
        for name, quantile in _QUANTILES.items():
            against = find_quantile(witness_ms, quantile)
            rows.append(
                make_row(
                    f"{service}: acknowledged to first refusal, {name}",
                    find_quantile(ours_ms, quantile),
                    "ms",
                    reference=_WITNESS,
                    against=against if against > 0 else None,  # it may have it before the acknowledgement
                    goal=goal if name == "p99" else "",
                )
            )
        for told, times in sorted(Counter(refusal.told for refusal in refusals).items()):
            rows.append(make_row(f"{service}: refused with {told}", times, f"of {len(measured)}"))
    return rows


def main() -> None:
    """Measure, print a table, write build/bench/revocation.json."""
    parser = argparse.ArgumentParser(prog="bench-revocation")
    parser.add_argument("--output", type=Path, default=Path("build/bench/revocation.json"))
    parser.add_argument("--revocations", type=int, default=240)
    parser.add_argument("--busy", type=int, default=0, help="processes that take all they can get, beside it")
    options = parser.parse_args()
    rows = [make_row(f"others' load of {os.cpu_count()} processors, before", os.getloadavg()[0], "processes")]
    with tempfile.TemporaryDirectory() as folder, burn_processors(options.busy):
        measured = measure_revocations(Path(folder), options.revocations)
    rows += make_rows(measured, BUSY_GOAL if options.busy else GOAL)
    write_rows(options.output, rows)
    beside = f", beside {options.busy} busy processes" if options.busy else ""
    title = (
        f"From the acknowledged revocation to the first refusal ({options.revocations} revocations{beside})"
    )
    print_rows(title, rows)
    missed = sum(row.met is False for row in rows)
    print(f"{options.output}: {missed} of {sum(row.met is not None for row in rows)} goals missed")


if __name__ == "__main__":
    main()
