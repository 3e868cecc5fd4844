"""What an account leaves in the vault when it is closed: purged after a day, and nobody else's."""

import pytest
from sqlalchemy import select

from solekey_protocol.events import Stream
from solekey_protocol.ids import ItemId
from solekey_vault.tables import closed_accounts, object_rows, objects, orphans, wraps
from tests.support.actors import Actor
from tests.support.content import change_of, content_of
from tests.support.keys import derive_raw
from tests.unit.vault.vault_rig import ITEM, LAPTOP, SECOND, Vault

OTHER = Actor("ben", "laptop")
LATE = ItemId.from_raw(derive_raw("late item"))
DAY_S = 24 * 3600


@pytest.fixture
def vault(rig, tmp_path):
    """Ana has a wrap, a small item and a large one; Ben has sent something too."""
    vault = Vault(rig, tmp_path / "objects")
    vault.change_devices((LAPTOP, LAPTOP.founded(), {}))
    vault.add_wrap()
    vault.commit(change_of(ITEM, 1), change_of(SECOND, 1, size=100_000))
    rig.log_in(LAPTOP)
    return vault


def left(vault, *tables):
    with vault.kernel.store.read() as uow:
        return [len(uow.connection.execute(select(table)).all()) for table in tables or (objects, wraps)]


def test_objects_wraps_and_blobs_are_purged_a_day_after_the_end(vault, tmp_path):
    blobs = list((tmp_path / "objects" / LAPTOP.account).iterdir())
    assert blobs  # the large one
    vault.rig.clock.advance(2 * DAY_S)
    assert (vault.api.purge_unclaimed(), left(vault)) == (0, [3, 1])  # positive control: nothing is purged
    vault.rig.close_account(LAPTOP)
    assert vault.api.purge_unclaimed() == 0
    vault.rig.clock.advance(DAY_S - 1)
    assert (vault.api.purge_unclaimed(), left(vault)) == (0, [3, 1])
    vault.rig.clock.advance(2)
    assert (vault.api.purge_unclaimed(), left(vault)) == (4, [0, 0])
    vault.rig.clock.advance(7200)
    vault.api.purge_unclaimed()
    assert not any(path.exists() for path in blobs)
    assert left(vault, object_rows, orphans, closed_accounts) == [0, 0, 0]


def test_the_read_model_goes_at_once_and_is_not_rebuilt(vault):
    assert [len(rows) for rows in vault.dump().values()] == [1, 2, 2, 0]
    vault.rig.close_account(LAPTOP)
    vault.api.purge_unclaimed()
    assert [len(rows) for rows in vault.dump().values()] == [0, 0, 0, 0]
    vault.rig.clock.advance(2 * DAY_S)
    vault.api.purge_unclaimed()
    vault.api.rebuild_items()  # though the change lists are gone
    assert [len(rows) for rows in vault.dump().values()] == [0, 0, 0, 0]
    assert len(vault.rig.events(Stream.VAULT, LAPTOP.account)) == 2  # the events stay


def test_what_others_have_stays(vault):
    ben = content_of(ITEM, 1, 2000)
    vault.put(ben, actor=OTHER)
    vault.rig.clock.advance(3600)
    vault.rig.close_account(LAPTOP)
    vault.api.purge_unclaimed()
    with vault.kernel.store.begin() as uow:
        uow.connection.execute(
            objects.update().where(objects.c.account == OTHER.account).values(claimed=True)
        )
    vault.rig.clock.advance(2 * DAY_S)
    vault.api.purge_unclaimed()
    with vault.kernel.store.read() as uow:
        assert list(uow.connection.execute(select(objects.c.account)).scalars()) == [OTHER.account]


def test_what_a_late_statement_claims_is_purged_too(vault):
    """Admitted before the event came, committed after the first run of the purge."""
    vault.rig.close_account(LAPTOP)
    vault.api.purge_unclaimed()
    assert vault.commit(change_of(LATE, 1)).status == 201  # past the guard
    assert left(vault) == [5, 1]
    vault.rig.clock.advance(DAY_S + 1)
    vault.api.purge_unclaimed()
    assert left(vault, objects, closed_accounts) == [2, 1]
    vault.rig.clock.advance(DAY_S + 1)
    vault.api.purge_unclaimed()
    assert left(vault, objects, closed_accounts) == [0, 0]
