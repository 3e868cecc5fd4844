"""C: facts that the operator alone states. He lies at the time of writing; clients sign over it."""

from dataclasses import replace

from solekey_protocol.events import Body, auth
from tamper.people import Device
from tamper.stories import ADA, DAYS, LAPTOP, PHONE, login
from tamper.tampering import Family, both, change, drop, insert
from tamper.writing import Step, moment

FACTS = Family("C", "facts that only the operator says")
_lie = FACTS.lie
_END, _FACTOR = auth.SessionEnd, auth.Factor
STRANGER = ADA.device("stranger")
_IN_SESSION = 600  # a second at which ada's laptop has a session, proven 200 s ago
_MUCH_LATER = 20 * DAYS


def fact(at: float, body: Body, name: str = "lie") -> Step:
    """The lie."""
    return Step(name, at, ADA, body)


def ended(label: str, reason: auth.SessionEnd, at: float, name: str = "lie") -> Step:
    """A session ends."""
    return fact(at, auth.SessionEnded(ADA.session(label), reason), name)


def opened(
    at: float,
    device: Device = LAPTOP,
    factor: auth.Factor = _FACTOR.TOTP,
    *,
    name: str = "lie",
    hours: float = 12,
) -> Step:
    """A session is opened that nobody asked for."""
    body = replace(login(ADA, name, device, at, factor), expires_at=moment(at + hours * 3600))
    return fact(at, body, name)


# Accounts
_lie("an account that was never registered", drop("ada.registered"), "ada.totp", "SES-01")
_lie("registered twice", insert(fact(950, auth.AccountRegistered(3))), "lie", "SES-01")
_lie(
    "the login credential goes back",
    insert(fact(950, auth.LoginKeyChanged(1, auth.LoginKeyChange.KDF_UPGRADED))),
    "lie",
    "SES-01",
)
_lie(
    "the login credential skips a version",
    insert(fact(950, auth.LoginKeyChanged(9, auth.LoginKeyChange.KDF_UPGRADED))),
    "lie",
    "SES-01",
)
_lie(
    "an account is closed, and goes on",
    insert(
        ended("last", _END.ACCOUNT_CLOSED, 11 * DAYS + 20, "end"), fact(11 * DAYS + 20, auth.AccountClosed(2))
    ),
    "ada.last delta",
    "SES-07",
)
_lie(
    "an account is closed, and its session stays open",
    insert(fact(11 * DAYS + 70, auth.AccountClosed(2))),
    "lie",
    "SES-09",
)
_lie(
    "closed with a credential that is not in force",
    insert(
        ended("last", _END.ACCOUNT_CLOSED, 11 * DAYS + 70, "end"), fact(11 * DAYS + 70, auth.AccountClosed(7))
    ),
    "lie",
    "SES-01",
)
_lie(
    "something follows the closing",
    insert(
        ended("last", _END.ACCOUNT_CLOSED, 11 * DAYS + 70, "end"),
        fact(11 * DAYS + 70, auth.AccountClosed(2), "closing"),
        fact(11 * DAYS + 90, auth.LoginFailed(auth.LoginStage.LOGIN_KEY)),
    ),
    "lie",
    "SIG-02",
)

# Sessions
_lie("a session for the revoked device", insert(opened(_IN_SESSION, PHONE)), "lie", "REV-02")
_lie("the revoked device's session never ends", drop("ada.phone ended"), "ada.revoked", "REV-03")
_lie("it ends minutes late", change("ada.phone ended", at=600), "ada.phone ended", "REV-03")
_lie(
    "a session ends as revoked, and nobody was",
    insert(ended("first", _END.DEVICE_REVOKED, 950)),
    "lie",
    "REV-05",
)
_lie("a session ends that never was", insert(ended("nobody's", _END.LOGOUT, 950)), "lie", "SES-02")
_lie("a session ends twice", insert(ended("first", _END.LOGOUT, 1_100)), "lie", "SES-02")
_lie(
    "the id of an ended session is opened again",
    insert(fact(2_000, login(ADA, "first", LAPTOP, 2_000))),
    "lie",
    "SIG-02",
)
_lie("a session lasts ten years", insert(opened(_IN_SESSION, hours=87_600)), "lie", "SES-03")
_lie("a session ends before it begins", insert(opened(_IN_SESSION, hours=-1)), "lie", "SES-03")
_lie("an expired session is never ended", drop("ada.later end"), "ada.later login", "SES-03")
_lie(
    "a session is used after its time",
    both(
        change("ada.later end", at=11 * DAYS - 60),
        insert(fact(11 * DAYS - 600, auth.SessionRefreshed(ADA.session("later"), 2))),
    ),
    "lie",
    "SES-03",
)
_lie(
    "a session is refreshed after its end",
    insert(fact(2_000, auth.SessionRefreshed(ADA.session("first"), 3))),
    "lie",
    "SIG-02",
)
_lie(
    "a generation of refresh tokens is skipped",
    insert(fact(_IN_SESSION, auth.SessionRefreshed(ADA.session("first"), 9))),
    "lie",
    "SIG-02",
)
_lie(
    "a used refresh token came back, and the session goes on",
    insert(
        fact(_IN_SESSION, auth.RefreshReuseDetected(ADA.session("first"), 1), "reuse"),
        fact(700, auth.SessionRefreshed(ADA.session("first"), 3)),
    ),
    "lie",
    "SES-04",
)
_lie(
    "it came back, and the session is never ended",
    insert(
        fact(11 * DAYS + 65, auth.RefreshReuseDetected(ADA.session("last"), 1)),
        fact(12 * DAYS - 60, auth.LoginFailed(auth.LoginStage.LOGIN_KEY), "after"),
    ),
    "lie",
    "SES-04",
)
_lie(
    "a session ends by a token that never came back",
    insert(ended("first", _END.REFRESH_REUSED, 950)),
    "lie",
    "SES-09",
)
_lie(
    "a session ends by a password that nobody changed",
    insert(ended("first", _END.PASSWORD_CHANGED, 950)),
    "lie",
    "SES-09",
)
_lie(
    "a session ends with an account that goes on",
    insert(ended("first", _END.ACCOUNT_CLOSED, 950)),
    "lie",
    "SES-09",
)
_lie(
    "a new password, and a thief's session goes on",
    insert(opened(450, name="thief"), ended("thief", _END.EXPIRED, 40_000, "thief end")),
    "ada.password",
    "SES-09",
)
_lie(
    "a device enrols that never logged in",
    drop("ada.phone login", "ada.phone ended"),
    "ada.phone enrolled",
    "SES-06",
)
_lie(
    "an account is founded by a device that never logged in",
    change("ada.login", body=login(ADA, "first", STRANGER, 10)),
    "ada.founded",
    "SES-06",
)
_lie("a device writes in a session that has ended", change("ada.logout", at=700), "ada.delta", "DEV-01")

# Second factors
_lie("no factor was ever enrolled", drop("ada.totp"), "ada.login", "SES-05")
_lie(
    "opened with a factor that nobody has",
    insert(opened(_IN_SESSION, factor=_FACTOR.PASSKEY)),
    "lie",
    "SES-05",
)
_lie(
    "stepped up with a factor that nobody has",
    insert(fact(950, auth.SessionSteppedUp(ADA.session("first"), _FACTOR.PASSKEY))),
    "lie",
    "SES-05",
)
_lie(
    "stepped up by a recovery code that nobody used",
    insert(fact(950, auth.SessionSteppedUp(ADA.session("first"), _FACTOR.RECOVERY_CODES))),
    "lie",
    "FAC-02",
)
_lie(
    "a factor is removed that never was",
    insert(fact(950, auth.MfaRemoved(_FACTOR.TOTP, ADA.factor("x")))),
    "lie",
    "FAC-01",
)
_lie(
    "a second authenticator beside the first",
    insert(fact(950, auth.MfaEnrolled(_FACTOR.TOTP, ADA.factor("x")))),
    "lie",
    "FAC-01",
)
_lie(
    "the last authenticator is removed",
    insert(fact(950, auth.MfaRemoved(_FACTOR.TOTP, ADA.factor("totp")))),
    "lie",
    "FAC-03",
)
_lie(
    "recovery codes from nowhere",
    insert(fact(950, auth.RecoveryCodeUsed(ADA.factor("x"), 9))),
    "lie",
    "FAC-02",
)
_lie(
    "recovery codes that do not get fewer",
    insert(fact(950, auth.RecoveryCodeUsed(ADA.factor("codes"), 9))),
    "lie",
    "FAC-02",
)
_lie(
    "recovery codes that get fewer by two",
    insert(fact(950, auth.RecoveryCodeUsed(ADA.factor("codes"), 7))),
    "lie",
    "FAC-02",
)
_lie(
    "eleven passkeys",
    insert(
        *(
            fact(950 + n, auth.MfaEnrolled(_FACTOR.PASSKEY, ADA.factor(f"key {n}")), f"key {n}")
            for n in range(10)
        ),
        fact(970, auth.MfaEnrolled(_FACTOR.PASSKEY, ADA.factor("one too many"))),
    ),
    "lie",
    "FAC-03",
)
_lie(
    "a factor is added, and nobody has proven one",
    insert(fact(9 * DAYS, auth.MfaEnrolled(_FACTOR.PASSKEY, ADA.factor("operator's")))),
    "lie",
    "SES-08",
)
_lie(
    "the login key is replaced, and nobody has proven a factor",
    insert(fact(9 * DAYS, auth.LoginKeyChanged(3, auth.LoginKeyChange.PASSWORD_CHANGED))),
    "lie",
    "SES-08",
)
