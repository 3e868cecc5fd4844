"""Statements for the vault stream: their context, and the rows that follow from them. Spec: vault.md §5-7."""

from collections.abc import Mapping

from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.streams import Streams
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import Json
from solekey_protocol.event import Event
from solekey_protocol.events.vault import (
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
from solekey_vault.item_repository import ItemRepository
from solekey_vault.object_repository import ObjectRepository
from solekey_vault.usage_repository import ROTATION_FACTOR
from solekey_vault.wrap_repository import WrapRepository


class VaultStatements(StatementHandler[VaultStream, Context]):
    """The context of a statement is what is stored of what it names."""

    kind = VaultStream

    def __init__(
        self, streams: Streams, objects: ObjectRepository, lists: ChangeLists, *, most_wraps: int
    ) -> None:
        self._streams = streams
        self._most_wraps = most_wraps
        self._objects = objects
        self._lists = lists

    def prepare(self, signed: SignedStatement) -> None:
        """Read a commit's change list, which may be long."""
        if isinstance(signed.statement.body, ItemsCommitted):
            self._lists.prepare(signed.statement.account, signed.statement.body)

    def conclude(self, signed: SignedStatement) -> None:
        """Forget the change list of a commit that was taken: a long one is a megabyte of values."""
        if isinstance(signed.statement.body, ItemsCommitted):
            self._lists.forget(signed.statement.account, signed.statement.body)

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
                wraps = WrapRepository(uow).find(account, [body.wrap], keep=True)
                is_rotating = self._streams.fold(uow, account, RotationStream).open is not None
                factor = ROTATION_FACTOR if is_rotating else 1
                return Context(wrap=wraps.get(body.wrap), most_wraps=factor * self._most_wraps)
            case WrapRetired():
                key_id = self._streams.fold(uow, account, DevicesStream).key_id
                return Context(
                    key_id, sealed_epochs=ItemRepository(uow.connection).find_sealed_epochs(account)
                )
            case ItemsCommitted() as body:
                enforced = self._streams.fold(uow, account, RotationStream).enforced
                return Context(commit=self._gather_commit(uow, account, body), enforced=enforced)
            case _:
                return Context()

    def verify(self, state: VaultStream, context: Context, signed: SignedStatement) -> Statement:
        """See domain.verify."""
        return verify(state, context, signed.statement)

    def record(self, uow: UnitOfWork, context: Context, event: Event) -> None:
        """Claim or drop what the event names, and follow it in the read model of the items."""
        match event.body:
            case KeyWrapped() as body:
                WrapRepository(uow).claim(event.account, body.wrap)
            case WrapRetired() as body:
                WrapRepository(uow).drop(event.account, body.wrap)
            case ItemsCommitted() as body:
                self._objects.claim(uow, event.account, [body.changes, *context.commit.part_sizes])
                self._record_commit(ItemRepository(uow.connection), event, body, context.commit)
            case ObjectsPurged() as body:
                for released in ItemRepository(uow.connection).record_purge(event.account, body):
                    self._objects.drop(uow, event.account, released)
                    self._objects.pause()

    def _record_commit(
        self, items: ItemRepository, event: Event, body: ItemsCommitted, commit: CommitContext
    ) -> None:
        if commit.verdict is not None:
            items.record_snapshot(event.account, body, commit.verdict.pages)
        else:
            items.record_changes(event.account, body, commit.changes or (), event.time.datetime)

    def _gather_commit(self, uow: UnitOfWork, account: AccountId, body: ItemsCommitted) -> CommitContext:
        if not self._objects.find_sizes(uow, account, [body.changes], keep=True):
            return CommitContext()
        items = ItemRepository(uow.connection)
        known = self._lists.find(account, body)
        if known is None and items.get_last_commit(account) != body.commit - 1:
            return CommitContext()  # refused for its number
        if known is None:
            raise UnavailableError("the change list came or was forgotten meanwhile; say it again")
        if isinstance(known, SnapshotVerdict):
            pages = sorted({page.digest for page in known.pages})
            sizes = self._objects.find_sizes(uow, account, pages, keep=True)
            return CommitContext((), part_sizes=sizes, verdict=known)
        parts = sorted({part.digest for change in known for part in change.parts})
        return CommitContext(
            known,
            items.find_current(account, [change.item for change in known]),
            self._objects.find_sizes(uow, account, parts, keep=True),
        )
