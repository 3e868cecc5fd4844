"""Wraps: a user key change, and what is verified when they come."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from solekey_protocol.encoding import parse_cbor
from solekey_protocol.errors import TransitionError
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.vault import WrapRetired
from solekey_protocol.ids import compute_digest
from solekey_vault.refusals import DigestMismatch, WrapMismatch, WrapMissing
from solekey_vault.tables import metadata
from tests.support.actors import derive_rotation_id
from tests.support.content import change_of, seal_wrap_like, wrapped_as
from tests.unit.vault.vault_rig import ITEM, LAPTOP, NEW_KEY, OLD_KEY, PHONE, live_wraps, refused_as


def retired(epoch, version, key=OLD_KEY):
    body = wrapped_as(seal_wrap_like(epoch, version, key.key_id))
    return WrapRetired(body.secret, epoch, version, body.wrap)


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
