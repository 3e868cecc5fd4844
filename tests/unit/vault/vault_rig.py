"""The vault over its kernel, on SQLite and PostgreSQL, beside a real devices service, and its client."""

import json
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_protocol.encoding import parse_cbor
from solekey_protocol.errors import LineageError
from solekey_protocol.events import Stream
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
from solekey_protocol.events.vault import CommitKind, ObjectsPurged
from solekey_protocol.ids import ItemId, Timestamp, compute_digest
from solekey_protocol.streams import VaultStream
from solekey_rotation.definition import DEFINITION as ROTATION
from solekey_service.clock_watch import SETTLE_S
from solekey_vault.definition import DEFINITION
from solekey_vault.tables import commit_pages, commits, item_parts, item_versions
from tests.support.actors import Actor, UserKey, derive_rotation_id
from tests.support.content import commit_of, content_of, list_objects_of, seal_wrap_like, wrapped_as
from tests.support.keys import derive_raw

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
        rig.clock.advance(SETTLE_S)

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


def live_wraps(vault, actor=LAPTOP):
    return parse_cbor(vault.api.get_wraps(actor.request(method="GET")).body, max_bytes=10_000)["wraps"]
