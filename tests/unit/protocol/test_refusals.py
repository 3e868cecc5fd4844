"""The refusals that only a hand-made event reaches: what a hostile server could put on the bus."""

import json
import runpy
import sys
from dataclasses import dataclass, replace

import pytest

from solekey_protocol.encoding import encode_json
from solekey_protocol.errors import MalformedError, SchemaError, TransitionError, UntrustedDeviceError
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream, auth, devices, rotation, vault
from solekey_protocol.events.fields import RotationKind, decode_body, derive_schema
from solekey_protocol.ids import RotationId, SessionId, Timestamp
from solekey_protocol.limits import MAX_DEVICES
from solekey_protocol.statements import EMPTY_HEAD, Head
from solekey_protocol.streams import AuthStream, DevicesStream, RotationStream, VaultStream
from tests.support.keys import Key
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
from tests.support.repository import ROOT


@pytest.fixture
def account():
    start = DevicesStream.start(ACCOUNT)
    return start.apply(record(say(founded(), EMPTY_HEAD, account=USER)), start)


def enrolled(stream, key):
    said = say(devices.DeviceEnrolled(key.certificate), stream.head, device=key)
    return stream.apply(record(said, stream.head), stream)


def test_a_services_fact_cannot_stand_in_a_clients_stream(account):
    fact = replace(record(auth.AccountRegistered(1)), stream=Stream.DEVICES)
    with pytest.raises(TransitionError, match="no signed statement"):
        DevicesStream.start(ACCOUNT).evolve(fact)
    with pytest.raises(TransitionError, match="no signed statement"):
        DevicesStream.start(ACCOUNT).evolve(fact)
    with pytest.raises(TransitionError, match="no signed statement"):
        VaultStream.start(ACCOUNT).apply(replace(fact, stream=Stream.VAULT), account)


def test_another_streams_statement_cannot_stand_in_the_devices_stream(account):
    said = say(rotation.PolicySet(90, 180), account.head, heads={})
    with pytest.raises(TransitionError, match="does not belong"):
        account.evolve(replace(record(said, account.head), stream=Stream.DEVICES))


def test_enrolment_before_the_account_is_founded():
    with pytest.raises(TransitionError, match="not founded"):
        enrolled(DevicesStream.start(ACCOUNT), PHONE)


def test_the_number_of_devices_is_bounded(account):
    for number in range(MAX_DEVICES - 1):
        account = enrolled(account, Key(f"device {number}"))
    with pytest.raises(TransitionError, match=f"{MAX_DEVICES} devices"):
        enrolled(account, PHONE)


def test_trust_by_a_former_account_key(account):
    pending = enrolled(account, PHONE)
    body = devices.AccountKeyChanged(
        USER.public,
        NEXT_USER.public,
        NEXT_KEY_ID,
        RotationId.from_raw(b"rotation of test"),
        (LAPTOP.certificate,),
    )
    changed = pending.apply(
        record(say(body, pending.head, account=USER, next_account=NEXT_USER), pending.head), pending
    )
    old = say(devices.DeviceTrusted(USER.public, PHONE.certificate), changed.head, device=PHONE, account=USER)
    with pytest.raises(TransitionError, match="not the account's"):
        changed.apply(record(old, changed.head), changed)
    new = devices.DeviceTrusted(NEXT_USER.public, PHONE.certificate)
    assert changed.verify(say(new, changed.head, device=PHONE, account=NEXT_USER), changed)


def test_an_unverified_fold_still_knows_who_may_speak(account):
    """``evolve`` skips signatures; it must not skip the rules."""
    pending = enrolled(account, PHONE)
    revoke = devices.DeviceRevoked(LAPTOP.device, devices.RevocationReason.LOST)
    change = devices.AccountKeyChanged(
        USER.public,
        NEXT_USER.public,
        NEXT_KEY_ID,
        RotationId.from_raw(b"rotation of test"),
        (LAPTOP.certificate,),
    )
    for body in (revoke, change):
        said = say(body, pending.head, device=PHONE, account=USER, next_account=NEXT_USER)
        with pytest.raises(UntrustedDeviceError):
            pending.evolve(record(said, pending.head))


def test_a_device_id_belongs_to_its_key(account):
    stolen = replace(GHOST.certificate, device_key=MALLORY.public)
    said = say(devices.DeviceEnrolled(stolen), account.head, device=GHOST)
    with pytest.raises(TransitionError, match="not the id of its device key"):
        account.evolve(record(said, account.head))


def test_a_factor_is_removed():
    stream = AuthStream.start(ACCOUNT)
    old, new = digest("a passkey"), digest("another one")
    for body in (
        auth.MfaEnrolled(auth.Factor.PASSKEY, old),
        auth.MfaEnrolled(auth.Factor.PASSKEY, new),
        auth.MfaRemoved(auth.Factor.PASSKEY, old),
        auth.RecoveryCodeUsed(new, 9),
    ):
        stream = stream.evolve(record(body, stream.head))
    assert stream.factors == {new: auth.Factor.PASSKEY}


def test_a_login_key_is_replaced():
    stream = AuthStream.start(ACCOUNT)
    for body in (
        auth.AccountRegistered(1),
        auth.LoginKeyChanged(2, auth.LoginKeyChange.PASSWORD_CHANGED),
    ):
        stream = stream.evolve(record(body, stream.head))
    assert stream.credential_version == 2


def test_a_withdrawn_signing_key_never_comes_back():
    published = auth.SigningKeyPublished(
        KEY_ID, USER.public, Timestamp("2026-11-23T12:00:00.000Z"), Timestamp("2027-11-23T12:00:00.000Z")
    )
    stream = AuthStream.start(ACCOUNT)
    for body in (published, auth.SigningKeyWithdrawn(KEY_ID)):
        stream = stream.evolve(record(body, stream.head))
    assert (stream.signing_keys, stream.withdrawn_keys) == ({}, {KEY_ID})
    with pytest.raises(TransitionError, match="was withdrawn"):
        stream.evolve(record(published, stream.head))


def test_only_an_open_session_is_stepped_up():
    session = SessionId.from_raw(b"session of tests")
    stream = AuthStream.start(ACCOUNT)
    with pytest.raises(TransitionError, match="is not open"):
        stream.evolve(record(auth.SessionSteppedUp(session, auth.Factor.TOTP), stream.head))


def test_a_signing_key_and_failed_logins_are_followed():
    published = auth.SigningKeyPublished(
        KEY_ID, USER.public, Timestamp("2026-11-23T12:00:00.000Z"), Timestamp("2027-11-23T12:00:00.000Z")
    )
    stream = AuthStream.start(ACCOUNT)
    for body in (published, auth.LoginFailed(auth.LoginStage.LOGIN_KEY)):
        stream = stream.evolve(record(body, stream.head))
    assert stream.signing_keys == {KEY_ID: published}
    due = record(rotation.RotationDue(RotationKind.USER_KEY, published.not_before))
    foreign = replace(due, stream=Stream.AUTH, seq=3, prev=stream.head.digest)
    with pytest.raises(TransitionError, match="does not belong"):
        stream.evolve(foreign)


def test_the_rotation_stream_verifies_clients_and_follows_facts(account):
    stream = RotationStream.start(ACCOUNT)
    seen = {Stream.DEVICES: account.head}
    followed = stream.apply(record(say(rotation.PolicySet(90, 180), EMPTY_HEAD, heads=seen)), account)
    assert followed.head.seq == 1
    due = rotation.RotationDue(RotationKind.DATA_KEY, Timestamp("2026-11-23T12:00:00.000Z"))
    assert followed.apply(record(due, followed.head), account).due == {RotationKind.DATA_KEY}
    with pytest.raises(UntrustedDeviceError):
        stream.apply(record(say(rotation.PolicySet(1, 1), EMPTY_HEAD, heads=seen, device=GHOST)), account)


def test_an_event_whose_type_is_not_its_statements():
    event = record(say(founded(), EMPTY_HEAD, account=USER))
    document = json.loads(event.raw)
    document["type"] = "solekey.devices.device_enrolled.v1"
    with pytest.raises(SchemaError, match="differs from the event's type"):
        parse_event(encode_json(document))


def test_a_statement_has_a_maximum_size():
    many = tuple(Key(f"device {number}").certificate for number in range(200))
    body = devices.AccountKeyChanged(
        USER.public, NEXT_USER.public, NEXT_KEY_ID, RotationId.from_raw(b"rotation of test"), many
    )
    with pytest.raises(MalformedError, match="limit"):
        say(body, EMPTY_HEAD, account=USER, next_account=NEXT_USER)


def test_the_same_words_have_the_same_idempotency_key():
    said = vault.ObjectsPurged(1)
    assert say(said, EMPTY_HEAD).digest == say(said, EMPTY_HEAD).digest
    assert say(said, EMPTY_HEAD).digest != say(said, Head(1, digest("x"))).digest


def test_the_released_schemas_are_what_the_catalogue_generates(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["generate_events.py", "--check"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "spec" / "generate_events.py"), run_name="__main__")
    assert ended.value.code == 0


def test_a_body_without_a_known_type_of_field_has_no_schema():
    @dataclass
    class Free:
        text: str

    with pytest.raises(TypeError, match="cannot be a field"):
        derive_schema(Free)


def test_a_body_is_an_object():
    with pytest.raises(SchemaError, match="expected an object"):
        decode_body(vault.ObjectsPurged, [], where="body")
