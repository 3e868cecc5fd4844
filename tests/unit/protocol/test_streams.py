"""The trust rules as scenarios: each refused step stands beside the same step that is accepted."""

from dataclasses import replace

import pytest

from solekey_protocol.errors import (
    ForkError,
    GapError,
    ProtocolError,
    SignatureError,
    TransitionError,
    UntrustedDeviceError,
)
from solekey_protocol.event import encode_event
from solekey_protocol.events import Stream, auth, devices, rotation, vault
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import KeyId, RotationId, SessionId, Timestamp
from solekey_protocol.statements import Head
from solekey_protocol.streams import AuthStream, DevicesStream, DeviceStatus, RotationStream, VaultStream
from solekey_protocol.wrap import SecretKind
from tests.support.keys import derive_commit_key
from tests.support.protocol.keyring import (
    ACCOUNT,
    GHOST,
    KEY_ID,
    LAPTOP,
    MALLORY,
    NEXT_KEY_ID,
    NEXT_USER,
    PHONE,
    USER,
    digest,
    founded,
    record,
    say,
)

ROTATION = RotationId.from_raw(b"rotation of test")


def extend(stream, said):
    return stream.apply(record(said, stream.head), stream)


@pytest.fixture
def laptop_only():
    start = DevicesStream.start(ACCOUNT)
    return extend(start, say(founded(), start.head, account=USER))


@pytest.fixture
def phone_pending(laptop_only):
    return extend(laptop_only, say(devices.DeviceEnrolled(PHONE.certificate), laptop_only.head, device=PHONE))


@pytest.fixture
def both(phone_pending):
    body = devices.DeviceTrusted(USER.public, PHONE.certificate)
    return extend(phone_pending, say(body, phone_pending.head, device=PHONE, account=USER))


def key_changed(*keys, previous=USER, account=NEXT_USER, key_id=NEXT_KEY_ID):
    certificates = tuple(key.certificate for key in keys)
    return devices.AccountKeyChanged(previous.public, account.public, key_id, ROTATION, certificates)


def test_devices_go_from_unknown_to_pending_to_trusted_to_revoked(both):
    assert set(both.trusted) == {LAPTOP.device, PHONE.device}
    revoked = extend(both, say(devices.DeviceRevoked(PHONE.device, devices.RevocationReason.LOST), both.head))
    assert revoked.devices[PHONE.device].status is DeviceStatus.REVOKED
    assert set(revoked.trusted) == {LAPTOP.device}


def test_a_key_change_needs_old_new_and_device_signatures(both):
    body = key_changed(LAPTOP, PHONE)
    changed = extend(both, say(body, both.head, account=USER, next_account=NEXT_USER))
    assert (changed.account_key, changed.key_id) == (NEXT_USER.public, NEXT_KEY_ID)
    for wrong in ({"account": MALLORY}, {"next_account": MALLORY}, {"device": PHONE}):
        keys = {"account": USER, "next_account": NEXT_USER, **wrong}
        signer = keys.pop("device", LAPTOP)
        signed = say(body, both.head, device=signer, **keys)
        if signer is PHONE:
            signed = replace(signed, statement=replace(signed.statement, device=LAPTOP.device))
        with pytest.raises(SignatureError):
            both.verify(signed, both)


REFUSED_AFTER_BOTH = {
    "founding twice": (lambda: founded(), {"account": USER}, TransitionError),
    "a ghost certifies itself with a key of its own": (
        lambda: devices.DeviceTrusted(MALLORY.public, GHOST.certificate),
        {"device": GHOST, "account": MALLORY},
        TransitionError,
    ),
    "a ghost revokes": (
        lambda: devices.DeviceRevoked(LAPTOP.device, devices.RevocationReason.LOST),
        {"device": GHOST},
        UntrustedDeviceError,
    ),
    "an unknown device is revoked": (
        lambda: devices.DeviceRevoked(GHOST.device, devices.RevocationReason.LOST),
        {},
        TransitionError,
    ),
    "a device enrols another": (
        lambda: devices.DeviceEnrolled(GHOST.certificate),
        {"device": PHONE},
        UntrustedDeviceError,
    ),
    "a device enrols twice": (
        lambda: devices.DeviceEnrolled(PHONE.certificate),
        {"device": PHONE},
        TransitionError,
    ),
    "a certificate claims another's id": (
        lambda: devices.DeviceEnrolled(replace(GHOST.certificate, device_key=MALLORY.public)),
        {"device": GHOST},
        SignatureError,
    ),
    "a key change forgets a device": (
        lambda: key_changed(LAPTOP),
        {"account": USER, "next_account": NEXT_USER},
        TransitionError,
    ),
    "a key change adds a ghost": (
        lambda: key_changed(LAPTOP, PHONE, GHOST),
        {"account": USER, "next_account": NEXT_USER},
        TransitionError,
    ),
    "a key change names a device twice": (
        lambda: key_changed(LAPTOP, PHONE, PHONE),
        {"account": USER, "next_account": NEXT_USER},
        TransitionError,
    ),
    "a key change from a key that is not the account's": (
        lambda: key_changed(LAPTOP, PHONE, previous=MALLORY),
        {"account": MALLORY, "next_account": NEXT_USER},
        TransitionError,
    ),
    "a key change to the same key": (
        lambda: key_changed(LAPTOP, PHONE, account=USER),
        {"account": USER, "next_account": USER},
        TransitionError,
    ),
    "a key change to the same key id": (
        lambda: key_changed(LAPTOP, PHONE, key_id=KEY_ID),
        {"account": USER, "next_account": NEXT_USER},
        TransitionError,
    ),
}


@pytest.mark.parametrize("what", REFUSED_AFTER_BOTH)
def test_the_devices_stream_refuses(both, what):
    make_body, signers, error = REFUSED_AFTER_BOTH[what]
    signed = say(make_body(), both.head, **signers)
    with pytest.raises(error):
        both.apply(record(signed, both.head), both)
    assert both.head.seq == 3


def test_trust_needs_the_user_key(phone_pending):
    body = devices.DeviceTrusted(USER.public, PHONE.certificate)
    with pytest.raises(SignatureError):
        phone_pending.verify(say(body, phone_pending.head, device=PHONE, account=MALLORY), phone_pending)
    assert phone_pending.verify(say(body, phone_pending.head, device=PHONE, account=USER), phone_pending)


def test_a_trusted_device_may_say_it_with_the_user_key(phone_pending):
    body = devices.DeviceTrusted(USER.public, PHONE.certificate)
    approved = extend(phone_pending, say(body, phone_pending.head, device=LAPTOP, account=USER))
    assert approved.devices[PHONE.device].status is DeviceStatus.TRUSTED
    with pytest.raises(SignatureError):
        phone_pending.verify(say(body, phone_pending.head, device=LAPTOP, account=MALLORY), phone_pending)
    with pytest.raises(UntrustedDeviceError):  # an unknown device, though it had the user key
        phone_pending.verify(say(body, phone_pending.head, device=GHOST, account=USER), phone_pending)
    ghost = extend(
        phone_pending,
        say(devices.DeviceEnrolled(GHOST.certificate), phone_pending.head, device=GHOST),
    )
    with pytest.raises(UntrustedDeviceError):  # a pending one
        ghost.verify(say(body, ghost.head, device=GHOST, account=USER), ghost)


def test_certified_otherwise_than_enrolled(phone_pending):
    other = replace(PHONE.certificate, name_commitment=digest("another name"))
    with pytest.raises(TransitionError):
        extend(
            phone_pending,
            say(devices.DeviceTrusted(USER.public, other), phone_pending.head, device=PHONE, account=USER),
        )


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


def started(kind=RotationKind.USER_KEY, to_key=NEXT_KEY_ID, to_epoch=1, rotation_id=ROTATION):
    return rotation.RotationStarted(
        rotation_id, kind, rotation.RotationReason.REQUESTED, KEY_ID, to_key, 1, to_epoch
    )


FACTOR_ID = digest("totp salt")
VERIFIED = rotation.RotationVerified(ROTATION, 1, digest("wraps"))
COMMITTED = rotation.RotationCommitted(ROTATION, ())
COMPLETED = rotation.RotationCompleted(ROTATION)
ABORTED = rotation.RotationAborted(ROTATION, rotation.AbortReason.USER_REQUEST)
OTHER = RotationId.from_raw(b"another rotation")

ROTATION_REFUSED = {
    "two rotations are open": ([started()], started(rotation_id=OTHER)),
    "committed before verified": ([started()], COMMITTED),
    "completed before committed": ([started(), VERIFIED], COMPLETED),
    "aborted after committed": ([started(), VERIFIED, COMMITTED], ABORTED),
    "another rotation is verified": ([started(rotation_id=OTHER)], VERIFIED),
    "a rotation's id is used again": ([started(), VERIFIED, COMMITTED, COMPLETED], started()),
    "a user key change keeps the key": ([], started(to_key=KEY_ID)),
    "a user key change moves the epoch": ([], started(to_epoch=2)),
    "a re-key keeps the epoch": ([], started(RotationKind.DATA_KEY, KEY_ID, 1)),
    "a re-key changes the user key": ([], started(RotationKind.DATA_KEY, KeyId("03" * 16), 2)),
    "a rotation leads to a user key that one led to before": (
        [started(), ABORTED],
        started(rotation_id=OTHER),
    ),
    "a user key change leaves an epoch": (
        [started(), VERIFIED],
        rotation.RotationCommitted(ROTATION, (1,)),
    ),
    "a re-key leaves its own epoch": (
        [started(RotationKind.DATA_KEY, KEY_ID, 2), VERIFIED],
        rotation.RotationCommitted(ROTATION, (2,)),
    ),
    "a re-key leaves an epoch twice": (
        [started(RotationKind.DATA_KEY, KEY_ID, 2), VERIFIED],
        rotation.RotationCommitted(ROTATION, (1, 1)),
    ),
    "a vault event": ([], committed(1)),
}


def run_rotation(*bodies):
    stream = RotationStream.start(ACCOUNT)
    for body in bodies:
        stream = stream.transition(body)
    return stream


@pytest.mark.parametrize("what", ROTATION_REFUSED)
def test_the_rotation_stream_refuses(what):
    before, body = ROTATION_REFUSED[what]
    stream = run_rotation(*before)
    with pytest.raises(TransitionError):
        stream.transition(body)


def test_a_rotation_completes_and_is_not_due_any_more():
    due = rotation.RotationDue(RotationKind.USER_KEY, Timestamp("2026-11-23T12:00:00.000Z"))
    stream = run_rotation(rotation.PolicySet(90, 180), due, started())
    assert stream.open is not None
    assert stream.due == {RotationKind.USER_KEY}
    done = stream.transition(VERIFIED).transition(COMMITTED).transition(COMPLETED)
    assert (done.open, done.due, done.completed) == (None, frozenset(), (ROTATION,))
    assert run_rotation(started(), ABORTED).open is None


def test_sessions_open_refresh_and_end():
    session = SessionId.from_raw(b"session of tests")
    until = Timestamp("2026-11-23T23:00:00.000Z")
    stream = AuthStream.start(ACCOUNT)
    for body in (
        auth.AccountRegistered(1),
        auth.MfaEnrolled(auth.Factor.TOTP, FACTOR_ID),
        auth.SessionOpened(session, LAPTOP.device, auth.Factor.TOTP, until),
        auth.SessionRefreshed(session, 2),
    ):
        stream = extend(stream, body)
    assert stream.sessions[session].generation == 2
    assert stream.sessions[session].proven_at == stream.sessions[session].opened_at
    later = encode_event(
        auth.SessionSteppedUp(session, auth.Factor.PASSKEY), account=ACCOUNT, after=stream.head, time=until
    )
    assert stream.evolve(later).sessions[session].proven_at == until
    for refused in (
        auth.SessionRefreshed(session, 2),
        auth.SessionOpened(session, LAPTOP.device, auth.Factor.TOTP, until),
        rotation.RotationDue(RotationKind.USER_KEY, until),
    ):
        with pytest.raises(ProtocolError):
            extend(stream, refused)
    ended = extend(stream, auth.SessionEnded(session, auth.SessionEnd.LOGOUT))
    assert ended.sessions == {}
    assert extend(stream, auth.AccountClosed(1)).closed


def test_chain_gap_fork_and_repetition(laptop_only):
    enrol = say(devices.DeviceEnrolled(PHONE.certificate), laptop_only.head, device=PHONE)
    event = record(enrol, laptop_only.head)
    following = laptop_only.apply(event, laptop_only)
    body = devices.DeviceEnrolled(GHOST.certificate)
    gap = record(say(body, Head(2, event.digest), device=GHOST), Head(2, event.digest))
    with pytest.raises(GapError):
        laptop_only.apply(gap, laptop_only)
    other = Head(1, digest("other bytes"))
    with pytest.raises(ForkError):
        laptop_only.apply(record(say(body, other, device=GHOST), other), laptop_only)
    with pytest.raises(ProtocolError, match="already followed"):
        following.apply(event, following)
