"""An operator finds out what the object store lacks, as after one of two was restored from a backup."""

import pytest
from sqlalchemy import select

from solekey_service.command_line import parse_command_line
from solekey_vault.definition import DEFINITION
from solekey_vault.objects_command import CHECK_OBJECTS, ObjectsDamagedError
from solekey_vault.tables import object_rows, orphans
from tests.unit.vault.vault_rig import LAPTOP, Vault

LARGE = b"x" * 100_000


@pytest.fixture
def vault(rig, tmp_path):
    vault = Vault(rig, tmp_path / "objects")
    vault.change_devices((LAPTOP, LAPTOP.founded(), {}))
    rig.log_in(LAPTOP)
    vault.put(LARGE, b"small")
    return vault


@pytest.fixture
def check(vault, capsys):
    def run(*arguments):
        CHECK_OBJECTS.run(vault.api, parse_command_line(DEFINITION, ["check-objects", *arguments]))
        return capsys.readouterr().out

    return run


def find_blob(folder):
    (blob,) = [path for path in folder.rglob("*") if path.is_file() and path.read_bytes() == LARGE]
    return blob


def test_a_whole_store_is_well(vault, check):
    assert "2 objects and wraps, 0 missing or damaged; 0 unnamed" in check()


def test_what_is_missing_or_damaged_is_listed(vault, check, capsys, tmp_path):
    find_blob(tmp_path / "objects").unlink()
    with vault.kernel.store.begin() as uow:
        uow.connection.execute(object_rows.update().values(body=b"other"))
    with pytest.raises(ObjectsDamagedError, match="from one backup"):
        check()
    told = capsys.readouterr().out
    assert told.count(f"{LAPTOP.account}  object ") == 2
    assert ("is missing" in told, "is damaged" in told) == (True, True)


def test_what_no_row_names_is_collected_when_that_is_asked_for(vault, check, tmp_path):
    blob = find_blob(tmp_path / "objects")
    blob.with_name("left").write_bytes(b"of before the restoration")
    assert "1 unnamed: --collect deletes them" in check()

    def read_orphans():
        with vault.kernel.store.read() as uow:
            return uow.connection.execute(select(orphans.c.name)).scalars().all()

    assert read_orphans() == []
    assert "1 unnamed: collected" in check("--collect")
    (name,) = read_orphans()
    assert name.endswith("left")
    assert "0 unnamed" in check("--collect")  # it waits for its deletion already
    vault.rig.clock.advance(2 * 3600)
    vault.api.purge_unclaimed()
    assert not blob.with_name("left").exists()
    assert blob.exists()
