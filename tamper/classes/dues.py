"""C, continued: due rotations, signing keys, times, and what nobody can tell."""

from dataclasses import replace
from typing import Final

from solekey_protocol.events import Body, auth, rotation
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import Digest, KeyId
from tamper.classes.facts import FACTS, STRANGER, ended, fact, opened
from tamper.stories import ADA, DAYS, LAPTOP, due, login, publish
from tamper.tampering import Outcome, change, drop, insert
from tamper.writing import Step, moment

_lie = FACTS.lie
_END, _FACTOR = auth.SessionEnd, auth.Factor
_ENFORCED, _ADVISORY = rotation.Enforcement.ENFORCED, rotation.Enforcement.ADVISORY
_USER, _DATA = RotationKind.USER_KEY, RotationKind.DATA_KEY
_IN_SESSION: Final = 600

# Due rotations
_lie(
    "a due rotation is forged",
    insert(fact(_IN_SESSION, due(_USER, 410, enforcement=_ENFORCED))),
    "lie",
    "ROT-02",
)
_lie(
    "due since a revocation that never was",
    insert(fact(_IN_SESSION, due(_USER, 599, enforcement=_ENFORCED))),
    "lie",
    "ROT-02",
)
_lie(
    "due since the year 9999",
    insert(fact(_IN_SESSION, due(_USER, 251_000_000_000, "age", _ENFORCED))),
    "lie",
    "ROT-02",
)
_lie(
    "due by age before the policy says so",
    insert(fact(11 * DAYS, due(_DATA, 10 * DAYS, "age", _ENFORCED))),
    "lie",
    "ROT-02",
)
_lie("stated as due twice", insert(fact(412, due(_USER, 410, enforcement=_ENFORCED))), "lie", "ROT-02")
_lie(
    "due with another enforcement than the policy's",
    change("ada.due user", body=due(_USER, 410, enforcement=_ADVISORY)),
    "ada.due user",
    "ROT-02",
)
_lie("after a revocation, nothing is due", drop("ada.due user", "ada.due data"), "ada.revoked", "ROT-03")
_lie("after a revocation, the data key is not due", drop("ada.due data"), "ada.revoked", "ROT-03")
_lie(
    "a policy of five days, and nothing is ever due",
    insert(Step("policy", 700, ADA, rotation.PolicySet(5, 5, _ADVISORY), LAPTOP)),
    "ada.second change taken",
    "ROT-03",
)


# Signing keys
def platform(at: float, body: Body, name: str = "lie") -> Step:
    """A lie in the platform's own account."""
    return Step(name, at, None, body)


_KEY = publish(0, 0)
_lie(
    "no key was valid when sessions were opened",
    change("platform.key", body=replace(publish(0, -160), not_after=moment(-100))),
    "ada.login",
    "KEY-01",
)
_lie(
    "the key was withdrawn before sessions were opened",
    insert(platform(-90, auth.SigningKeyWithdrawn(_KEY.key_id))),
    "ada.login",
    "KEY-01",
)
_lie(
    "a key under another id",
    insert(platform(700, replace(publish(1, 700), key_id=KeyId("ab" * 16)))),
    "lie",
    "KEY-02",
)
_lie("a key for ten years", insert(platform(700, publish(1, 700, 3_650))), "lie", "KEY-02")
_lie("a key that is valid before it was announced", insert(platform(9_000, publish(1, 700))), "lie", "KEY-02")
_lie("a key is announced twice", insert(platform(700, publish(0, 700))), "lie", "KEY-02")
_lie(
    "a withdrawn key comes back",
    insert(
        platform(5 * DAYS, auth.SigningKeyWithdrawn(_KEY.key_id), "gone"),
        platform(6 * DAYS, publish(0, 6 * DAYS)),
    ),
    "lie",
    "SIG-02",
)
_lie(
    "a key is withdrawn that never was",
    insert(platform(700, auth.SigningKeyWithdrawn(KeyId("ab" * 16)))),
    "lie",
    "KEY-02",
)
_lie("a signing key in an account of a user", insert(fact(700, publish(1, 700))), "lie", "KEY-02")
_lie(
    "a session in the platform's own account",
    insert(platform(700, login(ADA, "x", LAPTOP, 700))),
    "lie",
    "KEY-02",
)

# Times
_lie("dated back at the time of writing", change("ada.refreshed", clock=-7_200), "ada.refreshed", "TIM-01")
_lie(
    "a revocation dated behind what saw it",
    change("ada.revoked", clock=4_000),
    "ada.revoked",
    "TIM-02",
    "TIM-01",
    named=False,
    reason="the event that is older than what its author saw is named: nobody can tell which clock lied",
)
_lie("the year 9999", change("ada.last delta", clock=251_000_000_000), "ada.last delta", "TIM-03")
_lie("the year 2020", change("ada.registered", clock=-200_000_000), "ada.registered", "TIM-03")

# What nobody can tell
_lie(
    "a failed login that never was",
    insert(fact(950, auth.LoginFailed(auth.LoginStage.LOGIN_KEY))),
    "lie",
    outcome=Outcome.IMPOSSIBLE,
    reason="only the operator knows who tried: an invented failure agrees with everything else",
)
_lie(
    "a failed login that is not written",
    drop("ada.failed"),
    None,
    outcome=Outcome.IMPOSSIBLE,
    reason="only the operator knows who tried: nothing else in the log depends on it",
)
_lie(
    "32 bytes of text in the id of a passkey",
    insert(fact(950, auth.MfaEnrolled(_FACTOR.PASSKEY, Digest(b"the spare key is under the pot..".hex())))),
    "lie",
    outcome=Outcome.IMPOSSIBLE,
    reason="an id that nobody recomputes looks random; REC-03 states how much could be hidden so",
)
_lie(
    "a session for a device that nobody knows",
    insert(opened(950, STRANGER), ended("lie", _END.EXPIRED, 45_000, "end")),
    "lie",
    "DEV-02",
    outcome=Outcome.NOTICED,
)
