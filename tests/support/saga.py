"""A user key change, put into the streams step by step, as a client that sees everything would say it."""

from pathlib import Path

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_protocol.event import Event
from solekey_protocol.events import Body, Stream, devices, vault
from solekey_protocol.events import rotation as events
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import Digest, KeyId, RotationId, compute_digest
from solekey_protocol.statements import SignedStatement
from solekey_protocol.wrap import SecretKind
from solekey_rotation.definition import DEFINITION as ROTATION
from solekey_vault.definition import DEFINITION as VAULT
from tests.support.actors import Actor, UserKey, derive_rotation_id
from tests.support.kernels import Rig
from tests.support.keys import Key, derive_commit_key

SIGNED = (Stream.DEVICES, Stream.VAULT, Stream.ROTATION)


def wrapped(
    version: int, key_id: KeyId, rotation: RotationId | None = None, epoch: int = 1
) -> vault.KeyWrapped:
    """The body that describes a wrap which nobody uploads."""
    return vault.KeyWrapped(
        SecretKind.DATA_KEY,
        epoch,
        version,
        key_id,
        vault.WrapSuite.HKDF_SHA256_AES256GCM,
        compute_digest(f"{epoch}/{version}".encode()),
        derive_commit_key(epoch).public,
        rotation,
    )


def retired(version: int, epoch: int = 1) -> vault.WrapRetired:
    """The body that retires it."""
    digest = compute_digest(f"{epoch}/{version}".encode())
    return vault.WrapRetired(SecretKind.DATA_KEY, epoch, version, digest)


def derive_digest(*versions: int) -> Digest:
    """What ``rotation_verified`` says of these wraps of epoch 1. Spec: rotation.md §3."""
    raw = sorted(bytes.fromhex(compute_digest(f"1/{version}".encode())) for version in versions)
    return compute_digest(b"".join(raw))


class Saga:
    """The streams of one account, in a rig of all three services; what is said is delivered at once."""

    def __init__(self, rig: Rig, actor: Actor, new: UserKey, folder: Path) -> None:
        self.rig, self.actor, self.new = rig, actor, new
        self.rotation = derive_rotation_id("one")
        for definition in (DEVICES, ROTATION):
            if definition.stream not in rig.kernels:
                rig.build(definition)
        if Stream.VAULT not in rig.kernels:
            rig.build(VAULT, object_store_url=f"file://{folder}/objects")

    def sign(self, body: Body, **signers: Key) -> SignedStatement:
        """Sign a body for the next place, having seen everything."""
        others = [stream for stream in SIGNED if stream is not body.STREAM]
        heads = {s: h for s, h in self.rig.heads(self.actor.account, *others).items() if h.seq}
        return self.actor.sign(body, self.rig.head(body.STREAM, self.actor.account), heads, **signers)

    def put(self, said_: Body | SignedStatement, **signers: Key) -> Event:
        """Put it into its stream without asking the service, and deliver it to all."""
        signed = said_ if isinstance(said_, SignedStatement) else self.sign(said_, **signers)
        event = self.rig.append(signed)
        self.rig.deliver()
        return event

    def stage(self) -> None:
        """Wrap once, start a change of the user key, and wrap under the new one."""
        old = self.actor.user_key.key_id
        self.put(wrapped(1, old))
        self.put(self.started())
        self.put(wrapped(2, self.new.key_id, self.rotation))

    def started(self) -> events.RotationStarted:
        """The body that starts the change."""
        old, new = self.actor.user_key.key_id, self.new.key_id
        requested = events.RotationReason.REQUESTED
        return events.RotationStarted(self.rotation, RotationKind.USER_KEY, requested, old, new, 1, 1)

    def verify(self) -> None:
        """Say that the new wrap was read back."""
        self.put(events.RotationVerified(self.rotation, 1, derive_digest(2)))

    def abandoned(self) -> devices.KeyChangeAbandoned:
        """The body that decides against the change."""
        return devices.KeyChangeAbandoned(self.rotation, self.new.key_id)
