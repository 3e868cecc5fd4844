"""Facts that the operator alone states: each lie is found by its check; the honest story is clean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from solekey.audit import Bounds, Pin, Verdict, verify_log
from solekey_protocol.event import encode_event
from solekey_protocol.events import Stream, auth, devices, vault
from solekey_protocol.ids import SYSTEM_ACCOUNT, SessionId, Timestamp, derive_signing_key_id
from solekey_protocol.statements import EMPTY_HEAD
from tests.support.protocol.keyring import ACCOUNT, KEY_ID, LAPTOP, MALLORY, PHONE, USER, digest, founded, say
from tests.support.protocol.story import wrapped

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
LAPTOP_SESSION, PHONE_SESSION, OTHER = (
    SessionId.from_raw(name.ljust(16, b".")) for name in (b"laptop", b"phone", b"other")
)
TOTP, CODES, STRANGE = digest("totp"), digest("codes"), digest("strange")
FACTOR, END = auth.Factor, auth.SessionEnd


def moment(seconds):
    return Timestamp.from_datetime(START + timedelta(seconds=seconds))


def open_session(session, device=LAPTOP, factor=FACTOR.TOTP, *, at=0, hours=12):
    return auth.SessionOpened(session, device.device, factor, moment(at + hours * 3600))


def commit(number):
    return vault.ItemsCommitted(number, vault.CommitKind.DELTA, 1, digest(f"changes {number}"), 1, 346)


HONEST = [  # (second, body, how a client signs it: None where the operator states it)
    (0, auth.AccountRegistered(1), None),
    (10, auth.MfaEnrolled(FACTOR.TOTP, TOTP), None),
    (10, open_session(LAPTOP_SESSION, at=10), None),
    (11, founded(), {"account": USER}),
    (12, wrapped(1, 1, KEY_ID), {}),
    (20, auth.MfaEnrolled(FACTOR.RECOVERY_CODES, CODES), None),
    (30, open_session(PHONE_SESSION, PHONE, at=30), None),
    (31, devices.DeviceEnrolled(PHONE.certificate), {"device": PHONE}),
    (32, devices.DeviceTrusted(USER.public, PHONE.certificate), {"device": PHONE, "account": USER}),
    (40, commit(1), {"device": PHONE}),
    (300, auth.SessionRefreshed(LAPTOP_SESSION, 2), None),
    (400, auth.RecoveryCodeUsed(CODES, 9), None),
    (400, auth.SessionSteppedUp(LAPTOP_SESSION, FACTOR.RECOVERY_CODES), None),
    (410, devices.DeviceRevoked(PHONE.device, devices.RevocationReason.STOLEN), {}),
    (411, auth.SessionEnded(PHONE_SESSION, END.DEVICE_REVOKED), None),
    (500, auth.LoginKeyChanged(2, auth.LoginKeyChange.PASSWORD_CHANGED), None),
    (900, commit(2), {}),
]


def write_system(*steps):
    """The platform's own records."""
    head, records = EMPTY_HEAD, []
    for second, body in steps:
        event = encode_event(body, account=SYSTEM_ACCOUNT, after=head, time=moment(second))
        head = event.head
        records.append(event.raw)
    return records


def write(steps, system=None):
    """The records of a log in which all was written as told: the operator holds every key of the server."""
    records = write_system((-60, publish(-60, since=0))) if system is None else list(system)
    heads = dict.fromkeys(Stream, EMPTY_HEAD)
    for second, body, signers in steps:
        after, told = heads[body.STREAM], body
        if signers is not None:
            seen = {other: head for other, head in heads.items() if other is not body.STREAM and head.seq}
            told = say(body, after, heads=signers.get("heads", seen), **without_heads(signers))
        event = encode_event(told, account=ACCOUNT, after=after, time=moment(second))
        heads[body.STREAM] = event.head
        records.append(event.raw)
    return records


def without_heads(signers):
    return {name: key for name, key in signers.items() if name != "heads"}


def add(*steps):
    return lambda honest: sorted([*honest, *steps], key=lambda step: step[0])


def drop(*bodies):
    return lambda honest: [step for step in honest if not isinstance(step[1], bodies)]


def change(old, new):
    return lambda honest: [(new if step[1] == old else step) for step in honest]


def without(session):
    return lambda honest: [
        step for step in honest if step[1] != auth.SessionEnded(session, END.DEVICE_REVOKED)
    ]


PHONE_LOGIN = open_session(PHONE_SESSION, PHONE, at=30)
STEP_UP = auth.SessionSteppedUp(LAPTOP_SESSION, FACTOR.RECOVERY_CODES)

REVOKED = devices.DeviceRevoked(PHONE.device, devices.RevocationReason.STOLEN)
MUCH_LATER = [(90_000, open_session(OTHER, at=90_000), None)]


def publish(at, key=MALLORY, *, since=-60, days=1):
    """A signing key's announcement."""
    begins, ends = moment(at + since), moment(at + since + days * 86_400)
    return auth.SigningKeyPublished(derive_signing_key_id(key.public), key.public, begins, ends)


LIES = {
    "the account was never registered": (drop(auth.AccountRegistered), {"SES-01 account_unregistered"}),
    "it is registered twice": (
        add((600, auth.AccountRegistered(3), None)),
        {"SES-01 registered_twice"},
    ),
    "the credential goes back": (
        add((600, auth.LoginKeyChanged(1, auth.LoginKeyChange.PASSWORD_CHANGED), None)),
        {"SES-01 credential_version_wrong"},
    ),
    "a session ends that never was": (
        add((600, auth.SessionEnded(OTHER, END.LOGOUT), None)),
        {"SES-02 session_not_open"},
    ),
    "a session ends twice": (
        add((600, auth.SessionEnded(PHONE_SESSION, END.LOGOUT), None)),
        {"SES-02 session_not_open"},
    ),
    "a session lasts ten years": (
        add((600, open_session(OTHER, at=600, hours=87_600), None)),
        {"SES-03 session_too_long"},
    ),
    "a session has ended before it begins": (
        add((600, open_session(OTHER, at=600, hours=-2), None)),
        {"SES-03 session_too_long", "SES-03 session_not_ended"},
    ),
    "a session is refreshed after its end": (
        add((44_000, auth.SessionRefreshed(LAPTOP_SESSION, 3), None)),
        {"SES-03 session_expired"},
    ),
    "a session goes on after a refresh token came back": (
        add(
            (600, auth.RefreshReuseDetected(LAPTOP_SESSION, 1), None),
            (700, auth.SessionRefreshed(LAPTOP_SESSION, 3), None),
        ),
        {"SES-04 reuse_ignored"},
    ),
    "a session with a reused token is never ended": (
        add((600, auth.RefreshReuseDetected(LAPTOP_SESSION, 1), None)),
        {"SES-04 reuse_ignored"},
    ),
    "a session is opened with a factor that nobody has": (
        add((600, open_session(OTHER, factor=FACTOR.PASSKEY, at=600), None)),
        {"SES-05 factor_unknown"},
    ),
    "no factor is enrolled at all": (
        drop(auth.MfaEnrolled, auth.RecoveryCodeUsed),
        {"SES-05 factor_unknown", "FAC-02 recovery_code_missing"},
    ),
    "a step-up with a factor that nobody has": (
        change(STEP_UP, (400, auth.SessionSteppedUp(LAPTOP_SESSION, FACTOR.PASSKEY), None)),
        {"SES-05 factor_unknown"},
    ),
    "a device speaks that never logged in": (
        lambda honest: [
            step
            for step in honest
            if step[1] not in (PHONE_LOGIN, auth.SessionEnded(PHONE_SESSION, END.DEVICE_REVOKED))
        ],
        {"SES-06 device_not_logged_in"},
    ),
    "a closed account goes on": (
        add((600, auth.AccountClosed(2), None)),
        {"SES-07 account_closed", "SES-09 session_survived"},
    ),
    "a factor is removed that never was": (
        add((600, auth.MfaRemoved(FACTOR.TOTP, STRANGE), None)),
        {"FAC-01 factor_unknown"},
    ),
    "a second authenticator beside the first": (
        add((600, auth.MfaEnrolled(FACTOR.TOTP, STRANGE), None)),
        {"FAC-01 factor_twice"},
    ),
    "recovery codes from nowhere": (
        add((600, auth.RecoveryCodeUsed(STRANGE, 9), None)),
        {"FAC-02 factor_unknown"},
    ),
    "recovery codes that do not get fewer": (
        add((600, auth.RecoveryCodeUsed(CODES, 9), None)),
        {"FAC-02 recovery_codes_differ"},
    ),
    "a session is opened for the revoked device": (
        add((600, open_session(OTHER, PHONE, at=600), None)),
        {"REV-02 session_after_revocation", "REV-03 session_not_ended"},
    ),
    "the session of the revoked device never ends": (
        without(PHONE_SESSION),
        {"REV-03 session_not_ended", "SES-09 session_survived"},
    ),
    "the session of the revoked device ends more than a minute later": (
        change(
            auth.SessionEnded(PHONE_SESSION, END.DEVICE_REVOKED),
            (485, auth.SessionEnded(PHONE_SESSION, END.DEVICE_REVOKED), None),
        ),
        {"REV-03 session_ended_late"},
    ),
    "a session ends as revoked, and nobody was": (
        add((600, auth.SessionEnded(LAPTOP_SESSION, END.DEVICE_REVOKED), None)),
        {"REV-05 device_not_revoked", "DEV-01 device_without_session"},
    ),
    "a revocation is dated behind what saw it": (
        change(
            devices.DeviceRevoked(PHONE.device, devices.RevocationReason.STOLEN),
            (5_000, devices.DeviceRevoked(PHONE.device, devices.RevocationReason.STOLEN), {}),
        ),
        {"TIM-02 time_before_seen", "SES-08 proof_missing"},
    ),
    "an event is dated back": (
        change(commit(2), (-7_200, commit(2), {})),
        {"TIM-01 time_backwards", "TIM-02 time_before_seen", "DEV-01 device_without_session"},
    ),
    "an event is of the year 9999": (
        change(commit(2), (251_600_000_000, commit(2), {})),
        {"TIM-03 time_impossible", "DEV-01 device_without_session"},
    ),
    "a session is opened when no key could have signed its token": (
        add((86_500, auth.SessionEnded(LAPTOP_SESSION, END.EXPIRED), None), *MUCH_LATER),
        {"KEY-01 signing_key_missing", "ROT-03 due_missing"},
    ),
    "an expired session is never ended": (
        add((86_300, open_session(OTHER, at=86_300), None)),
        {"SES-03 session_not_ended"},
    ),
    "a password is changed and all sessions go on": (
        add((450, open_session(OTHER, at=450), None)),
        {"SES-09 session_survived"},
    ),
    "a session ends by a password that nobody changed": (
        add((950, auth.SessionEnded(LAPTOP_SESSION, END.PASSWORD_CHANGED), None)),
        {"SES-09 end_unfounded"},
    ),
    "a session ends by a token that never came back": (
        add((950, auth.SessionEnded(LAPTOP_SESSION, END.REFRESH_REUSED), None)),
        {"SES-09 end_unfounded"},
    ),
    "a session ends with an account that goes on": (
        add((950, auth.SessionEnded(LAPTOP_SESSION, END.ACCOUNT_CLOSED), None)),
        {"SES-09 end_unfounded"},
    ),
    "an account is closed with a credential that is not in force": (
        add(
            (950, auth.SessionEnded(LAPTOP_SESSION, END.ACCOUNT_CLOSED), None),
            (950, auth.AccountClosed(9), None),
        ),
        {"SES-01 credential_version_wrong"},
    ),
    "a factor is removed, and nobody has proven one": (
        add((9_000, auth.MfaRemoved(FACTOR.RECOVERY_CODES, CODES), None)),
        {"SES-08 proof_missing"},
    ),
    "a device is revoked, and nobody has proven a second factor": (
        change(REVOKED, (9_000, REVOKED, {})),
        {"SES-08 proof_missing", "TIM-02 time_before_seen"},
    ),
    "the last authenticator is removed": (
        add((600, auth.MfaRemoved(FACTOR.TOTP, TOTP), None)),
        {"FAC-03 factor_required"},
    ),
    "an eleventh passkey": (
        add(*((600 + n, auth.MfaEnrolled(FACTOR.PASSKEY, digest(f"passkey {n}")), None) for n in range(11))),
        {"FAC-03 too_many_passkeys"},
    ),
    "a step-up with a recovery code that was not used up": (
        drop(auth.RecoveryCodeUsed),
        {"FAC-02 recovery_code_missing"},
    ),
    "a signing key in an account of a user": (
        add((600, publish(600), None)),
        {"KEY-02 signing_key_misplaced"},
    ),
}


def audit(steps, system=None):
    bounds = Bounds(now=START + timedelta(days=30))
    return verify_log(write(steps, system), {ACCOUNT: Pin(USER.public)}, bounds)


def test_the_honest_story_is_clean():
    report = audit(HONEST)
    assert report.findings == ()
    assert report.verdict is Verdict.CLEAN


def test_the_clock_of_auth_may_be_ahead_of_that_of_devices():
    """By up to a minute: the revocation was at 410 s, and was heard of within 10 s."""
    ended = auth.SessionEnded(PHONE_SESSION, END.DEVICE_REVOKED)
    assert audit(change(ended, (465, ended, None))(HONEST)).findings == ()


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found_by_its_check(lie):
    tell, expected = LIES[lie]
    report = audit(tell(HONEST))
    assert {f"{finding.check} {finding.code}" for finding in report.findings} == expected
    assert report.verdict is Verdict.VIOLATIONS
    assert all(finding.account == ACCOUNT and finding.seq for finding in report.findings)


WITHDRAWN = auth.SigningKeyWithdrawn(derive_signing_key_id(MALLORY.public))
HONEST_KEY = (-60, publish(-60, since=0))
KEY_LIES = {
    "another id": (
        [HONEST_KEY, (0, replace(publish(0, USER), key_id=KEY_ID))],
        {"KEY-02 signing_key_id_wrong"},
    ),
    "valid for ten years": (
        [HONEST_KEY, (0, publish(0, USER, days=3_650))],
        {"KEY-02 signing_key_bounds_wrong"},
    ),
    "valid before it was announced": (
        [HONEST_KEY, (9_000, publish(0, USER))],
        {"KEY-02 signing_key_bounds_wrong"},
    ),
    "announced twice": ([HONEST_KEY, (0, publish(0))], {"KEY-02 signing_key_twice"}),
    "withdrawn, and never announced": (
        [HONEST_KEY, (0, replace(WITHDRAWN, key_id=KEY_ID))],
        {"KEY-02 signing_key_unknown"},
    ),
    "withdrawn before the sessions": ([HONEST_KEY, (-50, WITHDRAWN)], {"KEY-01 signing_key_missing"}),
    "a session of the platform's": (
        [HONEST_KEY, (0, open_session(OTHER))],
        {"KEY-02 signing_key_misplaced"},
    ),
}


@pytest.mark.parametrize("lie", KEY_LIES)
def test_a_lie_about_signing_keys_is_found(lie):
    steps, expected = KEY_LIES[lie]
    report = audit(HONEST, write_system(*steps))
    assert {f"{finding.check} {finding.code}" for finding in report.findings} == expected


def test_a_statement_of_the_revoked_device_after_the_bound_is_found():
    """It claims to have seen nothing of its revocation, and nobody has written since."""
    steps = HONEST[:-1]
    before = verify_log(write(steps[:10])).accounts[ACCOUNT].heads
    seen = {Stream.AUTH: before[Stream.AUTH], Stream.DEVICES: before[Stream.DEVICES]}
    report = audit([*steps, (300_000, commit(2), {"device": PHONE, "heads": seen})])
    found = {f"{each.check} {each.code}" for each in report.findings}
    assert {"REV-01 revoked_author", "REV-04 statement_after_revocation"} <= found
    consequences = {"ROT-03 due_missing", "SES-03 session_not_ended"}  # the log goes on for three days
    assert found - consequences == {"REV-01 revoked_author", "REV-04 statement_after_revocation"}


def test_every_fact_check_has_a_lie():
    found = {each.split()[0] for _, expected in (LIES | KEY_LIES).values() for each in expected}
    families = ("SES", "FAC", "KEY", "TIM", "REV")
    checks = {row.check.id for row in audit(HONEST).coverage if row.check.family in families}
    assert checks - found == {"REV-01", "REV-04"}  # tested by test_verify.py and above
