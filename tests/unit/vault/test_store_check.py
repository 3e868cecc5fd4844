"""Another object store than the database's own, or none, is noticed when the vault starts."""

import shutil
from dataclasses import replace

import pytest
from sqlalchemy import insert

from solekey_eventlog.errors import ConfigError
from solekey_eventlog.secret import Secret
from solekey_vault.blobs import open_blob_store
from solekey_vault.definition import DEFINITION
from solekey_vault.store_check import MARKER, require_object_store


@pytest.fixture
def kernel(rig, tmp_path):
    return rig.build(DEFINITION, object_store_url=f"file://{tmp_path / 'objects'}").kernel


@pytest.fixture
def used(kernel):
    """A vault that has events and a store."""
    with kernel.store.begin() as uow:
        row = {"account": "acc_any", "seq": 1, "digest": "0" * 64, "raw": b"{}", "appended_at": uow.now}
        uow.connection.execute(insert(uow.tables.events).values(row))
    return kernel


def check(kernel, folder):
    require_object_store(kernel, open_blob_store(f"file://{folder}"))


def test_the_same_store_is_accepted_again(used, tmp_path):
    check(used, tmp_path / "objects")


def test_a_folder_that_is_gone_is_not_made_anew(used, tmp_path):
    shutil.rmtree(tmp_path / "objects")
    with pytest.raises(ConfigError, match=r"object_store_url.*former folder"):
        check(used, tmp_path / "objects")
    assert not (tmp_path / "objects" / MARKER).exists()


def test_another_store_is_refused(rig, used, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / MARKER).write_text("0" * 32)
    with pytest.raises(ConfigError, match="object_store_url"):
        check(used, tmp_path / "other")


def test_an_empty_database_does_not_take_the_store_of_another(rig, used, tmp_path):
    config = replace(used.config, database_url=Secret(rig.new_url(DEFINITION)))
    with pytest.raises(ConfigError, match="object_store_url"):
        rig.start(DEFINITION, config)
    assert (tmp_path / "objects" / MARKER).exists()


def test_a_first_start_without_room_says_so_and_goes_on_with_room(kernel, tmp_path):
    (tmp_path / "objects" / MARKER).unlink()
    full = open_blob_store(f"file://{tmp_path / 'objects'}", reserve_bytes=1 << 60)
    with pytest.raises(ConfigError, match=r"object_store_url: .*no room.*object_store_reserve_bytes"):
        require_object_store(kernel, full)
    check(kernel, tmp_path / "objects")


def test_a_first_start_that_was_interrupted_goes_on(kernel, tmp_path):
    check(kernel, tmp_path / "objects")
    (tmp_path / "objects" / MARKER).unlink()  # noted in the database, not yet written to the store
    check(kernel, tmp_path / "objects")
    assert (tmp_path / "objects" / MARKER).exists()
