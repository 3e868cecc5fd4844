"""C, continued: lies at the bounds of what is allowed, and lies that explain each other."""

from collections.abc import Callable
from typing import Final

from solekey_protocol.events import Body, auth, rotation
from solekey_protocol.events.fields import RotationKind
from tamper.classes.collusion import COLLUSION
from tamper.classes.facts import FACTS, STRANGER, ended, fact, opened
from tamper.people import Person
from tamper.stories import (
    ADA,
    BEN,
    CYD,
    DAYS,
    HOURS,
    LAPTOP,
    PHONE,
    due,
    login,
    publish,
    tell_whole,
)
from tamper.tampering import Exhibit, Outcome, both, change, drop, insert, vouch
from tamper.writing import Step, write

_lie, _help = FACTS.lie, COLLUSION.lie
_END, _FACTOR, _CHANGE = auth.SessionEnd, auth.Factor, auth.LoginKeyChange
_REVOKED_AT: Final = 410
_HEARD: Final = 70  # seconds in which a revocation is heard of
_AGREES: Final = "the operator alone says all of it, and it agrees with everything that others say"


def _tell(edit: Callable[[list[Step]], list[Step]], name: str) -> Callable[[], Exhibit]:
    """A lie in the whole story, of which everybody has pinned the first key."""

    def make() -> Exhibit:
        written = write(edit(tell_whole()))
        return Exhibit(written.records, written.places.get(name), vouch(written))

    return make


def _add(
    what: str, edit: Callable[[list[Step]], list[Step]], name: str, *expects: str, **how: object
) -> None:
    FACTS.add(what, _tell(edit, name), *expects, **how)


def _of(who: Person, at: float, body: Body, name: str = "lie") -> Step:
    return Step(name, at, who, body)


# Accounts: empty, registered again, closed
_lie(
    "registered again a minute later, before anybody has logged in",
    both(
        insert(fact(3, auth.AccountRegistered(2))),
        change("ada.password", body=auth.LoginKeyChanged(3, _CHANGE.PASSWORD_CHANGED)),
    ),
    "lie",
    "SES-01",
)
_add(
    "an account of which nothing is known but a failed login",
    insert(_of(Person("dot"), 500, auth.LoginFailed(auth.LoginStage.LOGIN_KEY))),
    "lie",
    "SES-01",
)
_add(
    "a closed account is registered again",
    insert(_of(CYD, 9_000, auth.AccountRegistered(2))),
    "lie",
    "SIG-02",
)
_add("a closed account is closed again", insert(_of(CYD, 3_101, auth.AccountClosed(1))), "lie", "SIG-02")
_add(
    "a closed account writes at once, and knows that it is closed",
    insert(Step("lie", 3_110, CYD, CYD.commit(1, 1), CYD.device("only"))),
    "lie",
    "SES-07",
)
_add(
    "a rotation comes due in a closed account",
    insert(_of(CYD, 4_000, due(RotationKind.DATA_KEY, 3_012, "age"))),
    "lie",
    "ROT-02",
)
_add(
    "a closed account, of which one session did not end",
    drop("cyd.end"),
    "cyd.closed",
    "SES-09",
)

# The platform's own account
_add(
    "somebody registers as the platform",
    insert(Step("lie", 100, None, auth.AccountRegistered(1))),
    "lie",
    "KEY-02",
)
_add(
    "a login fails at the platform's own account",
    insert(Step("lie", 100, None, auth.LoginFailed(auth.LoginStage.LOGIN_KEY))),
    "lie",
    "KEY-02",
)
_add(
    "a rotation comes due in the platform's own account",
    insert(Step("lie", 100, None, due(RotationKind.USER_KEY, 50, "age"))),
    "lie",
    "KEY-02",
)
_add(
    "the same signing key is announced in two spans that meet",
    insert(Step("lie", 100, None, publish(0, 200))),
    "lie",
    "KEY-02",
)

# Sessions at their bounds
_lie("a session lasts two seconds too long", insert(opened(600, hours=12 + 2 / 3600)), "lie", "SES-03")
_lie("a session that ends when it begins", insert(opened(600, hours=0)), "lie", "SES-03")
_lie(
    "refreshed 61 s after its end",
    insert(fact(10 * DAYS + 12 * HOURS + 61, auth.SessionRefreshed(ADA.session("later"), 2))),
    "lie",
    "SES-03",
    "SIG-02",
)
_lie(
    "a session ends because of a revocation, 71 s after it",
    change("ada.phone ended", at=_REVOKED_AT + _HEARD + 1),
    "ada.phone ended",
    "REV-03",
)
_lie(
    "a session for the revoked device, 71 s after",
    insert(
        opened(_REVOKED_AT + _HEARD + 1, PHONE), ended("lie", _END.DEVICE_REVOKED, _REVOKED_AT + 72, "end")
    ),
    "lie",
    "REV-02",
)
_lie(
    "a used refresh token of an ended session comes back",
    insert(fact(950, auth.RefreshReuseDetected(ADA.session("phone"), 1))),
    "lie",
    "SIG-02",
)
_lie(
    "a refresh token comes back that nobody was given",
    insert(
        fact(950, auth.RefreshReuseDetected(ADA.session("first"), 77)),
        ended("first", _END.REFRESH_REUSED, 950, "end"),
    ),
    "lie",
    "SIG-02",
)
_lie(
    "a refresh token comes back of a session that never was",
    insert(fact(950, auth.RefreshReuseDetected(ADA.session("nobody's"), 1))),
    "lie",
    "SIG-02",
)
_lie(
    "a session ends by a token that came back of another",
    insert(
        fact(940, auth.RefreshReuseDetected(ADA.session("first"), 1), "reuse"),
        opened(941, name="second"),
        ended("second", _END.REFRESH_REUSED, 942),
        ended("first", _END.REFRESH_REUSED, 943, "end"),
    ),
    "lie",
    "SES-09",
)

# Factors at their bounds
_add(
    "a login by the authenticator between its removal and the next one",
    both(
        change("ben.totp again", at=2_200.002),
        insert(
            _of(BEN, 2_200.001, login(BEN, "slipped", BEN.device("desk"), 2_200)),
            _of(BEN, 2_399, auth.SessionEnded(BEN.session("slipped"), _END.LOGOUT), "end"),
        ),
    ),
    "lie",
    "SES-05",
)
_lie(
    "a passkey is removed as an authenticator",
    insert(
        fact(910, auth.MfaEnrolled(_FACTOR.PASSKEY, ADA.factor("key")), "key"),
        fact(920, auth.MfaRemoved(_FACTOR.TOTP, ADA.factor("key"))),
    ),
    "lie",
    "FAC-01",
)
_lie(
    "the same passkey is enrolled twice",
    insert(
        fact(910, auth.MfaEnrolled(_FACTOR.PASSKEY, ADA.factor("key")), "key"),
        fact(920, auth.MfaEnrolled(_FACTOR.PASSKEY, ADA.factor("key"))),
    ),
    "lie",
    "FAC-01",
)
_lie(
    "one recovery code opens two sessions",
    insert(
        fact(950, auth.RecoveryCodeUsed(ADA.factor("codes"), 8), "code"),
        opened(950, factor=_FACTOR.RECOVERY_CODES, name="one"),
        opened(951, factor=_FACTOR.RECOVERY_CODES),
        ended("one", _END.LOGOUT, 960, "one end"),
        ended("lie", _END.LOGOUT, 960, "lie end"),
    ),
    "lie",
    "FAC-02",
)
_lie(
    "a second set of recovery codes beside the first",
    insert(fact(950, auth.MfaEnrolled(_FACTOR.RECOVERY_CODES, ADA.factor("more codes")))),
    "lie",
    "FAC-01",
)

# Policies between due and done
_lie(
    "due by the policy that was replaced since",
    insert(
        Step("weaker", 950, ADA, rotation.PolicySet(365, 365, rotation.Enforcement.ADVISORY), LAPTOP),
        fact(11 * DAYS, due(RotationKind.DATA_KEY, 10 * DAYS, "age", rotation.Enforcement.ENFORCED)),
    ),
    "lie",
    "ROT-02",
)

# Lies that explain each other
_lie(
    "a step-up is invented for a policy that a thief sets in the owner's session",
    insert(
        fact(10 * DAYS + 5 * HOURS, auth.SessionSteppedUp(ADA.session("later"), _FACTOR.PASSKEY), "step-up"),
        Step(
            "policy",
            10 * DAYS + 5 * HOURS + 1,
            ADA,
            rotation.PolicySet(365, 365, rotation.Enforcement.ADVISORY),
            LAPTOP,
        ),
    ),
    "step-up",
    "SES-05",
)
_lie(
    "a login, a step-up and a new password of the operator's, on a device that the account has",
    insert(
        opened(9 * DAYS),
        fact(9 * DAYS + 1, auth.LoginKeyChanged(3, _CHANGE.PASSWORD_CHANGED), "password"),
        ended("lie", _END.LOGOUT, 9 * DAYS + 2, "lie end"),
    ),
    None,
    outcome=Outcome.IMPOSSIBLE,
    reason=_AGREES,
)
_lie(
    "the same on a device that the account has never had",
    insert(
        opened(9 * DAYS, STRANGER),
        fact(9 * DAYS + 1, auth.LoginKeyChanged(3, _CHANGE.PASSWORD_CHANGED), "password"),
        ended("lie", _END.LOGOUT, 9 * DAYS + 2, "lie end"),
    ),
    "lie",
    "DEV-02",
    outcome=Outcome.NOTICED,
)
_lie(
    "a passkey of the operator's, a login with it, and its removal",
    insert(
        opened(9 * DAYS, name="cover"),
        fact(9 * DAYS + 1, auth.MfaEnrolled(_FACTOR.PASSKEY, ADA.factor("operator's")), "key"),
        opened(9 * DAYS + 2, factor=_FACTOR.PASSKEY),
        fact(9 * DAYS + 3, auth.MfaRemoved(_FACTOR.PASSKEY, ADA.factor("operator's")), "gone"),
        ended("cover", _END.LOGOUT, 9 * DAYS + 4, "cover end"),
        ended("lie", _END.LOGOUT, 9 * DAYS + 4, "lie end"),
    ),
    None,
    outcome=Outcome.IMPOSSIBLE,
    reason=_AGREES,
)
_lie(
    "a login of the revoked device, dated back into the time in which it could be",
    insert(
        opened(_REVOKED_AT + _HEARD - 1, PHONE),
        ended("lie", _END.DEVICE_REVOKED, _REVOKED_AT + _HEARD, "end"),
    ),
    None,
    outcome=Outcome.IMPOSSIBLE,
    reason="within the bound of a revocation a login is an honest race, and times are the operator's",
)
