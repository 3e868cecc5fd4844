"""A conflict copy says what it is, and goes away when somebody says what stays."""

import pytest

from solekey import Keep
from solekey.errors import NoConflictError


@pytest.fixture
def vault(home):
    vault = home.unlock("laptop")
    vault.put("plan", "one")
    home.add_device("phone")
    phone = home.unlock("phone")
    phone.get("plan")
    vault.put("plan", "two", tags=["ours"])
    assert phone.put("plan", "three", tags=["theirs"]).conflict
    return vault


def contents(vault):
    return {info.name: vault.get(info.id).content for info in vault.list()}


def find_copy(vault):
    (copy,) = [info for info in vault.list() if info.conflict is not None]
    return copy


def test_the_copy_may_stay(vault):
    copy = find_copy(vault)
    assert copy.conflict.item == vault.find("plan").id
    stored = vault.resolve(copy.id, Keep.COPY)
    assert (stored.id, stored.version) == (copy.conflict.item, 3)
    assert contents(vault) == {"plan": b"three"}
    assert vault.find("plan").tags == ("theirs",)
    assert vault.get("plan", version=2).content == b"two"


def test_the_original_may_stay(vault):
    assert vault.resolve("plan (conflict, phone)", Keep.ORIGINAL) is None
    assert contents(vault) == {"plan": b"two"}
    assert vault.find("plan").tags == ("ours",)


def test_both_may_stay(vault):
    copy = find_copy(vault)
    assert vault.resolve(copy.id, Keep.BOTH).id == copy.id
    assert contents(vault) == {"plan": b"two", "plan (conflict, phone)": b"three"}
    assert [info.conflict for info in vault.list()] == [None, None]
    with pytest.raises(NoConflictError):
        vault.resolve(copy.id, Keep.BOTH)


def test_a_mark_outlives_edits_and_the_original(vault):
    copy = find_copy(vault)
    vault.put(copy.id, "four", attributes={"a": "b"})
    assert find_copy(vault).conflict == copy.conflict
    vault.remove("plan")
    assert vault.resolve(copy.id, Keep.COPY).id == copy.id
    assert contents(vault) == {"plan (conflict, phone)": b"four"}
    assert vault.find(copy.id).conflict is None


def test_what_is_no_copy_is_not_resolved(vault):
    for keep in Keep:
        with pytest.raises(NoConflictError):
            vault.resolve("plan", keep)
    assert vault.find("plan").version == 2
