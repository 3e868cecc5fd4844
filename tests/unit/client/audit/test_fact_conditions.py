"""Each condition of the checks of facts: a lie that it alone tells, or something honest that it lets pass."""

from datetime import timedelta

import pytest

from solekey.audit import Bounds, Pin, verify_log
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream, auth
from tests.support.protocol.keyring import ACCOUNT, USER, digest
from tests.unit.client.audit.test_facts import (
    CODES,
    END,
    FACTOR,
    HONEST,
    LAPTOP_SESSION,
    OTHER,
    PHONE_LOGIN,
    START,
    add,
    commit,
    open_session,
    write,
)

PASSKEY, OTHER_PASSKEY = digest("passkey"), digest("other passkey")
FAILED_LOGIN = auth.LoginFailed(auth.LoginStage.LOGIN_KEY)
LONGER = [  # the honest story, with what it lacks
    *HONEST[:-2],
    (450, auth.RecoveryCodeUsed(CODES, 8), None),
    (450, auth.SessionSteppedUp(LAPTOP_SESSION, FACTOR.RECOVERY_CODES), None),
    *HONEST[-2:-1],
    (510, auth.MfaEnrolled(FACTOR.PASSKEY, PASSKEY), None),
    (511, auth.MfaEnrolled(FACTOR.PASSKEY, OTHER_PASSKEY), None),
    (512, auth.MfaRemoved(FACTOR.PASSKEY, PASSKEY), None),
    (513, auth.MfaRemoved(FACTOR.PASSKEY, OTHER_PASSKEY), None),
    *HONEST[-1:],
]
REUSED = auth.RefreshReuseDetected(LAPTOP_SESSION, 1)
LOOKED_AT = {
    "SES-01": 2, "SES-02": 1, "SES-03": 2, "SES-04": 0, "SES-05": 4, "SES-06": 2, "SES-07": 0,
    "FAC-01": 6, "FAC-02": 2, "KEY-01": 3, "TIM-01": 24, "TIM-02": 13, "TIM-03": 24,
    "REV-01": 1, "REV-02": 2, "REV-03": 1, "REV-04": 3, "REV-05": 1, "CHN-03": 13,
}  # fmt: skip


def audit(steps, now=START + timedelta(days=30)):
    return verify_log(write(steps), {ACCOUNT: Pin(USER.public)}, Bounds(now=now))


def find(steps, now=START + timedelta(days=30)):
    return {f"{each.check} {each.code}" for each in audit(steps, now).findings}


def test_each_check_counts_what_it_looked_at():
    report = audit(LONGER)
    assert report.findings == ()
    assert {row.check.id: row.looked_at for row in report.coverage if row.check.id in LOOKED_AT} == LOOKED_AT


LIES = {
    "a session goes on after a refresh token came back, and ends then": (
        add(
            (600, REUSED, None),
            (700, auth.SessionRefreshed(LAPTOP_SESSION, 3), None),
            (701, auth.SessionEnded(LAPTOP_SESSION, END.REFRESH_REUSED), None),
        ),
        "SES-04 reuse_ignored",
    ),
    "a device speaks before it logs in": (
        lambda honest: add((130, PHONE_LOGIN, None))([step for step in honest if step[1] != PHONE_LOGIN]),
        "SES-06 device_not_logged_in",
    ),
    "a factor is removed as another kind": (
        add((600, auth.MfaRemoved(FACTOR.TOTP, CODES), None)),
        "FAC-01 factor_unknown",
    ),
    "one passkey is enrolled twice": (
        add(
            (600, auth.MfaEnrolled(FACTOR.PASSKEY, PASSKEY), None),
            (601, auth.MfaEnrolled(FACTOR.PASSKEY, PASSKEY), None),
        ),
        "FAC-01 factor_twice",
    ),
    "recovery codes that were removed": (
        add(
            (600, auth.MfaRemoved(FACTOR.RECOVERY_CODES, CODES), None),
            (601, auth.RecoveryCodeUsed(CODES, 7), None),
        ),
        "FAC-02 factor_unknown",
    ),
    "events are dated back in small steps": (
        lambda honest: [*honest, *((second, FAILED_LOGIN, None) for second in (1_000, 950, 895))],
        "TIM-01 time_backwards",
    ),
    "a session is opened before there was a key": (
        lambda honest: [(second - 1_000, body, signers) for second, body, signers in honest],
        "KEY-01 signing_key_missing",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_one_more_lie_is_found(lie):
    tell, expected = LIES[lie]
    assert expected in find(tell(LONGER))
    assert expected not in find(LONGER)


STILL_HONEST = {
    "the log ends with the revocation": LONGER[:14],
    "the log ends with the reuse of a token": [*LONGER, (950, REUSED, None)],
    "a reuse ends the session": [
        *LONGER,
        (950, REUSED, None),
        (951, auth.SessionEnded(LAPTOP_SESSION, END.REFRESH_REUSED), None),
        (1_100, FAILED_LOGIN, None),
    ],
    "a session lasts as long as one may": [*LONGER, (950, open_session(OTHER, at=950, hours=12), None)],
    "an account is closed": [
        *LONGER,
        (1_000, auth.SessionEnded(LAPTOP_SESSION, END.ACCOUNT_CLOSED), None),
        (1_000, auth.AccountClosed(2), None),
    ],
    "a code is used up by a login that is refused, of a revoked device": [
        *LONGER,
        (950, auth.RecoveryCodeUsed(CODES, 7), None),
    ],
    "a registration is repeated while it is unproven": [
        (-3_600, auth.AccountRegistered(1), None),
        (5, auth.AccountRegistered(2), None),
        *(step for step in LONGER[1:] if not isinstance(step[1], auth.LoginKeyChanged)),
    ],
}


@pytest.mark.parametrize("what", STILL_HONEST)
def test_what_an_honest_operator_may_write_is_clean(what):
    assert find(STILL_HONEST[what]) == set()


def test_only_sessions_need_a_signing_key_in_force():
    steps = [*LONGER, (1_000, auth.SessionEnded(LAPTOP_SESSION, END.LOGOUT), None)]
    assert "KEY-01 signing_key_missing" not in find([*steps, (90_000, FAILED_LOGIN, None)])
    assert "KEY-01 signing_key_missing" in find([*steps, (90_000, open_session(OTHER, at=90_000), None)])


def test_what_is_of_the_future_is_found_by_the_auditors_clock():
    assert find(LONGER, now=START + timedelta(seconds=900)) == set()
    assert find(LONGER, now=START + timedelta(seconds=800)) == {"TIM-03 time_impossible"}


def test_control_what_is_missing_is_found_in_whole_streams():
    found = {each.split()[1] for each in find([*LONGER, (950, REUSED, None), (99_000, commit(3), {})])}
    assert "reuse_ignored" in found


@pytest.mark.parametrize(
    ("stream", "seq"), [(Stream.DEVICES, 2), (Stream.AUTH, 3), (Stream.AUTH, 5), (Stream.AUTH, 9)]
)
def test_of_a_stream_that_breaks_off_nothing_is_said_to_be_missing(stream, seq):
    """What is concluded from absence needs the stream whole: the breach itself is the finding."""
    records = write([*LONGER, (950, REUSED, None), (99_000, commit(3), {})])
    kept = [raw for raw in records if (parse_event(raw).stream, parse_event(raw).seq) != (stream, seq)]
    found = {each.code for each in verify_log(kept).findings}
    assert "sequence_gap" in found
    assert not found & {"device_not_revoked", "session_not_ended", "device_not_logged_in", "reuse_ignored"}
