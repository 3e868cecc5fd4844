"""The rules of the vault stream: each refused step stands beside the same step that is accepted."""

from dataclasses import replace

import pytest

from solekey_protocol.errors import ForkError, GapError, TransitionError, UntrustedDeviceError
from solekey_protocol.events import Stream, devices, vault
from solekey_protocol.ids import Timestamp
from solekey_protocol.statements import Head
from solekey_protocol.streams import VaultStream
from solekey_protocol.wrap import SecretKind
from tests.support.keys import derive_commit_key
from tests.support.protocol.keyring import (
    ACCOUNT,
    GHOST,
    KEY_ID,
    LAPTOP,
    NEXT_KEY_ID,
    PHONE,
    digest,
    record,
    say,
)
from tests.unit.protocol.streams.steps import extend


def wrapped(epoch=1, version=1, key_id=KEY_ID):
    return vault.KeyWrapped(
        SecretKind.DATA_KEY,
        epoch,
        version,
        key_id,
        vault.WrapSuite.HKDF_SHA256_AES256GCM,
        digest(f"wrap {epoch}/{version}"),
        derive_commit_key(epoch).public,
        None,
    )


def retired(epoch, version):
    return vault.WrapRetired(SecretKind.DATA_KEY, epoch, version, digest(f"wrap {epoch}/{version}"))


def committed(commit, epoch=1, kind=vault.CommitKind.DELTA):
    return vault.ItemsCommitted(commit, kind, epoch, digest(f"changes {commit}"), 1, 100)


def say_vault(stream, known, body, device=LAPTOP, at=None):
    heads = {Stream.DEVICES: at or known.head}
    return record(say(body, stream.head, device=device, heads=heads), stream.head)


def test_vault_statements_verify_at_the_devices_head_that_they_claim(both):
    start = VaultStream.start(ACCOUNT)
    event = say_vault(start, both, wrapped(), PHONE)
    assert start.apply(event, both).epoch == 1
    seq_1 = Head(1, both.digests[0])
    with pytest.raises(UntrustedDeviceError):  # the phone was not trusted at devices 1
        start.apply(say_vault(start, both, wrapped(), PHONE, at=seq_1), both)
    with pytest.raises(UntrustedDeviceError):
        start.apply(say_vault(start, both, wrapped(), GHOST), both)
    with pytest.raises(GapError):
        start.apply(say_vault(start, both, wrapped(), at=Head(9, digest("future"))), both)
    with pytest.raises(ForkError):
        start.apply(say_vault(start, both, wrapped(), at=Head(1, digest("another history"))), both)


def test_a_revoked_device_cannot_write_behind_the_revocation(both):
    """It would have to claim an old devices head, which nobody can once the revocation was seen."""
    phone_wrote = VaultStream.start(ACCOUNT).apply(
        say_vault(VaultStream.start(ACCOUNT), both, wrapped(), PHONE), both
    )
    after = extend(both, say(devices.DeviceRevoked(PHONE.device, devices.RevocationReason.STOLEN), both.head))
    assert phone_wrote.apply(
        say_vault(phone_wrote, both, committed(1), PHONE), after
    )  # backdated, nobody knew
    laptop_wrote = phone_wrote.apply(say_vault(phone_wrote, after, committed(1)), after)
    with pytest.raises(ForkError):
        laptop_wrote.apply(say_vault(laptop_wrote, both, committed(2), PHONE), after)
    with pytest.raises(UntrustedDeviceError):
        laptop_wrote.apply(say_vault(laptop_wrote, after, committed(2), PHONE), after)


def run_vault(*bodies):
    stream = VaultStream.start(ACCOUNT)
    for body in bodies:
        stream = stream.transition(body, Timestamp("2026-11-23T12:00:00.000Z"))
    return stream


VAULT_REFUSED = {
    "the first epoch is not 1": ([], wrapped(2)),
    "an epoch is skipped": ([wrapped()], wrapped(3)),
    "a wrap version is skipped": ([wrapped()], wrapped(1, 3)),
    "a wrap version is repeated": ([wrapped()], wrapped(1, 1)),
    "an epoch gets another commit key": (
        [wrapped()],
        replace(wrapped(1, 2), commit_key=derive_commit_key(2).public),
    ),
    "a wrap is retired twice": ([wrapped(), wrapped(1, 2), retired(1, 1)], retired(1, 1)),
    "the newest epoch's only wrap is retired": ([wrapped()], retired(1, 1)),
    "another wrap's digest": ([wrapped(), wrapped(1, 2)], replace(retired(1, 1), wrap=digest("other"))),
    "a commit before any key": ([], committed(1)),
    "a commit number is skipped": ([wrapped()], committed(2)),
    "a commit under an old epoch": ([wrapped(), wrapped(2)], committed(1, 1)),
    "a commit under a coming epoch": ([wrapped()], committed(1, 2)),
    "a purge ahead of the commits": ([wrapped(), committed(1)], vault.ObjectsPurged(2)),
    "a device event": ([wrapped()], devices.DeviceRevoked(PHONE.device, devices.RevocationReason.LOST)),
}


@pytest.mark.parametrize("what", VAULT_REFUSED)
def test_the_vault_stream_refuses(what):
    before, body = VAULT_REFUSED[what]
    stream = run_vault(*before)
    with pytest.raises(TransitionError):
        stream.transition(body, Timestamp("2026-11-23T12:00:00.000Z"))


def test_the_lineage_of_a_user_key_change_and_a_rekey():
    changed = run_vault(wrapped(), wrapped(1, 2, NEXT_KEY_ID), retired(1, 1))
    assert [w.wrapped.wrap_version for w in changed.live_wraps()] == [2]
    assert changed.live_wraps(KEY_ID) == []
    rekeyed = run_vault(
        wrapped(), committed(1), wrapped(2), committed(2, 2, vault.CommitKind.SNAPSHOT), retired(1, 1)
    )
    assert (rekeyed.epoch, rekeyed.last_commit, rekeyed.last_snapshot) == (2, 2, 2)
    assert (rekeyed.last_snapshot_at, rekeyed.first_snapshots) == (1, {2: 1})  # places: see lineage/
    again = rekeyed.transition(wrapped(1, 2), Timestamp("2026-11-23T12:00:00.000Z"))
    assert [w.wrapped.wrap_version for w in again.live_wraps()] == [2, 1]  # what is kept may be wrapped anew
    purged = rekeyed.transition(vault.ObjectsPurged(2), Timestamp("2026-11-23T12:00:00.000Z"))
    assert purged.purged_through == 2
