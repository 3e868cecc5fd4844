"""The vault over its kernel, on SQLite and PostgreSQL, beside a real devices service."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import select

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.errors import NotYetAppliedError, StalePositionError
from solekey_protocol import encoding
from solekey_protocol.change_list import encode_change_list
from solekey_protocol.encoding import parse_cbor
from solekey_protocol.errors import ForkError, LineageError, MalformedError, SignatureError, TransitionError
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream, devices
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import (
    DueCause,
    Enforcement,
    PolicySet,
    RotationDue,
    RotationReason,
    RotationStarted,
    RotationVerified,
)
from solekey_protocol.events.vault import CommitKind, ObjectsPurged, WrapRetired
from solekey_protocol.ids import ItemId, Timestamp, compute_digest
from solekey_protocol.limits import MAX_BATCH_OBJECTS, MAX_PART_BYTES
from solekey_protocol.statements import Head
from solekey_protocol.streams import VaultStream
from solekey_rotation.definition import DEFINITION as ROTATION
from solekey_service.http import Headers, problem_response
from solekey_service.refusals import BadRequest, DeviceNotTrusted, Forbidden, RevokedDevice
from solekey_vault import item_repository
from solekey_vault.definition import DEFINITION
from solekey_vault.refusals import (
    CommitMismatch,
    DigestMismatch,
    PartsMissing,
    RotationRequired,
    StaleKeyEpoch,
    VersionConflict,
    WrapMismatch,
    WrapMissing,
)
from solekey_vault.tables import commit_pages, commits, item_parts, item_versions, metadata
from tests.support.actors import Actor, UserKey, derive_rotation_id
from tests.support.content import (
    change_of,
    commit_of,
    content_of,
    list_objects_of,
    seal_wrap_like,
    wrapped_as,
)
from tests.support.keys import derive_raw
from tests.support.migrated_schema import find_differences

LAPTOP, PHONE = Actor("ana", "laptop"), Actor("ana", "phone")
STRANGER = Actor("ben", "laptop")
OLD_KEY, NEW_KEY = LAPTOP.user_key, UserKey("new")
GRACE_S = 30 * 86400
ITEM, SECOND = (ItemId.from_raw(derive_raw(name)) for name in ("item", "second item"))


@contextmanager
def refused_as(code):
    """Expect a lineage rule's refusal (each rule: tests/unit/protocol/lineage)."""
    with pytest.raises(LineageError) as refused:
        yield
    assert refused.value.code == code


class Vault:
    """The vault of a rig, and what a client would do with it."""

    def __init__(self, rig, folder, object_store_url=None):
        self.rig = rig
        rig.build(DEVICES)
        rig.build(ROTATION)
        self.api = rig.build(DEFINITION, object_store_url=object_store_url or f"file://{folder}")
        self.kernel = self.api.kernel

    def head(self):
        return self.rig.head(Stream.VAULT, LAPTOP.account)

    def say(self, body, actor=LAPTOP, after=None, heads=None, **signers):
        """Sign at the heads that a well-informed client would claim, and post."""
        if heads is None:
            heads = self.rig.heads(LAPTOP.account, Stream.DEVICES, Stream.ROTATION)
        signed = actor.sign(body, after or self.head(), heads, **signers)
        return self.post(signed, actor)

    def post(self, signed, actor=LAPTOP):
        return self.api.post_statement(actor.request(signed.to_json()))

    def put_wrap(self, wrap, actor=LAPTOP):
        return self.api.put_wrap(actor.request(wrap, method="PUT"), compute_digest(wrap))

    def put(self, *bodies, actor=LAPTOP):
        for body in bodies:
            self.api.put_object(actor.request(body, method="PUT"), compute_digest(body))

    def add_wrap(self, epoch=1, version=1, key=OLD_KEY, rotation=None):
        wrap = seal_wrap_like(epoch, version, key.key_id)
        self.put_wrap(wrap)
        return self.say(wrapped_as(wrap, rotation))

    def upload(self, *changes, kind=CommitKind.DELTA):
        self.put(*(content_of(c.item, c.version, c.size) for c in changes if not c.removed))
        self.put(*list_objects_of(kind, *changes))

    def commit(self, *changes, actor=LAPTOP, **fields):
        self.upload(*changes, kind=fields.get("kind", CommitKind.DELTA))
        with self.kernel.store.read() as uow:
            number = self.kernel.streams.fold(uow, LAPTOP.account, VaultStream).last_commit + 1
        return self.say(commit_of(*changes, **{"commit": number, **fields}), actor)

    def purge(self, through):
        self.rotate(RotationKind.DATA_KEY, to_epoch=2)  # outside of one it asks for a second factor
        return self.say(ObjectsPurged(through))

    def rotate(self, kind, to_key=OLD_KEY, to_epoch=1):
        started = RotationStarted(
            derive_rotation_id(kind),
            kind,
            RotationReason.REQUESTED,
            OLD_KEY.key_id,
            to_key.key_id,
            1,
            to_epoch,
        )
        heads = self.rig.heads(LAPTOP.account, Stream.DEVICES)
        signed = LAPTOP.sign(started, self.rig.head(Stream.ROTATION, LAPTOP.account), heads)
        self.rig.append(signed)
        self.rig.deliver()

    def announce_due(self, enforcement, *, by_policy):
        """A re-encryption is due: by a policy of the account, or by the operator's own limit."""
        own = Enforcement.ADVISORY if by_policy else enforcement
        if by_policy:
            head = self.rig.head(Stream.ROTATION, LAPTOP.account)
            heads = self.rig.heads(LAPTOP.account, Stream.DEVICES)
            self.rig.append(LAPTOP.sign(PolicySet(90, 30, enforcement), head, heads))
        since = Timestamp.from_datetime(self.rig.clock.now())
        due = RotationDue(RotationKind.DATA_KEY, since, DueCause.AGE, own)
        with self.rig.kernels[Stream.ROTATION].store.begin() as uow:
            uow.append(LAPTOP.account, uow.head(LAPTOP.account), due)
        self.rig.deliver()

    def verify(self, rotation, wrap, **signers):
        digest = compute_digest(bytes.fromhex(compute_digest(wrap)))
        heads = self.rig.heads(LAPTOP.account, Stream.DEVICES, Stream.VAULT)
        verified = LAPTOP.sign(
            RotationVerified(rotation, 1, digest),
            self.rig.head(Stream.ROTATION, LAPTOP.account),
            heads,
            **signers,
        )
        self.rig.append(verified)
        self.rig.deliver()

    def change_devices(self, *said):
        for actor, body, signers in said:
            head = self.rig.head(Stream.DEVICES, LAPTOP.account)
            self.rig.append(actor.sign(body, head, **signers))
        self.rig.deliver()

    def dump(self):
        with self.kernel.store.read() as uow:
            return {
                table.name: sorted(tuple(row) for row in uow.connection.execute(select(table)))
                for table in (commits, item_versions, item_parts, commit_pages)
            }

    def has(self, *bodies):
        digests = [compute_digest(body) for body in bodies]
        answer = self.api.post_missing(LAPTOP.request({"digests": digests}))
        missing = json.loads(answer.body)["missing"]
        return [digest not in missing for digest in digests]


@pytest.fixture
def empty(rig, tmp_path):
    vault = Vault(rig, tmp_path / "objects")
    rig.log_in(LAPTOP)
    vault.change_devices(
        (LAPTOP, LAPTOP.founded(), {}), (PHONE, PHONE.enrolled(), {}), (PHONE, PHONE.trusted(), {})
    )
    return vault


@pytest.fixture
def vault(empty):
    assert empty.add_wrap().status == 201
    return empty


def test_the_migrated_schema_is_the_metadata(vault):
    assert find_differences(vault.kernel.engine, metadata) == []


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
    with pytest.raises(StaleKeyEpoch) as refused:
        vault.commit(change_of(SECOND, 1))
    assert refused.value.extras == {"epoch": 2}
    rekeyed = change_of(ITEM, 2, epoch=2)
    assert vault.commit(rekeyed, kind=CommitKind.REKEY, epoch=2).status == 201


def retired(epoch, version, key=OLD_KEY):
    body = wrapped_as(seal_wrap_like(epoch, version, key.key_id))
    return WrapRetired(body.secret, epoch, version, body.wrap)


def live_wraps(vault, actor=LAPTOP):
    return parse_cbor(vault.api.get_wraps(actor.request(method="GET")).body, max_bytes=10_000)["wraps"]


def retired_wraps(vault, actor=LAPTOP):
    answer = vault.api.get_retired_wraps(actor.request(method="GET"))
    return parse_cbor(answer.body, max_bytes=10_000)["wraps"]


def test_a_user_key_change_keeps_every_item_readable(vault):
    rotation = derive_rotation_id(RotationKind.USER_KEY)
    vault.commit(change_of(ITEM, 1))
    with refused_as("wrap_in_use"):
        vault.say(retired(1, 1))
    vault.rotate(RotationKind.USER_KEY, to_key=NEW_KEY)
    vault.add_wrap(version=2, key=NEW_KEY, rotation=rotation)
    old, new = (seal_wrap_like(1, n, key.key_id) for n, key in ((1, OLD_KEY), (2, NEW_KEY)))
    assert live_wraps(vault) == [old, new]
    with refused_as("wrap_in_use"):  # the account's key is still the old one
        vault.say(retired(1, 1))
    changed = LAPTOP.key_changed(NEW_KEY, rotation, PHONE)
    vault.change_devices((LAPTOP, changed, {"next_account": NEW_KEY.signing}))
    with refused_as("wrap_in_use"):
        vault.say(retired(1, 2, NEW_KEY), account=NEW_KEY.signing)
    with refused_as("wrap_in_use"):  # nobody has read the new wrap back
        vault.say(retired(1, 1), account=NEW_KEY.signing)
    vault.verify(rotation, new, account=NEW_KEY.signing)
    assert vault.say(retired(1, 1), account=NEW_KEY.signing).status == 201
    assert (live_wraps(vault), retired_wraps(vault)) == ([new], [old])
    with pytest.raises(TransitionError):
        vault.say(retired(1, 2, NEW_KEY), account=NEW_KEY.signing)
    vault.rig.clock.advance(30 * 86400)
    vault.api.purge_unclaimed()
    assert retired_wraps(vault) == [old]
    vault.rig.clock.advance(1)
    vault.api.purge_unclaimed()
    with vault.kernel.store.read() as uow:  # the retired bytes are deleted, not only hidden
        assert len(uow.connection.execute(select(metadata.tables["wraps"])).all()) == 1


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
    assert vault.add_wrap(epoch=2, rotation=rotation).status == 201  # what writes wait for is taken
    rekeyed = change_of(ITEM, 2, epoch=2)
    assert vault.commit(rekeyed, kind=CommitKind.REKEY, epoch=2).status == 201
    with pytest.raises(RotationRequired):
        vault.commit(change_of(SECOND, 1, epoch=2), epoch=2)


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


def test_devices_that_may_not_write(vault):
    tablet = Actor("ana", "tablet")
    vault.change_devices((tablet, tablet.enrolled(), {}))
    vault.upload(change_of(ITEM, 1))
    body = commit_of(change_of(ITEM, 1))
    with pytest.raises(DeviceNotTrusted):  # pending
        vault.say(body, tablet)
    with pytest.raises(DeviceNotTrusted):  # unknown
        vault.say(body, Actor("ana", "ghost"))
    with pytest.raises(SignatureError):
        vault.say(body, PHONE, device=tablet.key)
    seen = vault.rig.heads(LAPTOP.account, Stream.DEVICES)
    revoked = devices.DeviceRevoked(PHONE.device, devices.RevocationReason.STOLEN)
    vault.change_devices((LAPTOP, revoked, {}))
    with pytest.raises(RevokedDevice):
        vault.say(body, PHONE)
    with pytest.raises(RevokedDevice):  # backdated
        vault.say(body, PHONE, heads=seen)
    with pytest.raises(Forbidden):
        vault.post(LAPTOP.sign(body, vault.head(), vault.rig.heads(LAPTOP.account, Stream.DEVICES)), PHONE)
    assert live_wraps(vault, tablet)  # what a pending device needs to become trusted
    assert vault.say(body, LAPTOP).status == 201


@pytest.mark.slow
def test_a_statement_that_saw_more_or_another_history_is_not_decided_on(vault):
    vault.upload(change_of(ITEM, 1))
    body = commit_of(change_of(ITEM, 1))
    known = vault.rig.head(Stream.DEVICES, LAPTOP.account)
    with pytest.raises(NotYetAppliedError):
        vault.say(body, heads={Stream.DEVICES: Head(known.seq + 1, known.digest)})
    with pytest.raises(ForkError):
        vault.say(body, heads={Stream.DEVICES: Head(known.seq, compute_digest(b"another"))})
    vault.rotate(RotationKind.DATA_KEY, to_epoch=2)
    rotation = vault.rig.head(Stream.ROTATION, LAPTOP.account)
    with pytest.raises(ForkError):
        vault.say(
            body, heads={Stream.DEVICES: known, Stream.ROTATION: replace(rotation, digest=known.digest)}
        )
    assert vault.say(body).status == 201


def test_wraps_are_checked_when_they_come(vault):
    wrap = seal_wrap_like(1, 2, OLD_KEY.key_id)
    with pytest.raises(DigestMismatch):
        vault.api.put_wrap(LAPTOP.request(wrap, method="PUT"), compute_digest(b"other"))
    with pytest.raises(WrapMismatch):
        vault.put_wrap(b"no wrap")
    with pytest.raises(WrapMissing):
        vault.say(wrapped_as(wrap))
    vault.put_wrap(wrap)
    with pytest.raises(WrapMismatch):
        vault.say(replace(wrapped_as(wrap), wrap_version=1))
    vault.put_wrap(wrap)  # again
    assert vault.say(wrapped_as(wrap)).status == 201


def test_objects_belong_to_one_account(vault):
    vault.commit(change_of(ITEM, 1))
    digest = change_of(ITEM, 1).parts[0].digest
    answer = vault.api.post_missing(STRANGER.request({"digests": [digest]}))
    assert json.loads(answer.body) == {"missing": [digest]}
    assert parse_cbor(vault.api.get_wraps(STRANGER.request(method="GET")).body, max_bytes=99) == {"wraps": []}


def test_batches(vault):
    bodies = [b"a", b"b" * 70_000, b"c"]
    answer = vault.api.post_objects(LAPTOP.cbor_request({"objects": bodies}))
    assert json.loads(answer.body) == {"stored": 3}
    again = vault.api.post_objects(LAPTOP.cbor_request({"objects": [*bodies, b"d"]}))
    assert json.loads(again.body) == {"stored": 1}
    assert vault.has(*bodies, b"d", b"e") == [True, True, True, True, False]
    for wrong in ({}, {"objects": ["text"]}, {"objects": [b""]}, {"objects": [], "more": 1}, [b"a"]):
        with pytest.raises(BadRequest):
            vault.api.post_objects(LAPTOP.cbor_request(wrong))
    with pytest.raises(BadRequest):
        vault.api.post_objects(LAPTOP.cbor_request({"objects": [b"x"] * (MAX_BATCH_OBJECTS + 1)}))
    cut = replace(LAPTOP.cbor_request({"objects": bodies}), body=b"\xa1gobjects\x83Aa")
    with pytest.raises(MalformedError):
        vault.api.post_objects(cut)
    for wrong in ({"digests": []}, {"digests": "0"}, {"digests": ["0" * 64] * (MAX_BATCH_OBJECTS + 1)}):
        with pytest.raises(BadRequest):
            vault.api.post_missing(LAPTOP.request(wrong))
    with pytest.raises(MalformedError):
        vault.api.post_missing(LAPTOP.request({"digests": ["x"]}))
    for wrong in (0, -1, True, "9", MAX_PART_BYTES + 1):
        with pytest.raises(BadRequest):
            vault.api.post_fetch(LAPTOP.request({"digests": ["0" * 64], "max_bytes_each": wrong}))


def test_a_fetch_stops_where_an_answer_is_full(vault):
    bodies = [bytes([n]) * (3 * 1024 * 1024) for n in range(4)]
    vault.put(*bodies)
    digests = [compute_digest(body) for body in bodies]
    answer = vault.api.post_fetch(LAPTOP.request({"digests": digests}))
    assert parse_cbor(answer.body, max_bytes=2**24)["objects"] == bodies[:2]


def test_ranges(vault):
    body = bytes(range(256)) * 400
    vault.put(body)
    digest = compute_digest(body)

    def get(text):
        return vault.api.get_object(LAPTOP.request(method="GET", headers={"Range": text}), digest)

    answer = get("bytes=10-19")
    assert (answer.status, answer.body) == (206, body[10:20])
    assert answer.headers["Content-Range"] == f"bytes 10-19/{len(body)}"
    assert get("bytes=-5").body == body[-5:]
    assert get(f"bytes={len(body) - 3}-").body == body[-3:]


def test_a_feed_that_is_silent_shows_in_health(vault):
    assert vault.api.get_health(LAPTOP.request()).status == 503
    page = vault.api.get_events(LAPTOP.request(method="GET"))
    assert page.headers == {"Solekey-Position": "vault=1"}
    assert Headers(page.headers)["solekey-position"] == "vault=1"


@pytest.mark.postgres
@pytest.mark.parametrize("rig", ["postgres"], indirect=True)  # SQLite has one writer at a time
def test_what_is_late_is_refused_as_late(vault, monkeypatch):
    """Another device commits between this one's first look and its decision, as PostgreSQL allows."""
    vault.upload(change_of(ITEM, 1))
    vault.upload(change_of(SECOND, 1))
    handler = vault.api._statements._handler
    gather = handler.gather

    def gather_late(*arguments):
        monkeypatch.setattr(handler, "gather", gather)
        vault.say(commit_of(change_of(SECOND, 1)), PHONE)
        return gather(*arguments)

    monkeypatch.setattr(handler, "gather", gather_late)
    with pytest.raises(StalePositionError):
        vault.say(commit_of(change_of(ITEM, 1)))
    assert vault.commit(change_of(ITEM, 1)).status == 201


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
