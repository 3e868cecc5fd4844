"""What is secured when auth's database is restored from a backup. Spec: events.md §8.2.

The backup knows nothing of what was withdrawn after it was made: a stolen device that was revoked, a recovery
code that was used up. A log that is newer than the backup still does. So before that log is replaced, it is
read once: devices that it saw revoked are barred from logging in, recovery codes of accounts that used one
since are deleted, and all sessions end, since which of them had ended is not known for certain either.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Table, select

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.factors.repository import FactorRepository
from solekey_auth.sessions.repository import SessionRepository
from solekey_auth.sessions.sessions import Sessions
from solekey_eventlog.bus import Bus, BusConfig, open_bus
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream, auth, devices
from solekey_protocol.ids import AccountId
from solekey_protocol.services import TOPICS
from solekey_service.kernel import Kernel
from solekey_service.operator_command import OperatorCommand, tell

_OUTDATED: Final = {
    auth.LoginKeyChanged: "the login key of before is in force again",
    auth.MfaEnrolled: "a second factor that was added since is lost",
    auth.MfaRemoved: "a second factor that was removed since is in force again",
    auth.AccountClosed: "it was closed since, and is open again",
}
_EMBEDDED: Final = "embedded://"


@dataclass(slots=True)
class Secured:
    """What was done, and what cannot be done for an account: only its user can.

    Attributes:
        barred: devices that were barred.
        emptied: accounts whose recovery codes were deleted.
        ended: sessions that were ended.
        outdated: account and what is outdated about it, once each.
    """

    barred: int = 0
    emptied: set[AccountId] = field(default_factory=set)
    ended: int = 0
    outdated: dict[tuple[AccountId, str], None] = field(default_factory=dict)


class Restoration:
    """Secures a database that was restored."""

    def __init__(self, kernel: Kernel[AuthConfig], sessions: Sessions) -> None:
        self._kernel = kernel
        self._sessions = sessions

    def secure(self, log: Bus) -> Secured:
        """Take from the accounts what a newer log says was taken from them; may be repeated.

        Args:
            log: from after the backup was made; one that is as old as the backup, or empty, says nothing.

        Raises:
            BusError, UnavailableError: log or database stopped answering; repeat it.
        """
        done = Secured()
        for event in self._read_newer(log, Stream.DEVICES):
            if isinstance(event.body, devices.DeviceRevoked):
                with self._kernel.store.begin() as uow:
                    rows = CredentialRepository(uow.connection)
                    done.barred += rows.bar_device(event.account, event.body.device)
        for event in self._read_newer(log, Stream.AUTH):
            if isinstance(event.body, auth.RecoveryCodeUsed):
                done.emptied.add(event.account)
            elif what := _OUTDATED.get(type(event.body)):
                done.outdated[event.account, what] = None
        for account in done.emptied:
            with self._kernel.store.begin() as uow:
                FactorRepository(uow.connection).delete_codes(account)
        with self._kernel.store.read() as uow:
            accounts = SessionRepository(uow.connection).list_accounts()
        done.ended = sum(len(self._sessions.end_all(account)) for account in accounts)
        return done

    def _read_newer(self, log: Bus, stream: Stream) -> Iterator[Event]:
        """Read the events of a stream that take something away and that the database does not have."""
        tables = self._kernel.store.tables
        table = tables.events if stream is self._kernel.stream else tables.inbox
        wanted = (devices.DeviceRevoked, auth.RecoveryCodeUsed, *_OUTDATED)
        for record in log.read(TOPICS[stream]):
            try:
                event = parse_event(record.value)
            except ProtocolError:
                continue  # of no account that it could be said of
            if isinstance(event.body, wanted):
                with self._kernel.store.read() as uow:
                    if not _has(uow, table, event):
                        yield event


def _has(uow: UnitOfWork, table: Table, event: Event) -> bool:
    query = select(table.c.seq).where(table.c.account == event.account, table.c.digest == event.digest)
    return uow.connection.execute(query).first() is not None


def _secure(owner: tuple[Restoration, Bus], arguments: Namespace) -> None:
    restoration, own_log = owner
    if arguments.log is None:
        _tell(restoration.secure(own_log))
    else:
        with open_bus(BusConfig(arguments.log, client_id="solekey-restoration")) as log:
            _tell(restoration.secure(log))


def _tell(done: Secured) -> None:
    tell(f"ended {done.ended} sessions: everybody logs in again")
    tell(f"barred {done.barred} devices that were revoked since")
    tell(f"deleted the recovery codes of {len(done.emptied)} accounts that used one since")
    for account, what in done.outdated:
        tell(f"{account}  {what}")


def _add_log(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--log",
        type=_parse_log,
        metavar="URL",
        help="a log that is newer than the backup, such as embedded:///old/bus.db; default: its own",
    )


def _parse_log(text: str) -> str:
    if not text.startswith(_EMBEDDED):
        raise ArgumentTypeError(f"expected {_EMBEDDED}/FILE, not {text[:40]!r}")
    return text


def _ask(_: tuple[Restoration, Bus], __: Namespace) -> str:
    return "End the sessions of all accounts?"


SECURE_RESTORED: Final = OperatorCommand(
    "secure-restored",
    "after a restoration: end all sessions, bar devices that a newer log saw revoked, delete recovery codes "
    "of accounts that used one since; lists what only users can put right",
    _secure,
    is_exclusive=True,
    add_arguments=_add_log,
    ask=_ask,
)
