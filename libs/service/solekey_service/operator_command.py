"""What an operator can do to a service, beside serving: a part of the service's declaration.

Every service has ``migrate``, ``parked``, ``retry`` and ``list-stored``, and those of
``log_commands.py``; ``command_line.py`` runs them.
"""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from solekey_eventlog.errors import EventLogError
from solekey_eventlog.parking import advise
from solekey_eventlog.restoration import forget_followed_log, note_restored
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Timestamp
from solekey_service.stored_list import encode_list
from solekey_service.stream_api import StreamApi

OwnerT = TypeVar("OwnerT")
WholeT = TypeVar("WholeT")

MIGRATE: Final = "migrate"


class FutureBackupError(EventLogError):
    """A backup from the future: a clock is wrong, or the time was mistyped."""


def tell(line: str) -> None:
    """Print a line of the command's result."""
    sys.stdout.write(f"{line}\n")


def report(line: str) -> None:
    """Print how far the command is; not a part of its result."""
    sys.stderr.write(f"solekey: {line}\n")


def is_confirmed(question: str) -> bool:
    """Ask a person at the terminal; without a terminal nobody has agreed."""
    if not sys.stdin.isatty():
        report(f"{question} Not done: nobody can be asked here; --yes agrees beforehand")
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def add_no_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of a command that takes none."""


@dataclass(frozen=True, slots=True)
class OperatorCommand(Generic[OwnerT]):
    """One command of ``python -m solekey_<service>``.

    Attributes:
        name: imperative, such as ``retry``.
        help: what it does, for ``--help``.
        run: does it, to the service's Api, with the parsed arguments; returns an exit code, None for 0.
        is_exclusive: whether it is refused while a process of the service runs.
        add_arguments: adds its arguments to its parser.
        ask: says in one question what cannot be undone; the command then runs with ``--yes``, or when a
            person at a terminal answers yes.
    """

    name: str
    help: str
    run: Callable[[OwnerT, Namespace], int | None]
    is_exclusive: bool = False
    add_arguments: Callable[[ArgumentParser], None] = add_no_arguments
    ask: Callable[[OwnerT, Namespace], str] | None = None

    def of(self, part: Callable[[WholeT], OwnerT]) -> "OperatorCommand[WholeT]":
        """Give the command of a part of an Api to the Api itself; ``part`` finds the part."""
        ask = self.ask
        return OperatorCommand(
            self.name,
            self.help,
            lambda whole, arguments: self.run(part(whole), arguments),
            self.is_exclusive,
            self.add_arguments,
            None if ask is None else lambda whole, arguments: ask(part(whole), arguments),
        )


def _migrate(api: StreamApi[Any], _: Namespace) -> None:
    tell(f"the tables of {api.kernel.service} are those of this release, or of a newer one")


def _list_parked(api: StreamApi[Any], _: Namespace) -> None:
    events = api.kernel.projector.list_parked()
    for event in events:
        since = Timestamp.from_datetime(event.parked_at)
        tell(f"{event.account}  {event.stream} {event.seq}  {event.reason}  {since}")
    for reason in dict.fromkeys(event.reason for event in events):
        report(f"{reason}: {advise(reason)}")
    report(f"{api.kernel.projector.count_parked()} accounts are parked")


def _retry_parked(api: StreamApi[Any], _: Namespace) -> None:
    projector = api.kernel.projector
    before = projector.count_parked()
    projector.retry_parked()
    after = projector.count_parked()
    tell(f"{before - after} of {before} accounts are free again; {after} are still parked")


def _list_stored(api: StreamApi[Any], _: Namespace) -> None:
    for line in encode_list(api.kernel.stream.value, api.kernel.store.clock.now(), api.list_stored()):
        tell(line)


def _declare_restored(api: StreamApi[Any], arguments: Namespace) -> None:
    store = api.kernel.store
    if arguments.as_of.datetime > store.clock.now():
        raise FutureBackupError(f"--as-of: {arguments.as_of} has not come yet")
    with store.begin() as uow:
        note_restored(uow, arguments.as_of.datetime)
        if arguments.new_log:
            forget_followed_log(uow, api.kernel.topics)
    tell(f"{api.kernel.service}: declared as restored to {arguments.as_of}")


def _add_as_of(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--as-of",
        type=_parse_timestamp,
        required=True,
        metavar="TIME",
        help="when the backup was made, such as 2026-11-28T17:00:00.000Z",
    )

    parser.add_argument(
        "--new-log",
        action="store_true",
        help="the log is made anew from the databases: follow every topic again from its beginning; "
        "run republish afterwards",
    )


def _parse_timestamp(text: str) -> Timestamp:
    try:
        return Timestamp(text)
    except MalformedError as error:
        raise ArgumentTypeError(str(error)) from error


COMMON_COMMANDS: Final[tuple[OperatorCommand[StreamApi[Any]], ...]] = (
    OperatorCommand(
        MIGRATE,
        "bring the database's tables up to date, whatever SOLEKEY_MIGRATE says; the service may be running",
        _migrate,
    ),
    OperatorCommand(
        "parked",
        "list the events that wait, whose accounts are refused: account, stream, seq, reason, since when",
        _list_parked,
    ),
    OperatorCommand("retry", "try everything that is parked again", _retry_parked),
    OperatorCommand(
        "declare-restored",
        "declare to everybody that the database was restored from a backup, and as of when",
        _declare_restored,
        is_exclusive=True,
        add_arguments=_add_as_of,
    ),
    OperatorCommand(
        "list-stored",
        "list what the service has stored, as JSON lines, for `solekey audit export --stored`",
        _list_stored,
    ),
)
