"""D: the operator has a client's key besides: the stolen, revoked phone's, or a client of his own making."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from solekey_protocol.events import Body, Signer, auth, devices, rotation, vault
from solekey_protocol.services import Stream
from tamper.people import Device, digest
from tamper.stories import ADA, DAYS, LAPTOP, PHONE, login
from tamper.tampering import Family, both, change, insert
from tamper.writing import Step
from tests.support.keys import Key

COLLUSION = Family("D", "a client helps, and authority across the streams")
_lie = COLLUSION.lie
_ESCROW = replace(ADA.wrap(1, 2, 0), key_id=ADA.key_id(7), wrap=digest("escrow"))
_BLIND = {Stream.DEVICES: 4, Stream.AUTH: 6, Stream.ROTATION: 10}
"""What the phone had seen before its revocation."""


def say(at: float, body: Body, name: str = "lie", by: Device = LAPTOP, **how: object) -> Step:
    """A statement that a client signs."""
    return Step(name, at, ADA, body, by, **how)  # type: ignore[arg-type]  # as Step says


def operator(at: float, body: Body, name: str) -> Step:
    """A fact of the operator's, who helps his client."""
    return Step(name, at, ADA, body)


def until(name: str) -> Callable[[list[Step]], list[Step]]:
    """The story up to a step, and no further."""

    def cut(story: list[Step]) -> list[Step]:
        ordered = sorted(story, key=lambda step: step.at)
        return ordered[: 1 + next(place for place, step in enumerate(ordered) if step.name == name)]

    return cut


# Wraps
_lie("an escrow wrap under a key that is nobody's", insert(say(50, _ESCROW)), "lie", "LIN-01")
_lie(
    "made, and retired at once",
    insert(say(50, _ESCROW), say(51, replace(ADA.retire(1, 2), wrap=digest("escrow")), "after")),
    "lie",
    "LIN-01",
)
_lie("a wrap under the user key that was replaced", insert(say(600, ADA.wrap(3, 2, 0))), "lie", "LIN-01")
_lie(
    "a wrap under the next user key, of no rotation",
    insert(say(71.5, replace(ADA.wrap(1, 3, 1), rotation=None))),
    "lie",
    "LIN-01",
)
_lie(
    "a wrap that names another rotation",
    change("ada.change wrapped 1", body=ADA.wrap(1, 2, 1, "other")),
    "ada.change wrapped 1",
    "LIN-01",
)
_lie("a new epoch without a rotation", insert(say(600, ADA.wrap(4, 1, 2))), "lie", "LIN-01")
_lie("an epoch is skipped", insert(say(600, ADA.wrap(5, 1, 2))), "lie", "SIG-02")
_lie("a wrap version is skipped", insert(say(50, ADA.wrap(1, 9, 0))), "lie", "SIG-02")
_lie("a wrap version comes again", insert(say(50, ADA.wrap(1, 1, 0))), "lie", "SIG-02")
_lie(
    "the same wrap at another place",
    insert(say(600, replace(ADA.wrap(3, 2, 2), wrap=ADA.wrap_digest(3, 1)))),
    "lie",
    "WRP-01",
)
_lie(
    "a commit key that is a device's",
    insert(
        say(
            50,
            replace(ADA.wrap(1, 2, 0), commit_key=LAPTOP.key.public),
            keys={Signer.COMMIT: LAPTOP.key},
        )
    ),
    "lie",
    "SIG-02",
    "WRP-02",
)
_REUSED = replace(ADA.wrap(2, 1, 1, "rekey"), commit_key=ADA.commit_key(1).public)
_OLD: Mapping[Signer, Key] = {Signer.COMMIT: ADA.commit_key(1)}
_lie(
    "an epoch whose commit key is the one before",
    both(
        until("ada.rekey wrapped"),
        change("ada.rekey wrapped", body=_REUSED, keys=_OLD),
    ),
    "ada.rekey wrapped",
    "WRP-02",
)
_lie(
    "a live wrap is retired that is in use",
    insert(say(600, ADA.wrap(3, 2, 2), "second"), say(601, ADA.retire(3, 1))),
    "lie",
    "LIN-01",
)
_lie("the only wrap is retired", insert(say(600, ADA.retire(3, 1))), "lie", "SIG-02")

# Devices and commits
_lie(
    "a commit of the revoked phone, three days later",
    insert(say(9 * DAYS, ADA.commit(9, 1, 3), by=PHONE, sees=_BLIND)),
    "lie",
    "SIG-01",
    "REV-04",
    "CHN-02",
)
_lie(
    "nobody wrote to the vault since, and the phone claims what it had seen",
    both(until("ada.due data"), insert(say(4 * DAYS, ADA.commit(6, 1, 2), by=PHONE, sees=_BLIND))),
    "lie",
    "REV-04",
)
_lie(
    "the phone signs behind its revocation, in time, and nobody confirms",
    both(until("ada.due data"), insert(say(412, ADA.commit(6, 1, 2), by=PHONE, sees=_BLIND))),
    "lie",
    "REV-01",
)
_lie(
    "the phone enrols again",
    insert(say(600, devices.DeviceEnrolled(PHONE.certificate), by=PHONE)),
    "lie",
    "SIG-02",
)
_lie(
    "the phone is trusted again",
    insert(say(600, devices.DeviceTrusted(ADA.user_key(2).public, PHONE.certificate))),
    "lie",
    "SIG-02",
)
GHOST = ADA.device("ghost")
_lie(
    "a ghost enrols, and commits before it is trusted",
    insert(
        operator(600, login(ADA, "ghost", GHOST, 600), "ghost login"),
        say(601, devices.DeviceEnrolled(GHOST.certificate), "ghost", GHOST),
        say(602, ADA.commit(8, 1, 3), by=GHOST),
    ),
    "lie",
    "SIG-01",
)
_lie(
    "a device certified by the phone, with a user key of the operator's",
    insert(
        operator(33, login(ADA, "ghost", GHOST, 33), "ghost login"),
        say(34, devices.DeviceEnrolled(GHOST.certificate), "ghost", GHOST),
        say(
            35,
            devices.DeviceTrusted(ADA.user_key(0).public, GHOST.certificate),
            by=PHONE,
            keys={Signer.ACCOUNT: PHONE.key},
        ),
    ),
    "lie",
    "SIG-01",
)
_lie(
    "a device revokes itself",
    insert(
        say(50, devices.DeviceRevoked(PHONE.certificate.device, devices.RevocationReason.RETIRED), by=PHONE)
    ),
    "lie",
    "SIG-02",
)
_lie("a commit under the epoch before", insert(say(600, ADA.commit(8, 1, 2))), "lie", "SIG-02")
_lie("a commit number is skipped", insert(say(950, ADA.commit(12, 1, 3))), "lie", "SIG-02")
_lie(
    "a commit that its commit key did not sign",
    insert(say(950, ADA.commit(9, 1, 3), keys={Signer.COMMIT: ADA.commit_key(2)})),
    "lie",
    "SIG-01",
)
_lie("a purge beyond the last commit", insert(say(950, vault.ObjectsPurged(99))), "lie", "SIG-02")
_lie(
    "a purge outside of a rotation, and nobody has proven a factor",
    insert(say(10 * DAYS + 9_000, vault.ObjectsPurged(9))),
    "lie",
    "SES-08",
)
_lie(
    "a policy, and nobody has proven a factor",
    insert(say(10 * DAYS + 9_000, rotation.PolicySet(3650, 3650, rotation.Enforcement.ADVISORY))),
    "lie",
    "SES-08",
)
_lie(
    "a rotation that is not due, and nobody has proven a factor",
    insert(say(10 * DAYS + 9_000, ADA.start("third", (2, 3), (3, 3)))),
    "lie",
    "SES-08",
)
_STRANGER = ADA.device("stranger")
_lie(
    "a revocation, and nobody has proven a factor",
    insert(
        operator(11 * DAYS + 100, login(ADA, "stranger", _STRANGER, 11 * DAYS + 100), "in"),
        say(11 * DAYS + 101, devices.DeviceEnrolled(_STRANGER.certificate), "enrolled", _STRANGER),
        say(
            11 * DAYS + 9_000,
            devices.DeviceRevoked(_STRANGER.certificate.device, devices.RevocationReason.RETIRED),
        ),
        operator(
            11 * DAYS + 9_001,
            auth.SessionEnded(ADA.session("stranger"), auth.SessionEnd.DEVICE_REVOKED),
            "out",
        ),
    ),
    "lie",
    "SES-08",
)
_lie(
    "written while an enforced rotation is due",
    both(until("ada.due data"), insert(say(412, ADA.commit(6, 1, 2)))),
    "lie",
    "ROT-04",
)
_lie("heads that go back", insert(say(950, ADA.commit(9, 1, 3), sees={Stream.ROTATION: 3})), "lie", "CHN-02")
_lie(
    "heads that leave a stream out",
    insert(say(950, ADA.commit(9, 1, 3), sees={Stream.ROTATION: 0})),
    "lie",
    "CHN-02",
)
