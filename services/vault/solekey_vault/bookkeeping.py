"""A statement and the vault's rows: the facts before its decision, the rows after it. Spec: vault.md §5-7."""

from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.errors import SchemaError
from solekey_protocol.events import vault as said
from solekey_protocol.ids import AccountId, Digest, ItemId
from solekey_protocol.statements import SignedStatement
from solekey_vault.change_lists import ChangeLists
from solekey_vault.commands import (
    Command,
    CommitItems,
    PurgeObjects,
    RetireWrap,
    SnapshotVerdict,
    WrapKey,
)
from solekey_vault.items import (
    read_all,
    read_current,
    read_sealed_epochs,
    record_commit,
    record_purge,
)
from solekey_vault.shelf import Shelf
from solekey_vault.wraps import claim_wrap, drop_wrap, read_wraps


def gather_command(shelf: Shelf, lists: ChangeLists, uow: UnitOfWork, signed: SignedStatement) -> Command:
    """Find the command that a statement is, with what is stored of what it names.

    Raises:
        SchemaError: the statement belongs to another stream.
        CommitMismatch: what was uploaded as its change list is none.
        UnavailableError: its change list has not been read yet.
    """
    account = signed.statement.account
    match signed.statement.body:
        case said.KeyWrapped() as body:
            wraps = read_wraps(uow.connection, account, [body.wrap], keep=True)
            return WrapKey(signed, body, wraps.get(body.wrap))
        case said.WrapRetired() as body:
            return RetireWrap(signed, body, read_sealed_epochs(uow.connection, account))
        case said.ItemsCommitted() as body:
            return _gather_commit(shelf, lists, uow, signed, body)
        case said.ObjectsPurged() as body:
            return PurgeObjects(signed, body)
        case body:
            raise SchemaError(f"{body.TYPE} does not belong to the vault stream")


def record_rows(shelf: Shelf, command: Command, uow: UnitOfWork, account: AccountId) -> None:
    """Write the rows that belong to a command's event, in its transaction."""
    match command:
        case WrapKey(_, body):
            claim_wrap(uow.connection, account, body.wrap)
        case RetireWrap(_, body):
            drop_wrap(uow.connection, account, body.wrap, uow.now)
        case CommitItems(_, body, changes):
            shelf.claim(uow, account, [body.changes, *command.part_sizes])
            record_commit(uow.connection, account, body, changes or ())
        case PurgeObjects(_, body):
            shelf.drop(uow, account, record_purge(uow.connection, account, body))


def _gather_commit(
    shelf: Shelf, lists: ChangeLists, uow: UnitOfWork, signed: SignedStatement, body: said.ItemsCommitted
) -> CommitItems:
    account = signed.statement.account
    if not shelf.find_sizes(uow, account, [body.changes], keep=True):
        return CommitItems(signed, body, None, {}, {})
    changes = lists.find(account, body)
    if changes is None:
        raise UnavailableError("the change list came or was forgotten meanwhile; say it again")
    if isinstance(changes, SnapshotVerdict):
        return CommitItems(signed, body, (), {}, {}, changes)
    if body.kind is said.CommitKind.SNAPSHOT:
        return CommitItems(signed, body, changes, read_all(uow.connection, account), {})
    items: list[ItemId] = [change.item for change in changes]
    parts: list[Digest] = sorted({part.digest for change in changes for part in change.parts})
    return CommitItems(
        signed,
        body,
        changes,
        read_current(uow.connection, account, items),
        shelf.find_sizes(uow, account, parts, keep=True),
    )
