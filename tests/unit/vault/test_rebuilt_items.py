"""The items of a vault, and what accounts store, made from zero: compared, and switched where they differ."""

import pytest
from sqlalchemy import delete, select, update

from solekey_protocol.events.vault import CommitKind
from solekey_service.read_models import rebuild_read_model
from solekey_vault.definition import ITEMS, USAGE
from solekey_vault.tables import account_usage, commits, item_versions
from solekey_vault.usage_repository import UsageRepository
from tests.support.actors import Actor
from tests.support.content import change_of
from tests.unit.vault.vault_rig import ITEM, SECOND


def test_items_are_compared_and_switched(vault):
    vault.commit(change_of(ITEM, 1), change_of(SECOND, 1))
    vault.commit(change_of(ITEM, 2))
    vault.commit(change_of(ITEM, 2), change_of(SECOND, 1), kind=CommitKind.SNAPSHOT)
    store, right = vault.api.kernel.store, vault.dump()

    def rebuild(*, dry_run=False):
        return rebuild_read_model(vault.api, store, ITEMS, lambda _: None, dry_run=dry_run)

    assert rebuild() == 0
    with store.begin() as uow:
        uow.connection.execute(update(item_versions).where(item_versions.c.version == 2).values(size=1))
        uow.connection.execute(delete(commits).where(commits.c.commit == 1))
    wrong = vault.dump()
    assert wrong != right
    assert (rebuild(dry_run=True), vault.dump()) == (1, wrong)
    assert (rebuild(), vault.dump()) == (1, right)


def test_usage_is_counted_anew_and_keeps_what_was_sent_and_set(vault):
    vault.commit(change_of(ITEM, 1))
    store, right = vault.api.kernel.store, vault.dump()
    with store.begin() as uow:
        UsageRepository(uow).set_quota(
            Actor("ben", "laptop").account, {"objects": 7}
        )  # of whom nothing is stored

    def rebuild(*, dry_run=False):
        return rebuild_read_model(vault.api, store, USAGE, lambda _: None, dry_run=dry_run)

    def read():
        with store.read() as uow:
            return uow.connection.execute(select(account_usage).order_by(account_usage.c.account)).all()

    before = read()
    assert (rebuild(), read()) == (0, before)
    with store.begin() as uow:
        uow.connection.execute(update(account_usage).values(bytes=account_usage.c.bytes + 1, objects=0))
    assert rebuild(dry_run=True) == 2
    assert (rebuild(), read()) == (2, before)
    with store.begin() as uow:
        uow.connection.execute(delete(account_usage))
    assert rebuild() == 1
    (made,) = read()
    (counted,) = (row for row in before if row.objects)
    assert (made.account, made.bytes, made.objects) == (counted.account, counted.bytes, counted.objects)
    assert (made.sent_bytes, made.max_objects) == (0, None)
    assert vault.dump() == right


def test_what_cannot_be_made_changes_nothing(vault):
    """A change list is gone: the model stays as it was, and the command says so."""
    vault.commit(change_of(ITEM, 1))
    store, before = vault.api.kernel.store, vault.dump()
    vault.api._read_changes = lambda *_: (_ for _ in ()).throw(LookupError("it is gone"))
    with pytest.raises(LookupError):
        rebuild_read_model(vault.api, store, ITEMS, lambda _: None, dry_run=False)
    assert vault.dump() == before
