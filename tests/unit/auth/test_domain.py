"""The pure decisions, without a database: each state, each command, each event."""

from datetime import UTC, datetime, timedelta

import pytest

from solekey_auth import commands as asked
from solekey_auth.credentials.credential import Credential, Username
from solekey_auth.credentials.kdf import KdfParameters
from solekey_auth.domain import AccountState, IssuedToken, decide, derive_idle_limit
from solekey_auth.limits import AuthLimits
from solekey_auth.refusals import AccountTaken, LoginRefused, RefreshRefused, UsernameTaken
from solekey_protocol.event import encode_event
from solekey_protocol.events import auth as events
from solekey_protocol.events.devices import DeviceRevoked, RevocationReason
from solekey_protocol.ids import SYSTEM_ACCOUNT, Digest, SessionId, Timestamp, compute_digest
from solekey_protocol.statements import EMPTY_HEAD
from solekey_protocol.streams import AuthStream, DevicesStream
from solekey_service.refusals import NotFound, RevokedDevice, SessionOver
from tests.support.actors import Actor
from tests.support.keys import Key, derive_raw

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMITS = AuthLimits()
LAPTOP, PHONE, BEN = Actor("ana", "laptop"), Actor("ana", "phone"), Actor("ben", "laptop")
SESSION, OTHER = (SessionId.from_raw(derive_raw(label)) for label in ("one", "other"))
FACTOR_ID = compute_digest(b"totp salt")
END = Timestamp.from_datetime(NOW + timedelta(hours=12))
KDF = KdfParameters(65536, 3, 4, bytes(16))
REGISTER = asked.RegisterAccount(LAPTOP.account, Username("ana"), Key("login").public, KDF)
CREDENTIAL = Credential(LAPTOP.account, Username("ana"), Key("login").public, KDF, bytes(16), NOW)
TOKEN = IssuedToken(
    Digest("ab" * 32), LAPTOP.account, SESSION, "jkt", 1, NOW, NOW + timedelta(minutes=30), END.datetime
)
REUSE = [
    events.RefreshReuseDetected(SESSION, 1),
    events.SessionEnded(SESSION, events.SessionEnd.REFRESH_REUSED),
]
OPENED = (
    events.AccountRegistered(1),
    events.MfaEnrolled(events.Factor.TOTP, FACTOR_ID),
    events.SessionOpened(SESSION, LAPTOP.device, events.Factor.TOTP, END),
    events.SessionOpened(OTHER, PHONE.device, events.Factor.TOTP, END),
)


def change(thing, **changes):
    return type(thing)(**{name: getattr(thing, name) for name in thing.__dataclass_fields__} | changes)


def fold(*bodies):
    stream = AuthStream.start(LAPTOP.account)
    for body in bodies:
        stream = stream.evolve(
            encode_event(body, account=LAPTOP.account, after=stream.head, time=Timestamp.from_datetime(NOW))
        )
    return stream


def trust(*revoked):
    stream, head = DevicesStream.start(LAPTOP.account), EMPTY_HEAD
    steps = [(LAPTOP, LAPTOP.founded()), (PHONE, PHONE.enrolled()), (PHONE, PHONE.trusted())]
    steps += [(PHONE, DeviceRevoked(actor.device, RevocationReason.LOST)) for actor in revoked]
    for actor, body in steps:
        signed = actor.sign(body, head)
        event = encode_event(signed, account=LAPTOP.account, after=head, time=Timestamp.from_datetime(NOW))
        stream, head = stream.evolve(event), event.head
    return stream


def state(*bodies, devices=None, **rows):
    return AccountState(auth=fold(*bodies), devices=devices or trust(), **rows)


def judge(before, command, now=NOW):
    return decide(before, command, now, LIMITS)


def test_register():
    assert judge(state(), REGISTER) == [events.AccountRegistered(1)]
    registered = events.AccountRegistered(1)
    assert judge(state(registered, credential=CREDENTIAL, name_holder=CREDENTIAL), REGISTER) == []
    late = NOW + LIMITS.unproven_registration
    known = state(registered, credential=CREDENTIAL, name_holder=CREDENTIAL)
    assert judge(known, REGISTER, late) == [events.AccountRegistered(2)]


@pytest.mark.parametrize(
    ("before", "refusal"),
    [
        (state(name_holder=change(CREDENTIAL, account=BEN.account)), UsernameTaken),
        (state(credential=change(CREDENTIAL, proven=True)), AccountTaken),
        (state(credential=change(CREDENTIAL, login_key=Key("other").public)), AccountTaken),
        (state(events.MfaEnrolled(events.Factor.TOTP, FACTOR_ID)), AccountTaken),
        (state(events.AccountClosed(1)), AccountTaken),
    ],
)
def test_register_what_is_taken(before, refusal):
    with pytest.raises(refusal):
        judge(before, REGISTER)


def test_the_system_account_is_taken():
    with pytest.raises(AccountTaken):
        judge(state(), change(REGISTER, account=SYSTEM_ACCOUNT))


def test_a_proven_name_is_never_free():
    holder = change(CREDENTIAL, account=BEN.account, proven=True)
    with pytest.raises(UsernameTaken):
        judge(state(name_holder=holder), REGISTER, NOW + timedelta(days=3650))


def test_open():
    command = asked.OpenSession(SESSION, LAPTOP.device, events.Factor.TOTP, FACTOR_ID)
    opened = events.SessionOpened(SESSION, LAPTOP.device, events.Factor.TOTP, END)
    enrolled = events.MfaEnrolled(events.Factor.TOTP, FACTOR_ID)
    assert judge(state(events.AccountRegistered(1)), command) == [enrolled, opened]
    assert judge(state(events.AccountRegistered(1), enrolled), command) == [opened]
    assert judge(state(devices=DevicesStream.start(LAPTOP.account)), command)  # an unknown device may enrol
    with pytest.raises(RevokedDevice):
        judge(state(devices=trust(LAPTOP)), command)
    with pytest.raises(LoginRefused):
        judge(state(events.AccountClosed(1)), command)


def test_refresh():
    command = asked.RefreshSession("jkt")
    assert judge(state(*OPENED, token=TOKEN), command) == [events.SessionRefreshed(SESSION, 2)]
    with pytest.raises(RefreshRefused):
        judge(state(*OPENED), command)
    with pytest.raises(SessionOver):
        judge(state(*OPENED, events.SessionEnded(SESSION, events.SessionEnd.LOGOUT), token=TOKEN), command)


@pytest.mark.parametrize("seconds", [-10, 0, 10])
def test_a_repetition_is_believed_for_ten_seconds(seconds):
    used = change(TOKEN, used_at=NOW)
    at = NOW + timedelta(seconds=seconds)
    assert judge(state(*OPENED, token=used), asked.RefreshSession("jkt"), at) == []
    with_successor = change(used, successor_used=True)
    assert judge(state(*OPENED, token=with_successor), asked.RefreshSession("jkt"), at) == REUSE


@pytest.mark.parametrize("seconds", [-10.001, 10.001])
def test_a_reuse_ends_the_session(seconds):
    before = state(*OPENED, token=change(TOKEN, used_at=NOW))
    assert judge(before, asked.RefreshSession("jkt"), NOW + timedelta(seconds=seconds)) == REUSE


def test_another_key_ends_the_session_whether_the_token_was_used_or_not():
    for token in (TOKEN, change(TOKEN, used_at=NOW)):
        assert judge(state(*OPENED, token=token), asked.RefreshSession("thief")) == REUSE


def test_a_late_refresh_expires_the_session():
    expired = [events.SessionEnded(SESSION, events.SessionEnd.EXPIRED)]
    before = state(*OPENED, token=TOKEN)
    assert judge(before, asked.RefreshSession("jkt"), TOKEN.idle_until) == expired
    just = TOKEN.idle_until - timedelta(milliseconds=1)
    assert judge(before, asked.RefreshSession("jkt"), just) == [events.SessionRefreshed(SESSION, 2)]
    endless = change(TOKEN, idle_until=NOW + timedelta(days=9))
    assert judge(state(*OPENED, token=endless), asked.RefreshSession("jkt"), END.datetime) == expired


def test_a_refresh_of_a_revoked_device_ends_the_session():
    before = state(*OPENED, devices=trust(LAPTOP), token=TOKEN)
    assert judge(before, asked.RefreshSession("jkt")) == [
        events.SessionEnded(SESSION, events.SessionEnd.DEVICE_REVOKED)
    ]


def test_end():
    before = state(*OPENED)
    assert judge(before, asked.EndSession(SESSION, SESSION)) == [
        events.SessionEnded(SESSION, events.SessionEnd.LOGOUT)
    ]
    assert judge(before, asked.EndSession(SESSION, OTHER)) == [
        events.SessionEnded(SESSION, events.SessionEnd.ENDED_BY_USER)
    ]
    with pytest.raises(NotFound):
        judge(state(), asked.EndSession(SESSION, SESSION))


def test_end_the_sessions_of_a_device():
    before = state(*OPENED)
    assert judge(before, asked.EndDeviceSessions(LAPTOP.device)) == [
        events.SessionEnded(SESSION, events.SessionEnd.DEVICE_REVOKED)
    ]
    assert judge(before, asked.EndDeviceSessions(BEN.device)) == []


def test_expire_only_what_is_open():
    expired = events.SessionEnded(SESSION, events.SessionEnd.EXPIRED)
    assert judge(state(*OPENED), asked.ExpireSessions((SESSION,))) == [expired]
    assert judge(state(*OPENED, expired), asked.ExpireSessions((SESSION,))) == []


def test_report_failed_logins():
    stages = (events.LoginStage.LOGIN_KEY, events.LoginStage.SECOND_FACTOR)
    assert judge(state(), asked.ReportFailedLogins(stages)) == [events.LoginFailed(stage) for stage in stages]
    assert judge(state(events.AccountClosed(1)), asked.ReportFailedLogins(stages)) == []


def test_the_idle_limit_never_passes_the_absolute_one():
    assert derive_idle_limit(NOW, NOW + timedelta(hours=1), LIMITS) == NOW + timedelta(minutes=30)
    assert derive_idle_limit(NOW, NOW + timedelta(minutes=1), LIMITS) == NOW + timedelta(minutes=1)
