"""The vault lists what is really stored, for an auditor: ``python -m solekey_vault list-stored``."""

import hashlib
import json
from base64 import b64decode

import pytest

from solekey.audit.bundle.stored import StoredList
from solekey_protocol.change_list import encode_change_list
from solekey_service.stored_list import encode_list
from solekey_vault.tables import object_rows
from tests.support.content import change_of, content_of
from tests.unit.vault.vault_rig import ITEM, LAPTOP, Vault

LARGE = b"x" * 100_000


@pytest.fixture
def vault(rig, tmp_path):
    vault = Vault(rig, tmp_path / "objects")
    vault.change_devices((LAPTOP, LAPTOP.founded(), {}))
    rig.log_in(LAPTOP)
    assert vault.add_wrap().status == 201
    assert vault.commit(change_of(ITEM, 1)).status == 201
    vault.put(LARGE, b"small")
    return vault


def rows(vault, kind):
    return {row.get("digest", row.get("name")): row for row in vault.api.list_stored() if row["kind"] == kind}


def digest(body):
    return hashlib.sha256(body).hexdigest()


def test_what_is_stored_is_listed_with_the_digests_of_its_bytes(vault):
    found = rows(vault, "object")
    changes = encode_change_list([change_of(ITEM, 1)])
    assert set(found) == {digest(body) for body in (LARGE, b"small", content_of(ITEM, 1), changes)}
    assert all(row["found"] == name and row["account"] == LAPTOP.account for name, row in found.items())
    assert [name for name, row in found.items() if "content" in row] == [digest(changes)]
    assert b64decode(found[digest(changes)]["content"]) == changes
    assert not found[digest(LARGE)]["claimed"]
    assert found[digest(content_of(ITEM, 1))]["claimed"]
    (wrap,) = rows(vault, "wrap").values()
    assert wrap["found"] == wrap["digest"]
    assert [row["seq"] for row in vault.api.list_stored() if row["kind"] == "event"] == [1, 2]
    assert rows(vault, "blob") == {}


def test_what_was_changed_behind_the_vaults_back_shows(vault, tmp_path):
    with vault.kernel.store.begin() as uow:
        uow.connection.execute(object_rows.update().values(body=b"other"))
    (blob,) = [
        path for path in (tmp_path / "objects").rglob("*") if path.is_file() and path.read_bytes() == LARGE
    ]
    blob.unlink()
    (blob.parent / "diary").write_bytes(b"dear")
    found = rows(vault, "object")
    assert found[digest(b"small")]["found"] == digest(b"other")
    assert (found[digest(LARGE)]["found"], found[digest(LARGE)]["size"]) == (None, 0)
    (stray,) = rows(vault, "blob").values()
    assert (stray["name"].endswith("diary"), stray["size"]) == (True, 4)


def test_the_list_is_what_an_auditor_reads(vault, rig):
    lines = [line.encode() for line in encode_list("vault", rig.clock.now(), vault.api.list_stored())]
    listed = StoredList(lambda: iter(lines))
    assert len(list(listed.rows())) == json.loads(lines[-1])["rows"] == len(lines) - 2
    assert set(listed.services()) == {"vault"}
