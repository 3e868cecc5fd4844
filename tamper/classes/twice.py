"""B, C and D, continued: ids that come again, numbers that cannot be, and what two devices were shown."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from solekey.audit import Pin
from solekey_protocol.events import Body, auth, rotation, vault
from solekey_protocol.services import Stream
from tamper.classes.collusion import COLLUSION
from tamper.classes.facts import FACTS, fact
from tamper.classes.withheld import WITHHELD
from tamper.stories import ADA, BEN, DAYS, DESK, TABLET, login, publish, tell_whole
from tamper.tampering import Exhibit, Outcome, both, change, drop, honest, insert, vouch
from tamper.writing import Step, write

_help = COLLUSION.lie
_TOTP: Final = auth.Factor.TOTP
_FAILED: Final = auth.LoginFailed(auth.LoginStage.LOGIN_KEY)


def _tell(edit: Callable[[list[Step]], list[Step]], name: str) -> Callable[[], Exhibit]:
    """A lie in the whole story, of which everybody has pinned the first key."""

    def make() -> Exhibit:
        written = write(edit(tell_whole()))
        return Exhibit(written.records, written.places[name], vouch(written))

    return make


def _of_ben(at: float, body: Body) -> Callable[[list[Step]], list[Step]]:
    return insert(Step("lie", at, BEN, body))


# Ids that come again
_SHARED: Final = ADA.session("first")
FACTS.add(
    "one session id in two accounts",
    _tell(
        both(
            change("ben.login", body=replace(login(BEN, "first", DESK, 2_010), session=_SHARED)),
            change("ben.password end", body=auth.SessionEnded(_SHARED, auth.SessionEnd.PASSWORD_CHANGED)),
        ),
        "ben.login",
    ),
    "SES-02",
)
FACTS.add(
    "the authenticator of one account is another's",
    _tell(change("ben.totp again", body=auth.MfaEnrolled(_TOTP, ADA.factor("totp"))), "ben.totp again"),
    "FAC-01",
)
FACTS.add(
    "a removed authenticator comes back under its id",
    _tell(change("ben.totp again", body=auth.MfaEnrolled(_TOTP, BEN.factor("totp"))), "ben.totp again"),
    "FAC-01",
)
FACTS.add(
    "a recovery code is used up, and opens nothing",
    _tell(_of_ben(2_450, auth.RecoveryCodeUsed(BEN.factor("codes"), 9)), "lie"),
    "FAC-02",
)
FACTS.add(
    "a session is refreshed while no key can sign its token",
    _tell(
        insert(
            Step("withdrawn", 11 * DAYS + 150, None, auth.SigningKeyWithdrawn(publish(0, 0).key_id)),
            fact(11 * DAYS + 300, auth.SessionRefreshed(ADA.session("last"), 2)),
        ),
        "lie",
    ),
    "KEY-01",
)

# What is appended together, or takes another session
_FIRST: Final = auth.MfaEnrolled(auth.Factor.PASSKEY, BEN.factor("totp"))
FACTS.add(
    "the first factor is a passkey, which no login can enrol",
    _tell(
        both(
            change("ben.totp", body=_FIRST),
            change("ben.login", body=login(BEN, "first", DESK, 2_010, auth.Factor.PASSKEY)),
            change("ben.totp removed", body=auth.MfaRemoved(auth.Factor.PASSKEY, BEN.factor("totp"))),
        ),
        "ben.totp",
    ),
    "FAC-01",
)
FACTS.add(
    "the first factor is enrolled by nobody's login",
    _tell(both(change("ben.totp", at=2_001), insert(Step("between", 2_005, BEN, _FAILED))), "ben.totp"),
    "FAC-01",
)
FACTS.add(
    "a used refresh token came back, and its user logs out before the session ends",
    _tell(
        change("ben.reuse end", body=auth.SessionEnded(BEN.session("tablet"), auth.SessionEnd.LOGOUT)),
        "ben.reuse",
    ),
    "SES-04",
)
FACTS.add(
    "a token came back, and the session ends minutes later",
    _tell(
        both(change("ben.reuse end", at=2_210), insert(Step("between", 2_105, BEN, _FAILED))),
        "ben.reuse",
    ),
    "SES-04",
)
FACTS.add(
    "a session is ended from another one, and there is no other",
    _tell(
        change("ben.end", body=auth.SessionEnded(BEN.session("tablet again"), auth.SessionEnd.ENDED_BY_USER)),
        "ben.end",
    ),
    "SES-09",
)
FACTS.add(
    "the operator ends all sessions but one",
    _tell(
        insert(
            Step(
                "lie", 2_320, BEN, auth.SessionEnded(BEN.session("spare"), auth.SessionEnd.ENDED_BY_OPERATOR)
            ),
            Step("spare", 2_310, BEN, login(BEN, "spare", TABLET, 2_310)),
        ),
        "lie",
    ),
    "SES-09",
)

# Numbers that cannot be
_help(
    "a snapshot states more items than there ever were",
    change("ada.rekey snapshot", body=ADA.commit(4, 5, 2, "snapshot")),
    "ada.rekey snapshot",
    "COM-01",
)
_help(
    "a snapshot leaves out what was written",
    change("ada.second rekey snapshot", body=ADA.commit(7, 3, 3, "snapshot")),
    "ada.second rekey snapshot",
    "COM-01",
)
_help(
    "a rekey of more items than there are",
    change("ada.rekey rekeyed", body=ADA.commit(3, 5, 2, "rekey")),
    "ada.rekey rekeyed",
    "COM-01",
)
_help(
    "a commit of 1,001 changes",
    change("ada.later delta", body=ADA.commit(9, 1_001, 3)),
    "ada.later delta",
    "COM-01",
)
_help(
    "the first commit is a rekey of what nobody wrote",
    change("ada.commit 1", body=ADA.commit(1, 3, 1, "rekey")),
    "ada.commit 1",
    "COM-01",
)
_help(
    "the first commit is a snapshot of what nobody wrote",
    change("ada.commit 1", body=ADA.commit(1, 3, 1, "snapshot")),
    "ada.commit 1",
    "COM-01",
)
_help(
    "the change list of an earlier commit",
    change("ada.later delta", body=replace(ADA.commit(9, 2, 3), changes=ADA.commit(8, 2, 3).changes)),
    "ada.later delta",
    "COM-01",
)
_help(
    "the re-key after a revocation leaves all items under the key that the thief knows",
    both(
        drop("ada.second rekey rekeyed", "ada.second rekey retired"),
        change("ada.second rekey snapshot", body=ADA.commit(6, 4, 3, "snapshot")),
        change("ada.second rekey purged", body=vault.ObjectsPurged(6)),
        change("ada.second rekey committed", body=rotation.RotationCommitted(ADA.saga("second rekey"), (2,))),
        change("ada.delta", body=ADA.commit(7, 2, 3)),
        change("ada.later delta", body=ADA.commit(8, 1, 3)),
        change("ada.last delta", body=ADA.commit(9, 1, 3)),
        insert(
            Step("end", 11 * DAYS + 200, ADA, auth.SessionEnded(ADA.session("last"), auth.SessionEnd.LOGOUT)),
            fact(45 * DAYS, auth.LoginFailed(auth.LoginStage.LOGIN_KEY), "late"),
        ),
    ),
    "ada.second rekey committed",
    "ROT-05",
    outcome=Outcome.NOTICED,
)


# What two devices were shown
def _fork(*, same_place: bool) -> Exhibit:
    """The laptop was shown one end of the vault, and the phone another; both have pinned what they saw."""
    other = write(change("ada.phone delta", body=ADA.commit(5, 1, 2))(tell_whole()))
    told, shown = honest().find("ada.phone delta"), other.find("ada.phone delta")
    longest = told if same_place else honest().find("ada.last delta")
    first_key = ADA.user_key(0).public
    pins = vouch(honest())
    pins[ADA.account] = Pin(first_key, {Stream.VAULT: longest.head}).merge(
        Pin(first_key, {Stream.VAULT: shown.head})
    )
    return Exhibit(honest().records, honest().places["ada.phone delta"], pins)


WITHHELD.add(
    "a device was shown another history, and another has seen more", lambda: _fork(same_place=False), "PIN-03"
)
WITHHELD.add("two devices were shown two events of one place", lambda: _fork(same_place=True), "PIN-03")
