"""How fast an inbox is folded from zero and compared with the live one, on SQLite and PostgreSQL.

``make bench-rebuild``. The inbox is that of the rotation service: sessions of auth, devices, a wrap and
commits of the vault; half of the events are signed statements. Measured is processor time, of one core: of
this process alone, as the machine is shared. The limit is typed parsing of the same records, which a rebuild
does once.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert

from bench.measure import Row, make_row, measure_medians, print_rows, write_rows
from solekey_eventlog.bus import Bus, Message, derive_topics, open_bus
from solekey_eventlog.secret import Secret
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream, auth
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import Digest, SessionId, Timestamp
from solekey_protocol.services import TOPICS
from solekey_rotation.definition import DEFINITION
from solekey_service.build import build_service
from solekey_service.kernel import Kernel
from tests.support.engines.postgres import make_database, run_postgres
from tests.support.eventlog.author import NOON, Author
from tests.support.keys import derive_raw

FEW: Final = 200
MANY: Final = 2_000
_SESSIONS: Final = 4
_COMMITS: Final = 8
_ROUNDS: Final = 3
_OUTPUT: Final = Path("build/bench/rebuild.json")


def main() -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        postgres = stack.enter_context(run_postgres())
        rows = []
        for accounts in (FEW, MANY):
            bus = stack.enter_context(open_bus(f"embedded://{folder}/bus-{accounts}.db"))
            bus.create_topics(derive_topics())
            raws = publish_accounts(bus, accounts)
            kernels = {
                "SQLite": build(bus, f"sqlite:///{folder}/rotation-{accounts}.db"),
                "PostgreSQL": build(bus, stack.enter_context(make_database(postgres))),
            }
            if accounts == FEW:
                rows += [row for kernel in kernels.values() for row in measure_first(kernel, len(raws))]
            else:
                rows += measure_again(bus, kernels, raws)
            for kernel in kernels.values():
                kernel.close()
    write_rows(_OUTPUT, rows)
    print_rows(f"Rebuilding an inbox of {len(raws):,} events, by processor time", rows)


def build(bus: Bus, url: str) -> Kernel[Any]:
    """Build the rotation service on an empty database."""
    config = DEFINITION.config(
        database_url=Secret(url), bus_url="embedded:////unused", origin="https://solekey.example"
    )
    return build_service(DEFINITION, config, bus).kernel


def write_events(author: Author) -> list[Event]:
    """Write what an account amounts to in some months: devices, sessions, commits."""
    author.say(auth.AccountRegistered(1))
    author.found(), author.enrol(), author.trust()
    until = Timestamp.from_datetime(NOON.datetime + timedelta(hours=12))
    for number in range(_SESSIONS):
        session = SessionId.from_raw(derive_raw(f"{author.account} {number}"))
        device = author.laptop.certificate.device
        author.say(auth.SessionOpened(session, device, auth.Factor.TOTP, until))
        author.say(auth.SessionRefreshed(session, 2))
        author.say(auth.SessionEnded(session, auth.SessionEnd.LOGOUT))
    author.say(author.wrapped())
    for number in range(1, _COMMITS + 1):
        author.say(ItemsCommitted(number, CommitKind.DELTA, 1, Digest(f"{number:064x}"), 1, 1200))
    streams = (Stream.DEVICES, Stream.AUTH, Stream.VAULT)
    return [event for stream in streams for event in author.events[stream]]


def publish_accounts(bus: Bus, count: int) -> list[bytes]:
    """Publish the events of many accounts; return their bytes."""
    raws: list[bytes] = []
    for first in range(0, count, 100):
        events = [e for n in range(first, first + 100) for e in write_events(Author(f"account {n}"))]
        bus.publish_many([Message(TOPICS[event.stream], event.account, event.raw) for event in events])
        raws += [event.raw for event in events]
    return raws


def measure_first(kernel: Kernel[Any], events: int) -> list[Row]:
    """Measure a rebuild into an empty inbox: every signature is verified, every event reacted to."""
    name = f"{kernel.engine.dialect.name}, into an empty inbox, all signatures verified"
    rate = events / take_cpu_s(lambda: kernel.make_rebuild().run())
    return [make_row(name, rate, "events/s")]


def fill_inbox(bus: Bus, kernel: Kernel[Any]) -> None:
    """Fill an inbox as the projector has left it, without its work: what it has verified is given."""
    inbox = kernel.store.tables.inbox
    for topic in kernel.topics:
        events = [parse_event(record.value) for record in bus.read(topic)]
        rows = [
            {"account": e.account, "stream": e.stream.value, "seq": e.seq, "digest": e.digest, "raw": e.raw}
            for e in events
        ]
        if rows:
            with kernel.store.begin() as uow:
                uow.connection.execute(insert(inbox), rows)


def measure_again(bus: Bus, kernels: dict[str, Kernel[Any]], raws: list[bytes]) -> list[Row]:
    """Measure a rebuild of an inbox that is as it should be."""
    for kernel in kernels.values():
        fill_inbox(bus, kernel)
    before = read_memory_mib()

    def rebuild(kernel: Kernel[Any]) -> Callable[[], float]:
        def run() -> float:
            seconds = take_cpu_s(lambda: kernel.make_rebuild().run())
            return len(raws) / seconds

        return run

    def parse() -> float:
        return len(raws) / take_cpu_s(lambda: [parse_event(raw) for raw in raws])

    tasks = {name: rebuild(kernel) for name, kernel in kernels.items()}
    found = measure_medians({**tasks, "parse": parse}, _ROUNDS)
    for kernel in kernels.values():
        assert kernel.make_rebuild().run(dry_run=True).accounts == 0  # it was compared, and nothing differs
    rows = [
        make_row(
            f"{name}, folded from zero and compared",
            found[name],
            "events/s",
            reference="typed parsing alone",
            against=found["parse"],
            goal="value >= 20000",
        )
        for name in kernels
    ]
    return [*rows, make_row("memory that it takes", read_memory_mib() - before, "MiB", goal="value <= 100")]


def take_cpu_s(work: Callable[[], object]) -> float:
    """Do something and return how much processor time it took this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def read_memory_mib() -> float:
    """Read the peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
