"""Commits: what is taken, what conflicts, what is refused."""

import threading

import pytest

from solekey_eventlog.errors import StalePositionError
from solekey_protocol import encoding
from solekey_protocol.change_list import encode_change_list
from solekey_protocol.encoding import parse_cbor
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import Enforcement
from solekey_protocol.events.vault import CommitKind, ObjectsPurged
from solekey_protocol.ids import compute_digest
from solekey_service.http import problem_response
from solekey_vault.refusals import (
    CommitMismatch,
    PartsMissing,
    RotationRequired,
    StaleKeyEpoch,
    VersionConflict,
)
from tests.support.actors import derive_rotation_id
from tests.support.content import change_of, commit_of, content_of, seal_wrap_like
from tests.unit.vault.vault_rig import ITEM, LAPTOP, OLD_KEY, PHONE, SECOND, refused_as


def test_a_commit_comes_back(vault):
    first, second = change_of(ITEM, 1), change_of(SECOND, 1, size=100_000)  # a row and a blob
    response = vault.commit(first, second)
    assert (response.status, response.headers["Solekey-Position"]) == (201, "vault=2")
    for change in (first, second):
        body = vault.api.get_object(PHONE.request(method="GET"), change.parts[0].digest).body
        assert body == content_of(change.item, 1, change.size)
    fetched = vault.api.post_fetch(
        PHONE.request({"digests": [first.parts[0].digest, "0" * 64, second.parts[0].digest]})
    )
    assert parse_cbor(fetched.body, max_bytes=2**24)["objects"] == [
        content_of(ITEM, 1),
        None,
        content_of(SECOND, 1, 100_000),
    ]
    prefixes = vault.api.post_fetch(
        PHONE.request({"digests": [second.parts[0].digest, first.parts[0].digest], "max_bytes_each": 7})
    )
    assert parse_cbor(prefixes.body, max_bytes=2**24)["objects"] == [
        content_of(SECOND, 1, 100_000)[:7],
        content_of(ITEM, 1)[:7],
    ]


def test_the_same_commit_again_is_the_same_event(vault):
    vault.upload(change_of(ITEM, 1))
    signed = LAPTOP.sign(
        commit_of(change_of(ITEM, 1)), vault.head(), vault.rig.heads(LAPTOP.account, Stream.DEVICES)
    )
    first = vault.post(signed)
    vault.commit(change_of(ITEM, 2))
    again = vault.post(signed)
    assert (first.status, again.status) == (201, 200)
    assert first.body == again.body
    assert vault.head().seq == 3


def test_a_stale_parent_is_refused_and_nothing_is_lost(vault):
    before = vault.head()
    vault.commit(change_of(ITEM, 1))
    vault.upload(change_of(SECOND, 1))
    with pytest.raises(StalePositionError) as refused:
        vault.say(commit_of(change_of(SECOND, 1)), PHONE, after=before)
    assert refused.value.extras["head"]["seq"] == vault.head().seq
    assert vault.has(content_of(ITEM, 1), content_of(SECOND, 1)) == [True, True]
    assert vault.commit(change_of(SECOND, 1), actor=PHONE).status == 201  # rebased


def test_of_two_commits_at_the_same_moment_one_wins(vault):
    vault.upload(change_of(ITEM, 1))
    vault.upload(change_of(SECOND, 1))
    heads = vault.rig.heads(LAPTOP.account, Stream.DEVICES)
    signed = {
        LAPTOP: LAPTOP.sign(commit_of(change_of(ITEM, 1)), vault.head(), heads),
        PHONE: PHONE.sign(commit_of(change_of(SECOND, 1)), vault.head(), heads),
    }
    barrier, outcomes = threading.Barrier(2), []

    def run(actor):
        barrier.wait()
        try:
            outcomes.append(vault.post(signed[actor], actor).status)
        except StalePositionError as refusal:
            outcomes.append(problem_response(refusal).status)

    threads = [threading.Thread(target=run, args=(actor,)) for actor in signed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [201, 409]
    assert len(vault.dump()["item_versions"]) == 1


def test_versions_conflict_and_the_answer_says_which(vault):
    vault.commit(change_of(ITEM, 1))
    with pytest.raises(VersionConflict) as refused:
        vault.commit(change_of(ITEM, 1, size=50))
    assert refused.value.extras["conflicts"] == [{"item": ITEM, "version": 1, "removed": False}]
    assert vault.commit(change_of(ITEM, 2)).status == 201


def test_a_commit_that_lies_about_its_change_list_or_lacks_a_part_changes_nothing(vault):
    change = change_of(ITEM, 1)
    before = vault.dump()
    with pytest.raises(PartsMissing):
        vault.say(commit_of(change))
    vault.put(encode_change_list([change]))
    with pytest.raises(PartsMissing) as refused:
        vault.say(commit_of(change))
    assert refused.value.extras["missing"] == [change.parts[0].digest]
    vault.upload(change)
    for lie in ({"count": 2}, {"bytes": 99}):
        with pytest.raises(CommitMismatch):
            vault.say(commit_of(change, **lie))
    no_list = b"not a change list"
    vault.put(no_list)
    with pytest.raises(CommitMismatch):
        vault.say(commit_of(change, changes=compute_digest(no_list)))
    assert vault.dump() == before
    assert vault.say(commit_of(change)).status == 201


def test_after_a_new_epoch_the_old_one_takes_no_commits(vault):
    rotation = derive_rotation_id(RotationKind.DATA_KEY)
    with refused_as("key_not_current"):
        vault.add_wrap(epoch=2)
    vault.commit(change_of(ITEM, 1))
    vault.rotate(RotationKind.DATA_KEY, to_epoch=2)
    with refused_as("key_not_current"):  # it does not say that it is the rotation's
        vault.add_wrap(epoch=2)
    assert vault.add_wrap(epoch=2, rotation=rotation).status == 201
    vault.verify(rotation, seal_wrap_like(2, 1, OLD_KEY.key_id))
    with pytest.raises(StaleKeyEpoch) as refused:
        vault.commit(change_of(SECOND, 1))
    assert refused.value.extras == {"epoch": 2}
    rekeyed = change_of(ITEM, 2, epoch=2)
    assert vault.commit(rekeyed, kind=CommitKind.REKEY, epoch=2).status == 201


@pytest.mark.parametrize("enforcement", Enforcement)
@pytest.mark.parametrize("by_policy", [True, False], ids=["the account's policy", "the operator's"])
def test_writes_wait_for_a_rotation_that_is_due_and_enforced(vault, enforcement, by_policy):
    vault.commit(change_of(ITEM, 1))
    vault.announce_due(enforcement, by_policy=by_policy)
    if enforcement is Enforcement.ADVISORY:  # the control
        assert vault.commit(change_of(ITEM, 2)).status == 201
        return
    before = vault.dump()
    with pytest.raises(RotationRequired) as refused:
        vault.commit(change_of(ITEM, 2))
    assert refused.value.extras == {"kinds": ["data_key"]}
    assert vault.dump() == before
    vault.rotate(RotationKind.DATA_KEY, to_epoch=2)
    rotation = derive_rotation_id(RotationKind.DATA_KEY)
    with refused_as("rotation_incomplete"):  # a write is no re-encryption, whatever it is called
        vault.commit(change_of(ITEM, 2), kind=CommitKind.REKEY)
    assert vault.add_wrap(epoch=2, rotation=rotation).status == 201  # what writes wait for is taken
    vault.verify(rotation, seal_wrap_like(2, 1, OLD_KEY.key_id))
    rekeyed = change_of(ITEM, 2, epoch=2)
    assert vault.commit(rekeyed, kind=CommitKind.REKEY, epoch=2).status == 201
    with pytest.raises(RotationRequired):
        vault.commit(change_of(SECOND, 1, epoch=2), epoch=2)


def test_snapshots_must_state_every_item(vault):
    live, removed = [change_of(ITEM, 1), change_of(SECOND, 2)], change_of(SECOND, 3, epoch=0, size=0)
    vault.commit(change_of(ITEM, 1), change_of(SECOND, 1))
    vault.commit(change_of(SECOND, 2))
    with pytest.raises(CommitMismatch):
        vault.commit(live[0], kind=CommitKind.SNAPSHOT)
    assert vault.commit(*live, kind=CommitKind.SNAPSHOT).status == 201
    vault.commit(removed)
    for untrue in (live, live[:1]):  # keeps the item; forgets that it was removed
        with pytest.raises(CommitMismatch):
            vault.commit(*untrue, kind=CommitKind.SNAPSHOT)
    assert vault.commit(live[0], removed, kind=CommitKind.SNAPSHOT).status == 201


def test_the_read_model_rebuilds_from_zero(vault):
    vault.commit(change_of(ITEM, 1), change_of(SECOND, 1, size=100_000))
    vault.commit(change_of(ITEM, 2))
    vault.commit(change_of(SECOND, 2, epoch=0, size=0))
    vault.commit(change_of(ITEM, 2), change_of(SECOND, 2, epoch=0, size=0), kind=CommitKind.SNAPSHOT)
    vault.commit(change_of(ITEM, 3))
    vault.say(ObjectsPurged(3))
    before = vault.dump()
    assert [len(rows) for rows in before.values()] == [5, 3, 2, 1]
    vault.api.rebuild_items()
    assert vault.dump() == before


def test_a_commit_is_made_canonical_twice_at_most(vault, monkeypatch):
    """Once as the statement that was sent, once as the record around it; read again, once at most."""
    vault.upload(change_of(ITEM, 1))
    heads = vault.rig.heads(LAPTOP.account, Stream.DEVICES, Stream.ROTATION)
    signed = LAPTOP.sign(commit_of(change_of(ITEM, 1)), vault.head(), heads)
    request, digest = LAPTOP.request(signed.to_json()), signed.digest
    encoded = []

    def dumps(value):
        encoded.append(value)
        return canonicalise(value)

    canonicalise = encoding._dump
    monkeypatch.setattr(encoding, "_dump", dumps)
    answer = vault.api.post_statement(request)
    assert answer.status == 201
    assert 1 <= len(encoded) <= 2
    encoded.clear()
    event = parse_event(answer.body)
    assert event.signed.digest == digest
    assert len(encoded) <= 1
