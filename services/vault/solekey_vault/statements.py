"""Statements for the vault stream: their context, and the rows that follow from them. Spec: vault.md §5-7."""

from collections.abc import Mapping

from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.store import UnitOfWork
from solekey_eventlog.streams import Streams
from solekey_protocol.encoding import Json
from solekey_protocol.event import Event
from solekey_protocol.events.vault import (
    CommitKind,
    ItemsCommitted,
    KeyWrapped,
    ObjectsPurged,
    WrapRetired,
)
from solekey_protocol.ids import AccountId
from solekey_protocol.statements import SignedStatement, Statement
from solekey_protocol.streams import DevicesStream, RotationStream, VaultStream
from solekey_service.statement_handler import StatementHandler
from solekey_vault.change_lists import ChangeLists
from solekey_vault.context import CommitContext, Context, SnapshotVerdict
from solekey_vault.domain import verify
from solekey_vault.items import (
    read_all,
    read_current,
    read_sealed_epochs,
    record_commit,
    record_purge,
)
from solekey_vault.object_repository import ObjectRepository
from solekey_vault.wraps import claim_wrap, drop_wrap, read_wraps


class VaultStatements(StatementHandler[VaultStream, Context]):
    """The context of a statement is what is stored of what it names."""

    kind = VaultStream

    def __init__(self, streams: Streams, objects: ObjectRepository, lists: ChangeLists) -> None:
        self._streams = streams
        self._objects = objects
        self._lists = lists

    def prepare(self, signed: SignedStatement) -> None:
        """Read a commit's change list, which may be long."""
        if isinstance(signed.statement.body, ItemsCommitted):
            self._lists.prepare(signed.statement.account, signed.statement.body)

    def asks_step_up(self, uow: UnitOfWork, state: VaultStream, signed: SignedStatement) -> bool:  # noqa: ARG002  # the rotation tells
        """To purge outside of a rotation, whose start has asked, asks for a fresh second factor."""
        if not isinstance(signed.statement.body, ObjectsPurged):
            return False
        return self._streams.fold(uow, signed.statement.account, RotationStream).open is None

    def gather(self, uow: UnitOfWork, signed: SignedStatement, document: Mapping[str, Json]) -> Context:  # noqa: ARG002  # the statement has it all
        """Find what is stored of what a statement names, and keep it until the commit.

        Raises:
            CommitMismatch: what was uploaded as its change list is none.
            UnavailableError: its change list has not been read yet.
        """
        account = signed.statement.account
        match signed.statement.body:
            case KeyWrapped() as body:
                wraps = read_wraps(uow.connection, account, [body.wrap], keep=True)
                return Context(wrap=wraps.get(body.wrap))
            case WrapRetired():
                key_id = self._streams.fold(uow, account, DevicesStream).key_id
                return Context(key_id, sealed_epochs=read_sealed_epochs(uow.connection, account))
            case ItemsCommitted() as body:
                return Context(commit=self._gather_commit(uow, account, body))
            case _:
                return Context()

    def verify(self, state: VaultStream, context: Context, signed: SignedStatement) -> Statement:
        """See domain.verify."""
        return verify(state, context, signed.statement)

    def record(self, uow: UnitOfWork, context: Context, event: Event) -> None:
        """Claim or drop what the event names, and follow it in the read model of the items."""
        match event.body:
            case KeyWrapped() as body:
                claim_wrap(uow.connection, event.account, body.wrap)
            case WrapRetired() as body:
                drop_wrap(uow.connection, event.account, body.wrap, uow.now)
            case ItemsCommitted() as body:
                self._objects.claim(uow, event.account, [body.changes, *context.commit.part_sizes])
                record_commit(uow.connection, event.account, body, context.commit.changes or ())
            case ObjectsPurged() as body:
                self._objects.drop(uow, event.account, record_purge(uow.connection, event.account, body))

    def _gather_commit(self, uow: UnitOfWork, account: AccountId, body: ItemsCommitted) -> CommitContext:
        if not self._objects.find_sizes(uow, account, [body.changes], keep=True):
            return CommitContext()
        changes = self._lists.find(account, body)
        if changes is None:
            raise UnavailableError("the change list came or was forgotten meanwhile; say it again")
        if isinstance(changes, SnapshotVerdict):
            return CommitContext((), verdict=changes)
        if body.kind is CommitKind.SNAPSHOT:
            return CommitContext(changes, read_all(uow.connection, account))
        items = [change.item for change in changes]
        parts = sorted({part.digest for change in changes for part in change.parts})
        return CommitContext(
            changes,
            read_current(uow.connection, account, items),
            self._objects.find_sizes(uow, account, parts, keep=True),
        )
