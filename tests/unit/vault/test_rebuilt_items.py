"""The items of a vault, rebuilt from zero: compared with what is there, and switched where they differ."""

import pytest
from sqlalchemy import delete, update

from solekey_protocol.events.vault import CommitKind
from solekey_service.read_models import rebuild_read_model
from solekey_vault.definition import ITEMS
from solekey_vault.tables import commits, item_versions
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


def test_what_cannot_be_made_changes_nothing(vault):
    """A change list is gone: the model stays as it was, and the command says so."""
    vault.commit(change_of(ITEM, 1))
    store, before = vault.api.kernel.store, vault.dump()
    vault.api._read_changes = lambda *_: (_ for _ in ()).throw(LookupError("it is gone"))
    with pytest.raises(LookupError):
        rebuild_read_model(vault.api, store, ITEMS, lambda _: None, dry_run=False)
    assert vault.dump() == before
