"""What honestly happened: five stories, of which the audit of each finds nothing.

``tell_whole`` is the one that classes lie about: two people with two devices each, items, a policy, changes
of the user key, re-keys, a lost phone, a closed account. The others happen to honest platforms, too.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from solekey_protocol.events import Body, Stream, auth, devices, rotation, vault
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import derive_signing_key_id
from tamper.people import Device, Person
from tamper.writing import Step, moment
from tests.support.keys import Key

ADA, BEN, CYD, DOT = (Person(name) for name in ("ada", "ben", "cyd", "dot"))
LAPTOP, PHONE = ADA.device("laptop"), ADA.device("phone")
DESK, TABLET = BEN.device("desk"), BEN.device("tablet")
HOURS: Final = 3600
DAYS: Final = 24 * HOURS
SIGNING_KEYS: Final = Key("signing key 0"), Key("signing key 1")
_TOTP, _CODES, _PASSKEY = auth.Factor.TOTP, auth.Factor.RECOVERY_CODES, auth.Factor.PASSKEY
_USER, _DATA = RotationKind.USER_KEY, RotationKind.DATA_KEY
_KINDS: Final = {"user": _USER, "data": _DATA}
_ENFORCED: Final = rotation.Enforcement.ENFORCED


def login(
    who: Person, label: str, device: Device, at: float, factor: auth.Factor = _TOTP
) -> auth.SessionOpened:
    """A session of 12 h."""
    end = moment(at + 12 * HOURS)
    return auth.SessionOpened(who.session(label), device.certificate.device, factor, end)


def publish(number: int, begins: float, days: int = 31) -> auth.SigningKeyPublished:
    """A signing key is announced."""
    key = SIGNING_KEYS[number].public
    ends = moment(begins + days * DAYS)
    return auth.SigningKeyPublished(derive_signing_key_id(key), key, moment(begins), ends)


def due(
    kind: RotationKind,
    since: float,
    cause: str = "revocation",
    enforcement: rotation.Enforcement = rotation.Enforcement.ADVISORY,
) -> rotation.RotationDue:
    """A rotation is stated as due."""
    return rotation.RotationDue(kind, moment(since), rotation.DueCause(cause), enforcement)


class Telling:
    """Steps of one person's account, each named ``person.step``."""

    def __init__(self, who: Person | None) -> None:
        self.who = who
        self.steps: list[Step] = []

    def add(self, name: str, at: float, body: Body, by: Device | None = None) -> "Telling":
        """Add a step."""
        full = f"{self.who.name if self.who else 'platform'}.{name}"
        self.steps.append(Step(full, at, self.who, body, by))
        return self

    def sign_up(self, at: float, device: Device) -> "Telling":
        """Register, log in, found the account, wrap its data key."""
        assert self.who is not None  # the platform's account signs nothing
        who = self.who
        self.add("registered", at, auth.AccountRegistered(1))
        self.add("totp", at + 10, auth.MfaEnrolled(_TOTP, who.factor("totp")))
        self.add("login", at + 10, login(who, "first", device, at + 10))
        self.add("founded", at + 11, who.founded(device), device)
        self.add("wrapped", at + 12, who.wrap(1, 1, 0), device)
        self.add("codes", at + 20, auth.MfaEnrolled(_CODES, who.factor("codes")))
        return self

    def add_device(self, at: float, device: Device, label: str, key: int = 0) -> "Telling":
        """Log in on another device, enrol it, and certify it there with the user key."""
        assert self.who is not None  # the platform's account signs nothing
        self.add(f"{label} login", at, login(self.who, label, device, at))
        self.add(f"{label} enrolled", at + 1, devices.DeviceEnrolled(device.certificate), device)
        trusted = devices.DeviceTrusted(self.who.user_key(key).public, device.certificate)
        self.add(f"{label} trusted", at + 2, trusted, device)
        return self

    def change_key(  # one argument for each thing that a change depends on
        self,
        at: float,
        label: str,
        keys: tuple[int, int],
        epochs: Mapping[int, int],
        trusted: Iterable[Device],
        reason: str = "requested",
    ) -> "Telling":
        """Change the user key: ``epochs`` says of each live one the version of its wrap."""
        assert self.who is not None  # the platform's account signs nothing
        who, (old, new), by = self.who, keys, next(iter(trusted := tuple(trusted)))
        newest = max(epochs)
        self.add(f"{label} started", at, who.start(label, keys, (newest, newest), reason), by)
        for epoch, version in epochs.items():
            body = who.wrap(epoch, version + 1, new, label)
            self.add(f"{label} wrapped {epoch}", at + 1, body, by)
        places = [(epoch, version + 1) for epoch, version in epochs.items()]
        self.add(f"{label} verified", at + 2, who.verify(label, *places), by)
        self.add(
            f"{label} taken",
            at + 3,
            replace(who.change_key(label, new, *trusted), previous_account_key=who.user_key(old).public),
            by,
        )
        self.add(f"{label} committed", at + 4, rotation.RotationCommitted(who.saga(label), ()), by)
        for epoch, version in epochs.items():
            self.add(f"{label} retired {epoch}", at + 5, who.retire(epoch, version), by)
        self.add(f"{label} completed", at + 6, rotation.RotationCompleted(who.saga(label)), by)
        return self

    def rekey(  # one argument for each thing that a re-key depends on
        self,
        at: float,
        label: str,
        key: int,
        epoch: int,
        old: tuple[int, int],
        commits: tuple[int, int],
        by: Device,
        reason: str = "requested",
    ) -> "Telling":
        """Re-key to ``epoch``: ``old`` is the (epoch, version) of the wrap that is retired, ``commits`` the
        number of the next commit and how many items there are.
        """
        assert self.who is not None  # the platform's account signs nothing
        who, (number, items) = self.who, commits
        self.add(f"{label} started", at, who.start(label, (key, key), (epoch - 1, epoch), reason), by)
        self.add(f"{label} wrapped", at + 1, who.wrap(epoch, 1, key, label), by)
        self.add(f"{label} verified", at + 2, who.verify(label, (epoch, 1)), by)
        self.add(f"{label} rekeyed", at + 3, who.commit(number, items, epoch, "rekey"), by)
        self.add(f"{label} snapshot", at + 4, who.commit(number + 1, items, epoch, "snapshot"), by)
        self.add(f"{label} committed", at + 5, rotation.RotationCommitted(who.saga(label), ()), by)
        self.add(f"{label} retired", at + 6, who.retire(*old), by)
        self.add(f"{label} purged", at + 7, vault.ObjectsPurged(number + 1), by)
        self.add(f"{label} completed", at + 8, rotation.RotationCompleted(who.saga(label)), by)
        return self


def tell_platform() -> list[Step]:
    """The platform's own account: two signing keys, one after the other."""
    telling = Telling(None).add("key", -100, publish(0, -160))
    return telling.add("next key", 20 * DAYS, publish(1, 20 * DAYS + 600)).steps


def tell_ada() -> list[Step]:
    """A laptop and a phone, two rotations by choice, a stolen phone and the two that follow it."""
    ada = Telling(ADA).sign_up(0, LAPTOP).add("commit 1", 25, ADA.commit(1, 3), LAPTOP)
    ada.add_device(30, PHONE, "phone").add("phone commit", 40, ADA.commit(2, 1), PHONE)
    ada.add("failed", 45, auth.LoginFailed(auth.LoginStage.SECOND_FACTOR))
    policy = rotation.PolicySet(180, 180, _ENFORCED)
    ada.add("policy", 60, policy, LAPTOP)
    ada.change_key(70, "change", (0, 1), {1: 1}, (LAPTOP, PHONE))
    ada.rekey(90, "rekey", 1, 2, (1, 2), (3, 4), LAPTOP)
    ada.add("phone delta", 110, ADA.commit(5, 2, 2), PHONE)
    ada.add("refreshed", 300, auth.SessionRefreshed(ADA.session("first"), 2))
    ada.add("code", 400, auth.RecoveryCodeUsed(ADA.factor("codes"), 9))
    ada.add("step-up", 400, auth.SessionSteppedUp(ADA.session("first"), _CODES))
    ada.add(
        "revoked",
        410,
        devices.DeviceRevoked(PHONE.certificate.device, devices.RevocationReason.STOLEN),
        LAPTOP,
    )
    ada.add("due user", 411, due(_USER, 410, enforcement=_ENFORCED))
    ada.add("due data", 411, due(_DATA, 410, enforcement=_ENFORCED))
    ada.add("phone ended", 411, auth.SessionEnded(ADA.session("phone"), auth.SessionEnd.DEVICE_REVOKED))
    ada.change_key(420, "second change", (1, 2), {2: 1}, (LAPTOP,), "revocation")
    ada.rekey(440, "second rekey", 2, 3, (2, 2), (6, 4), LAPTOP, "revocation")
    ada.add("password", 500, auth.LoginKeyChanged(2, auth.LoginKeyChange.PASSWORD_CHANGED))
    ada.add("delta", 900, ADA.commit(8, 2, 3), LAPTOP)
    ada.add("logout", 1000, auth.SessionEnded(ADA.session("first"), auth.SessionEnd.LOGOUT))
    ada.add("later login", 10 * DAYS, login(ADA, "later", LAPTOP, 10 * DAYS))
    ada.add("later delta", 10 * DAYS + 60, ADA.commit(9, 1, 3), LAPTOP)
    ada.add("later end", 10 * DAYS + 43_210, auth.SessionEnded(ADA.session("later"), auth.SessionEnd.EXPIRED))
    ada.add("last login", 11 * DAYS, login(ADA, "last", LAPTOP, 11 * DAYS))
    return ada.add("last delta", 11 * DAYS + 100, ADA.commit(10, 1, 3), LAPTOP).steps


def tell_ben() -> list[Step]:
    """A desk and a tablet, a passkey, a used refresh token that comes back, another authenticator."""
    ben = Telling(BEN).sign_up(2_000, DESK).add("commit 1", 2_025, BEN.commit(1, 2), DESK)
    ben.add("passkey", 2_030, auth.MfaEnrolled(_PASSKEY, BEN.factor("passkey")))
    ben.add_device(2_040, TABLET, "tablet")
    ben.add("reuse", 2_100, auth.RefreshReuseDetected(BEN.session("tablet"), 1))
    ben.add("reuse end", 2_100, auth.SessionEnded(BEN.session("tablet"), auth.SessionEnd.REFRESH_REUSED))
    ben.add("totp removed", 2_200, auth.MfaRemoved(_TOTP, BEN.factor("totp")))
    ben.add("totp again", 2_200, auth.MfaEnrolled(_TOTP, BEN.factor("second totp")))
    ben.add("relogin", 2_300, login(BEN, "tablet again", TABLET, 2_300, _PASSKEY))
    ben.add("password", 2_400, auth.LoginKeyChanged(2, auth.LoginKeyChange.PASSWORD_CHANGED))
    ben.add("password end", 2_400, auth.SessionEnded(BEN.session("first"), auth.SessionEnd.PASSWORD_CHANGED))
    ben.add("tablet commit", 2_500, BEN.commit(2, 1), TABLET)
    ben.add("end", 2_600, auth.SessionEnded(BEN.session("tablet again"), auth.SessionEnd.LOGOUT))
    return ben.steps


def tell_cyd() -> list[Step]:
    """Somebody who closes the account."""
    device = CYD.device("only")
    cyd = Telling(CYD).sign_up(3_000, device)
    cyd.add("end", 3_100, auth.SessionEnded(CYD.session("first"), auth.SessionEnd.ACCOUNT_CLOSED))
    return cyd.add("closed", 3_100, auth.AccountClosed(1)).steps


def tell_whole() -> list[Step]:
    """The story that classes lie about."""
    return [*tell_platform(), *tell_ada(), *tell_ben(), *tell_cyd()]


def tell_small() -> list[Step]:
    """A registration that came to nothing and was made again; a login of a device that never enrolled."""
    dot, device = Telling(DOT), DOT.device("only")
    dot.add("unproven", 0, auth.AccountRegistered(1)).add("again", 7_200, auth.AccountRegistered(2))
    dot.add("totp", 7_300, auth.MfaEnrolled(_TOTP, DOT.factor("totp")))
    dot.add("login", 7_300, login(DOT, "first", device, 7_300))
    return [*tell_platform(), *dot.steps]


def tell_race() -> list[Step]:
    """A revocation and what races with it: a commit that saw nothing of it, a login of the same moment."""
    ada = [step for step in tell_ada() if step.at <= 410]
    race = Telling(ADA)
    race.add("phone races", 415, ADA.commit(6, 1, 2), PHONE)
    race.add("race login", 412, login(ADA, "race", PHONE, 412))
    race.add("race end", 416, auth.SessionEnded(ADA.session("race"), auth.SessionEnd.DEVICE_REVOKED))
    race.add("phone ended", 416, auth.SessionEnded(ADA.session("phone"), auth.SessionEnd.DEVICE_REVOKED))
    race.add("due user", 416, due(_USER, 410, enforcement=_ENFORCED))
    race.add("due data", 416, due(_DATA, 410, enforcement=_ENFORCED))
    race.change_key(420, "second change", (1, 2), {2: 1}, (LAPTOP,), "revocation")
    race.rekey(440, "second rekey", 2, 3, (2, 2), (7, 4), LAPTOP, "revocation")
    seen_before = {step.name: step for step in race.steps}
    race.steps[race.steps.index(seen_before["ada.phone races"])] = seen_before["ada.phone races"].but(
        sees={Stream.DEVICES: 4, Stream.AUTH: 6}
    )
    return [*tell_platform(), *ada, *race.steps]


def tell_clocks() -> list[Step]:
    """The first story, by services whose clocks differ by up to 50 s."""
    skews = {Stream.AUTH: 0, Stream.DEVICES: 25, Stream.VAULT: -25, Stream.ROTATION: 10}
    since = {f"ada.due {kind}": due(of, 410 + 25, enforcement=_ENFORCED) for kind, of in _KINDS.items()}
    return [
        step.but(clock=skews[step.body.STREAM], body=since.get(step.name, step.body)) for step in tell_whole()
    ]


def tell_given_up() -> list[Step]:
    """A user key change that is given up, a policy of 30 days, a data key that comes due, and its re-key."""
    ben = Telling(BEN).sign_up(0, DESK).add("commit 1", 25, BEN.commit(1, 2), DESK)
    ben.add("started", 30, BEN.start("change", (0, 1), (1, 1)), DESK)
    ben.add("wrapped new", 31, BEN.wrap(1, 2, 1, "change"), DESK)
    ben.add("abandoned", 32, devices.KeyChangeAbandoned(BEN.saga("change"), BEN.key_id(1)), DESK)
    ben.add("taken back", 33, BEN.retire(1, 2), DESK)
    aborted = rotation.RotationAborted(BEN.saga("change"), rotation.AbortReason.USER_REQUEST)
    ben.add("aborted", 34, aborted, DESK)
    ben.add("policy", 40, rotation.PolicySet(365, 10, _ENFORCED), DESK)
    ben.add("end", 200, auth.SessionEnded(BEN.session("first"), auth.SessionEnd.ENDED_BY_OPERATOR))
    ben.add("due", 10 * DAYS + 30, due(_DATA, 10 * DAYS + 12, "age", _ENFORCED))
    ben.add("again", 11 * DAYS, login(BEN, "again", DESK, 11 * DAYS))
    ben.rekey(11 * DAYS + 10, "rekey", 0, 2, (1, 1), (2, 2), DESK, "policy")
    ben.add("delta", 11 * DAYS + 60, BEN.commit(4, 1, 2), DESK)
    ben.add("again end", 11 * DAYS + 100, auth.SessionEnded(BEN.session("again"), auth.SessionEnd.LOGOUT))
    return [*tell_platform(), *ben.steps]


HONEST: Final[Mapping[str, Callable[[], list[Step]]]] = {
    "two people, rotations, a stolen phone, a closed account": tell_whole,
    "a registration that was made again, and a device that never enrolled": tell_small,
    "a commit and a login that race with a revocation": tell_race,
    "a change that is given up, a policy, a key that comes due": tell_given_up,
    "services whose clocks differ": tell_clocks,
}
