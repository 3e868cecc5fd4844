"""The pure decisions, without a database: each state, each request, each event."""

from datetime import UTC, datetime, timedelta

import pytest

from solekey_auth.credentials.credential import Credential, Username
from solekey_auth.credentials.kdf import KdfParameters
from solekey_auth.domain import (
    FactorUse,
    IssuedToken,
    decide_end,
    decide_end_of_device,
    decide_expiry,
    decide_failures,
    decide_opening,
    decide_refresh,
    decide_registration,
    derive_idle_limit,
)
from solekey_auth.limits import AuthLimits
from solekey_auth.refusals import AccountTaken, LoginRefused, UsernameTaken
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


def register(*bodies, own=None, holder=None, new=CREDENTIAL, closed=False):
    return decide_registration(fold(*bodies), new, own, holder, LIMITS, name_is_closed=closed)


def refresh(token, *bodies, thumbprint="jkt", now=NOW, devices=None):
    return decide_refresh(fold(*bodies or OPENED), devices or trust(), token, thumbprint, now, LIMITS)


def test_register():
    assert register() == [events.AccountRegistered(1)]
    known, registered = {"own": CREDENTIAL, "holder": CREDENTIAL}, events.AccountRegistered(1)
    assert register(registered, **known) == []
    late = change(CREDENTIAL, registered_at=NOW + LIMITS.unproven_registration)
    assert register(registered, **known, new=late) == [events.AccountRegistered(2)]


@pytest.mark.parametrize(
    ("bodies", "rows", "refusal"),
    [
        ([], {"holder": change(CREDENTIAL, account=BEN.account)}, UsernameTaken),
        ([], {"closed": True}, UsernameTaken),
        ([], {"own": change(CREDENTIAL, proven=True)}, AccountTaken),
        ([], {"own": change(CREDENTIAL, login_key=Key("other").public)}, AccountTaken),
        ([events.MfaEnrolled(events.Factor.TOTP, FACTOR_ID)], {}, AccountTaken),
        ([events.AccountClosed(1)], {}, AccountTaken),
    ],
)
def test_register_what_is_taken(bodies, rows, refusal):
    with pytest.raises(refusal):
        register(*bodies, **rows)


def test_the_system_account_is_taken():
    with pytest.raises(AccountTaken):
        register(new=change(CREDENTIAL, account=SYSTEM_ACCOUNT))


def test_a_proven_name_is_never_free():
    holder = change(CREDENTIAL, account=BEN.account, proven=True)
    with pytest.raises(UsernameTaken):
        register(holder=holder, new=change(CREDENTIAL, registered_at=NOW + timedelta(days=3650)))


def test_open():
    login = (SESSION, LAPTOP.device, FactorUse(events.Factor.TOTP, FACTOR_ID), END.datetime)
    opened = events.SessionOpened(SESSION, LAPTOP.device, events.Factor.TOTP, END)
    registered, enrolled = events.AccountRegistered(1), events.MfaEnrolled(events.Factor.TOTP, FACTOR_ID)
    assert decide_opening(fold(registered), trust(), *login) == [enrolled, opened]
    assert decide_opening(fold(registered, enrolled), trust(), *login) == [opened]
    unknown = DevicesStream.start(LAPTOP.account)  # an unknown device may enrol
    assert decide_opening(fold(), unknown, *login) == [enrolled, opened]
    with pytest.raises(RevokedDevice):
        decide_opening(fold(), trust(LAPTOP), *login)
    with pytest.raises(LoginRefused):
        decide_opening(fold(events.AccountClosed(1)), trust(), *login)


def test_refresh():
    assert refresh(TOKEN) == [events.SessionRefreshed(SESSION, 2)]
    with pytest.raises(SessionOver):
        refresh(TOKEN, *OPENED, events.SessionEnded(SESSION, events.SessionEnd.LOGOUT))


@pytest.mark.parametrize("seconds", [-10, 0, 10])
def test_a_repetition_is_believed_for_ten_seconds(seconds):
    used = change(TOKEN, used_at=NOW)
    at = NOW + timedelta(seconds=seconds)
    assert refresh(used, now=at) == []
    assert refresh(change(used, successor_used=True), now=at) == REUSE


@pytest.mark.parametrize("seconds", [-10.001, 10.001])
def test_a_reuse_ends_the_session(seconds):
    assert refresh(change(TOKEN, used_at=NOW), now=NOW + timedelta(seconds=seconds)) == REUSE


def test_another_key_ends_the_session_whether_the_token_was_used_or_not():
    for token in (TOKEN, change(TOKEN, used_at=NOW)):
        assert refresh(token, thumbprint="thief") == REUSE


def test_a_late_refresh_expires_the_session():
    expired = [events.SessionEnded(SESSION, events.SessionEnd.EXPIRED)]
    assert refresh(TOKEN, now=TOKEN.idle_until) == expired
    just = TOKEN.idle_until - timedelta(milliseconds=1)
    assert refresh(TOKEN, now=just) == [events.SessionRefreshed(SESSION, 2)]
    endless = change(TOKEN, idle_until=NOW + timedelta(days=9))
    assert refresh(endless, now=END.datetime) == expired


def test_a_refresh_of_a_revoked_device_ends_the_session():
    ended = events.SessionEnded(SESSION, events.SessionEnd.DEVICE_REVOKED)
    assert refresh(TOKEN, devices=trust(LAPTOP)) == [ended]


def test_end():
    before = fold(*OPENED)
    assert decide_end(before, SESSION, SESSION) == [events.SessionEnded(SESSION, events.SessionEnd.LOGOUT)]
    by_other = [events.SessionEnded(SESSION, events.SessionEnd.ENDED_BY_USER)]
    assert decide_end(before, SESSION, OTHER) == by_other
    with pytest.raises(NotFound):
        decide_end(fold(), SESSION, SESSION)


def test_end_the_sessions_of_a_device():
    before = fold(*OPENED)
    ended = events.SessionEnded(SESSION, events.SessionEnd.DEVICE_REVOKED)
    assert decide_end_of_device(before, LAPTOP.device) == [ended]
    assert decide_end_of_device(before, BEN.device) == []


def test_expire_only_what_is_open():
    expired = events.SessionEnded(SESSION, events.SessionEnd.EXPIRED)
    assert decide_expiry(fold(*OPENED), SESSION) == [expired]
    assert decide_expiry(fold(*OPENED, expired), SESSION) == []


def test_report_failed_logins():
    stages = (events.LoginStage.LOGIN_KEY, events.LoginStage.SECOND_FACTOR)
    assert decide_failures(fold(), stages) == [events.LoginFailed(stage) for stage in stages]
    assert decide_failures(fold(events.AccountClosed(1)), stages) == []


def test_the_idle_limit_never_passes_the_absolute_one():
    assert derive_idle_limit(NOW, NOW + timedelta(hours=1), LIMITS) == NOW + timedelta(minutes=30)
    assert derive_idle_limit(NOW, NOW + timedelta(minutes=1), LIMITS) == NOW + timedelta(minutes=1)
