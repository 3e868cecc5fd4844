"""An honest log of one account: sign-up, a second device, commits, a user key change, a revocation."""

from solekey_protocol.event import Event
from solekey_protocol.events import Stream, auth, devices, rotation, vault
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import (
    SYSTEM_ACCOUNT,
    RotationId,
    SessionId,
    Timestamp,
    compute_digest,
    derive_signing_key_id,
)
from solekey_protocol.statements import EMPTY_HEAD
from solekey_protocol.wrap import SecretKind
from tests.support.keys import derive_commit_key
from tests.support.protocol.keyring import (
    KEY_ID,
    LAPTOP,
    MALLORY,
    NEXT_KEY_ID,
    NEXT_USER,
    NOON,
    PHONE,
    USER,
    digest,
    founded,
    record,
    say,
)

ROTATION = RotationId.from_raw(b"rotation of test")
LAPTOP_SESSION, PHONE_SESSION = (SessionId.from_raw(name.ljust(16, b".")) for name in (b"laptop", b"phone"))
LATER = Timestamp("2026-11-24T00:00:00.000Z")


class Story:
    """Writes events in order, each client having seen everything before."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.heads = dict.fromkeys(Stream, EMPTY_HEAD)

    def fact(self, body):
        return self._append(record(body, self.heads[body.STREAM]))

    def say(self, body, device=LAPTOP, **signers):
        own = body.STREAM
        seen = {stream: head for stream, head in self.heads.items() if stream is not own and head.seq}
        return self._append(
            record(say(body, self.heads[own], device=device, heads=seen, **signers), self.heads[own])
        )

    def _append(self, event):
        self.events.append(event)
        self.heads[event.stream] = event.head
        return event


def wrapped(epoch, version, key_id, rotation_id=None):
    suite = vault.WrapSuite.HKDF_SHA256_AES256GCM
    wrap = digest(f"{epoch}/{version}")
    return vault.KeyWrapped(
        SecretKind.DATA_KEY, epoch, version, key_id, suite, wrap, derive_commit_key(epoch).public, rotation_id
    )


def tell() -> list[Event]:
    """The honest log, in the order in which it was written."""
    story = Story()
    story.fact(auth.AccountRegistered(1))
    story.fact(auth.MfaEnrolled(auth.Factor.TOTP, compute_digest(b"totp salt")))
    story.fact(auth.SessionOpened(LAPTOP_SESSION, LAPTOP.device, auth.Factor.TOTP, LATER))
    story.say(founded(), account=USER)
    story.say(wrapped(1, 1, KEY_ID))
    story.say(vault.ItemsCommitted(1, vault.CommitKind.DELTA, 1, digest("changes 1"), 3, 4096))
    story.fact(auth.SessionOpened(PHONE_SESSION, PHONE.device, auth.Factor.TOTP, LATER))
    story.say(devices.DeviceEnrolled(PHONE.certificate), PHONE)
    story.say(devices.DeviceTrusted(USER.public, PHONE.certificate), PHONE, account=USER)
    story.say(vault.ItemsCommitted(2, vault.CommitKind.DELTA, 1, digest("changes 2"), 1, 1024), PHONE)
    story.say(devices.DeviceRevoked(PHONE.device, devices.RevocationReason.STOLEN))
    story.fact(auth.SessionEnded(PHONE_SESSION, auth.SessionEnd.DEVICE_REVOKED))
    for kind in RotationKind:
        story.fact(rotation.RotationDue(kind, NOON, rotation.DueCause.REVOCATION))
    story.say(
        rotation.RotationStarted(
            ROTATION,
            RotationKind.USER_KEY,
            rotation.RotationReason.REVOCATION,
            KEY_ID,
            NEXT_KEY_ID,
            1,
            1,
        )
    )
    story.say(wrapped(1, 2, NEXT_KEY_ID, ROTATION))
    story.say(rotation.RotationVerified(ROTATION, 1, compute_digest(bytes.fromhex(digest("1/2")))))
    changed = devices.AccountKeyChanged(
        USER.public, NEXT_USER.public, NEXT_KEY_ID, ROTATION, (LAPTOP.certificate,)
    )
    story.say(changed, account=USER, next_account=NEXT_USER)
    story.say(rotation.RotationCommitted(ROTATION, ()), account=NEXT_USER)
    story.say(vault.WrapRetired(SecretKind.DATA_KEY, 1, 1, digest("1/1")), account=NEXT_USER)
    story.say(rotation.RotationCompleted(ROTATION), account=NEXT_USER)
    story.say(vault.ItemsCommitted(3, vault.CommitKind.SNAPSHOT, 1, digest("changes 3"), 4, 5120))
    return story.events


def publish_signing_key() -> Event:
    """The platform's own record of the key that signed the story's access tokens."""
    at = Timestamp("2026-11-23T11:59:00.000Z")
    body = auth.SigningKeyPublished(derive_signing_key_id(MALLORY.public), MALLORY.public, at, LATER)
    return record(body, account=SYSTEM_ACCOUNT)


def tell_whole() -> list[Event]:
    """The honest log with the platform's own records: what an operator exports."""
    return [publish_signing_key(), *tell()]
