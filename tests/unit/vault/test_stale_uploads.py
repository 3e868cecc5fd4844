"""What was sent before a re-key and is named by no commit goes once that is committed, and nothing else."""

from datetime import timedelta

import pytest

from solekey_protocol.events import Stream
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import AbortReason, RotationAborted, RotationCommitted
from solekey_protocol.ids import ItemId
from solekey_protocol.streams import RotationStream
from solekey_service.refusals import QuotaExceeded
from solekey_vault.definition import DEFINITION
from solekey_vault.stale_upload_repository import StaleUploadRepository
from tests.support.content import change_of, content_of, seal_wrap_like
from tests.unit.vault.vault_rig import LAPTOP, NEW_KEY, OLD_KEY, Vault, derive_rotation_id

DATA_KEY, USER_KEY = RotationKind.DATA_KEY, RotationKind.USER_KEY
BODIES = [bytes([number]) * 100 for number in range(9)]
LARGE = [bytes([number]) * 100_000 for number in range(9)]


@pytest.fixture
def vault(rig, tmp_path, monkeypatch):
    """A vault that has room for five objects; its job trusts the clock from the first hour on."""
    build = rig.build

    def build_small(definition, **settings):
        return build(definition, **settings, **({"account_objects": 5} if definition is DEFINITION else {}))

    monkeypatch.setattr(rig, "build", build_small)
    made = Vault(rig, tmp_path)
    made.change_devices((LAPTOP, LAPTOP.founded(), {}))
    rig.log_in(LAPTOP)
    assert made.add_wrap().status == 201
    return made


def say(vault, body, **signers):
    heads = vault.rig.heads(LAPTOP.account, Stream.DEVICES, Stream.VAULT)
    vault.rig.append(LAPTOP.sign(body, vault.rig.head(Stream.ROTATION, LAPTOP.account), heads, **signers))
    vault.rig.deliver()


def re_key(vault):
    """Replace the data key, up to its commit; what is sent meanwhile comes in between."""
    vault.rotate(DATA_KEY, to_epoch=2)
    assert vault.add_wrap(epoch=2, rotation=derive_rotation_id(DATA_KEY)).status == 201
    vault.verify(derive_rotation_id(DATA_KEY), seal_wrap_like(2, 1, OLD_KEY.key_id))


def commit(vault, kind=DATA_KEY, **signers):
    say(vault, RotationCommitted(derive_rotation_id(kind), ()), **signers)


def purge(vault):
    vault.rig.clock.advance(3 * 3600)
    vault.api.purge_unclaimed()


@pytest.mark.parametrize("bodies", [BODIES, LARGE], ids=["rows", "blobs"])
def test_a_thiefs_uploads_are_gone_soon_after_the_re_key_that_shuts_him_out(vault, bodies):
    vault.put(*bodies[:5])
    with pytest.raises(QuotaExceeded):
        vault.put(bodies[5])
    vault.rig.clock.advance(1)
    re_key(vault)
    vault.put(*bodies[5:7])
    purge(vault)
    assert vault.has(*bodies[:7]) == [True] * 7  # control: it may still be given up
    commit(vault)
    purge(vault)
    assert vault.has(*bodies[:7]) == [False] * 5 + [True] * 2
    vault.put(*bodies[:3])
    with vault.kernel.store.read() as uow:
        assert StaleUploadRepository(uow).find_committed() == []  # it has happened once


def test_what_a_commit_names_stays(vault):
    change = change_of(ItemId.from_raw(bytes(16)), 1)
    assert vault.commit(change).status == 201
    vault.put(BODIES[0])
    vault.rig.clock.advance(1)
    re_key(vault)
    commit(vault)
    purge(vault)
    assert vault.has(content_of(change.item, 1, change.size), BODIES[0]) == [True, False]


def test_a_re_key_that_is_given_up_deletes_nothing(vault):
    vault.put(*BODIES[:3])
    vault.rig.clock.advance(1)
    re_key(vault)
    say(vault, RotationAborted(derive_rotation_id(DATA_KEY), AbortReason.USER_REQUEST))
    purge(vault)
    assert vault.has(*BODIES[:3]) == [True] * 3


def test_a_user_key_change_deletes_nothing(vault):
    """The epoch stays: what was sent before it may still be committed."""
    vault.put(*BODIES[:3])
    vault.rig.clock.advance(1)
    vault.rotate(USER_KEY, to_key=NEW_KEY)
    wrap = seal_wrap_like(1, 2, NEW_KEY.key_id)
    assert vault.add_wrap(version=2, key=NEW_KEY, rotation=derive_rotation_id(USER_KEY)).status == 201
    rotation = derive_rotation_id(USER_KEY)
    changed = LAPTOP.key_changed(NEW_KEY, rotation)
    vault.verify(rotation, wrap)
    vault.change_devices((LAPTOP, changed, {"next_account": NEW_KEY.signing}))
    commit(vault, USER_KEY, account=NEW_KEY.signing)
    with vault.kernel.store.read() as uow:
        assert vault.kernel.streams.fold(uow, LAPTOP.account, RotationStream).open.committed is not None
    purge(vault)
    assert vault.has(*BODIES[:3]) == [True] * 3


def test_what_is_sent_after_the_start_stays_although_our_clock_is_behind(vault, monkeypatch):
    right, deliver = vault.rig.clock.now(), vault.rig.deliver
    vault.put(BODIES[0])
    monkeypatch.setattr(vault.rig, "deliver", lambda: None)
    vault.rig.clock.set_wall(right + timedelta(seconds=50))  # that of the rotation service
    vault.rotate(DATA_KEY, to_epoch=2)
    vault.rig.clock.set_wall(right + timedelta(seconds=1))
    monkeypatch.setattr(vault.rig, "deliver", deliver)
    deliver()
    vault.put(BODIES[1])
    assert vault.add_wrap(epoch=2, rotation=derive_rotation_id(DATA_KEY)).status == 201
    vault.verify(derive_rotation_id(DATA_KEY), seal_wrap_like(2, 1, OLD_KEY.key_id))
    commit(vault)
    purge(vault)
    assert vault.has(*BODIES[:2]) == [False, True]
