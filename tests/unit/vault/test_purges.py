"""Purges: what is deleted, and who waits for it."""

from solekey_protocol.change_list import encode_change_list
from solekey_protocol.events.vault import ObjectsPurged
from solekey_protocol.ids import compute_digest
from solekey_vault import item_repository
from tests.support.content import change_of, content_of
from tests.unit.vault.vault_rig import GRACE_S, ITEM, LAPTOP, SECOND


def test_a_purge_deletes_only_what_is_superseded(vault):
    large = 100_000
    vault.commit(change_of(ITEM, 1, size=large), change_of(SECOND, 1))
    vault.commit(change_of(ITEM, 2))
    vault.commit(change_of(ITEM, 3))
    contents = [content_of(ITEM, 1, large), content_of(ITEM, 2), content_of(ITEM, 3), content_of(SECOND, 1)]
    assert vault.say(ObjectsPurged(2)).status == 201
    assert vault.has(*contents) == [True, True, True, True]  # for the grace time
    assert vault.say(ObjectsPurged(3)).status == 201
    vault.rig.clock.advance(GRACE_S)
    vault.api.purge_unclaimed()
    assert vault.has(*contents) == [True, True, True, True]
    vault.rig.clock.advance(1)
    vault.api.purge_unclaimed()
    assert vault.has(*contents) == [False, False, True, True]
    lists = [encode_change_list([change_of(ITEM, n)]) for n in (2, 3)]
    assert vault.has(*lists) == [True, True]  # what proves the history stays
    vault.commit(change_of(ITEM, 4, size=large))
    vault.put(contents[0])  # the same bytes may be sent again at once ...
    vault.rig.clock.advance(2 * 3600)
    vault.api.purge_unclaimed()  # ... and the deletion of the old copy does not touch them
    assert vault.has(contents[0], content_of(ITEM, 4, large)) == [True, True]
    assert vault.api.get_object(LAPTOP.request(method="GET"), compute_digest(contents[0])).body == contents[0]


def test_others_go_on_while_much_is_purged(vault, monkeypatch):
    monkeypatch.setattr(item_repository, "_PURGED_AT_ONCE", 1)
    vault.commit(change_of(ITEM, 1), change_of(SECOND, 1))
    vault.commit(change_of(ITEM, 2), change_of(SECOND, 2))
    pauses = []
    monkeypatch.setattr(vault.api.objects, "pause", lambda: pauses.append(True))
    assert vault.purge(2).status == 201
    assert len(pauses) == 2
    assert len(vault.dump()["item_versions"]) == 2
