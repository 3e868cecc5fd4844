"""The operator's commands about accounts and their sessions, beside a running service. Spec: tokens.md §6.4.

They show no secret: no key, salt, token or code. What they change is an event, as everything else is.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from typing import Final

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import Credential, parse_username
from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.sessions.sessions import Sessions
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId, Timestamp
from solekey_protocol.streams import AuthStream
from solekey_protocol.streams.auth import Session
from solekey_service.kernel import Kernel
from solekey_service.operator_command import OperatorCommand, report, tell
from solekey_service.refusals import NotFound

_PAGE_ACCOUNTS: Final = 1000


class AccountDesk:
    """What an operator may know about accounts, and do to their sessions."""

    def __init__(self, kernel: Kernel[AuthConfig], sessions: Sessions) -> None:
        self._kernel = kernel
        self._sessions = sessions

    def find(self, name: str) -> AccountId:
        """Find an account by its id or by its user name. Raises NotFound.

        Nobody gets an account found in another one's place: what reads as an id is one, although it could
        be a user name as well.
        """
        try:
            account = AccountId(name)
        except MalformedError:
            with self._kernel.store.read() as uow:
                found = CredentialRepository(uow.connection).find_by_username(parse_username(name))
            if found is None:
                raise NotFound(f"no account has the user name {name!r}") from None
            return found.account
        if not self.read_stream(account).head.seq:
            raise NotFound(f"no account has the id {account}")
        return account

    def list_accounts(self) -> Iterator[Credential]:
        """List the accounts that can be logged in to, by their ids: a closed one has no user name."""
        after = None
        while True:
            with self._kernel.store.read() as uow:
                page = CredentialRepository(uow.connection).list_after(after, _PAGE_ACCOUNTS)
            yield from page
            if len(page) < _PAGE_ACCOUNTS:
                return
            after = page[-1].account

    def find_credential(self, account: AccountId) -> Credential | None:
        """Find the credential of an account; a closed one has none."""
        with self._kernel.store.read() as uow:
            return CredentialRepository(uow.connection).find(account)

    def read_stream(self, account: AccountId) -> AuthStream:
        """Read what auth states about an account, also while an event of it waits."""
        with self._kernel.store.read() as uow:
            return self._kernel.streams.fold_parked(uow, account, AuthStream)

    def list_sessions(self, account: AccountId) -> Sequence[Session]:
        """List the sessions of an account that have not ended, the oldest first."""
        sessions = self.read_stream(account).sessions.values()
        return sorted(sessions, key=lambda session: (session.opened_at, session.session))

    def end_sessions(self, account: AccountId) -> int:
        """End every session of an account; return how many."""
        return len(self._sessions.end_all(account))


def _list_accounts(desk: AccountDesk, _: Namespace) -> None:
    count = 0
    for each in desk.list_accounts():
        count += 1
        state = "in use" if each.proven else "not logged in to yet"
        tell(f"{each.account}  {Timestamp.from_datetime(each.registered_at)}  {state}  {each.username}")
    report(f"{count} accounts")


def _show_account(desk: AccountDesk, arguments: Namespace) -> None:
    account = desk.find(arguments.account)
    credential, stream = desk.find_credential(account), desk.read_stream(account)
    tell(f"account     {account}")
    if credential is not None:
        tell(f"user name   {credential.username}")
        tell(f"registered  {Timestamp.from_datetime(credential.registered_at)}")
    tell(f"state       {'closed' if stream.closed else 'open'}")
    tell(f"factors     {', '.join(sorted(factor.value for factor in stream.factors.values())) or 'none'}")
    for session in desk.list_sessions(account):
        tell(f"session     {session.session}  {session.device}  {session.opened_at}  {session.expires_at}")


def _end_sessions(desk: AccountDesk, arguments: Namespace) -> None:
    account = desk.find(arguments.account)
    tell(f"ended {desk.end_sessions(account)} sessions of {account}")


def _ask(desk: AccountDesk, arguments: Namespace) -> str:
    account = desk.find(arguments.account)
    return f"End {len(desk.list_sessions(account))} sessions of {account}, which its user will see?"


def _add_account(parser: ArgumentParser) -> None:
    parser.add_argument(
        "account", metavar="ACCOUNT", help="its id, such as acc_aaaqeayeaudaocajbifqydiob4, or its user name"
    )


ACCOUNT_COMMANDS: Final = (
    OperatorCommand(
        "accounts", "list the accounts: id, since when, whether in use, user name", _list_accounts
    ),
    OperatorCommand(
        "account",
        "show an account: its factors, and its open sessions with device, begin and end",
        _show_account,
        add_arguments=_add_account,
    ),
    OperatorCommand(
        "end-sessions",
        "end every session of an account, which its devices and its event log are told",
        _end_sessions,
        add_arguments=_add_account,
        ask=_ask,
    ),
)
