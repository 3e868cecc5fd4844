"""The one pass over all records: it counts, takes the digest, and sorts them by account."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Final

from solekey.audit.checks.bus import BusChecks
from solekey.audit.engine.parts import find_subject
from solekey.audit.engine.provenance import Reading
from solekey.audit.engine.spill import Spill
from solekey.audit.sources.log import Log, Record
from solekey_protocol.ids import SYSTEM_ACCOUNT

_TELL_EVERY: Final = 2_000  # records
_SYSTEM: Final = SYSTEM_ACCOUNT.encode()


class Stage(StrEnum):
    """What an audit is doing."""

    READ = "reading the log"
    VERIFY = "verifying"
    TABLES = "writing the tables"


Progress = Callable[[Stage, int, int | None], None]
"""Called with a stage, how many records it has done, and of how many; None where that is not known."""


def collect_records(
    log: Log | Iterable[bytes] | Iterator[Record],
    bus: BusChecks,
    spill: Spill,
    progress: Progress,
    before: int = 0,
) -> tuple[Reading, list[tuple[int, Record]]]:
    """Sort records by account, and hold each against the bus.

    Args:
        log: the records.
        bus: sees each of them.
        spill: takes them.
        progress: told how far it has come.
        before: how many records came before.

    Returns:
        What was read, and the records of the platform's own account, which are not in the spill: all other
        accounts are verified with them.
    """
    records, total = _open(log)
    reading, system = Reading(), []
    for record in records:
        if not bus.see(record):
            continue
        reading.see(record)
        number = before + reading.records
        subject = find_subject(record.raw or b"")
        if subject == _SYSTEM:
            system.append((number, record))
        else:
            spill.add(subject, number, record)
        if number % _TELL_EVERY == 0:
            progress(Stage.READ, reading.records, total)
    progress(Stage.READ, reading.records, reading.records)
    return reading, system


def _open(log: Log | Iterable[bytes] | Iterator[Record]) -> tuple[Iterator[Record], int | None]:
    if not isinstance(log, Iterable):
        return log.records(), log.total
    return (each if isinstance(each, Record) else Record(each) for each in log), None
