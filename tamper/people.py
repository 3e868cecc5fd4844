"""Who is in the stories: people with devices and keys, and the bodies of what they state."""

from dataclasses import dataclass
from functools import cache, cached_property

from solekey_protocol.events import devices, rotation, vault
from solekey_protocol.events.fields import Platform, RotationKind
from solekey_protocol.ids import (
    AccountId,
    Digest,
    KeyId,
    RotationId,
    SessionId,
    compute_digest,
    derive_device_id,
)
from solekey_protocol.wrap import SecretKind
from tests.support.keys import Key, derive_raw


def digest(label: str) -> Digest:
    """A digest of something that the log does not hold."""
    return compute_digest(label.encode())


@cache
def _make_key(label: str) -> Key:
    return Key(label)


@dataclass(frozen=True)
class Device:
    """A device of somebody's."""

    label: str

    @cached_property
    def key(self) -> Key:
        """Its key."""
        return _make_key(f"device {self.label}")

    @cached_property
    def certificate(self) -> devices.DeviceCertificate:
        """What is certified of it."""
        key = self.key.public
        return devices.DeviceCertificate(
            derive_device_id(key), key, Platform.LINUX, digest(f"name {self.label}")
        )


@dataclass(frozen=True)
class Person:
    """Somebody with an account: every key and id follows from the name."""

    name: str

    @cached_property
    def account(self) -> AccountId:
        """The account."""
        return AccountId.from_raw(derive_raw(f"account {self.name}"))

    def device(self, label: str) -> Device:
        """A device of this person's."""
        return Device(f"{label} of {self.name}")

    def user_key(self, number: int) -> Key:
        """The account signing key of a user key: 0 is the first."""
        return _make_key(f"user key {number} of {self.name}")

    def key_id(self, number: int) -> KeyId:
        """The id of a user key."""
        return KeyId(derive_raw(f"key id {number} of {self.name}").hex())

    def commit_key(self, epoch: int) -> Key:
        """The commit key of an epoch."""
        return _make_key(f"commit key {epoch} of {self.name}")

    def session(self, label: str) -> SessionId:
        """A session."""
        return SessionId.from_raw(derive_raw(f"session {label} of {self.name}"))

    def saga(self, label: str) -> RotationId:
        """A rotation."""
        return RotationId.from_raw(derive_raw(f"rotation {label} of {self.name}"))

    def factor(self, label: str) -> Digest:
        """A second factor's id."""
        return digest(f"factor {label} of {self.name}")

    def founded(self, device: Device) -> devices.AccountFounded:
        """The account is founded."""
        return devices.AccountFounded(self.user_key(0).public, self.key_id(0), device.certificate)

    def wrap(self, epoch: int, version: int, key: int, rotation_label: str | None = None) -> vault.KeyWrapped:
        """A data key is wrapped."""
        return vault.KeyWrapped(
            SecretKind.DATA_KEY,
            epoch,
            version,
            self.key_id(key),
            vault.WrapSuite.HKDF_SHA256_AES256GCM,
            self.wrap_digest(epoch, version),
            self.commit_key(epoch).public,
            self.saga(rotation_label) if rotation_label else None,
        )

    def wrap_digest(self, epoch: int, version: int) -> Digest:
        """The digest of a wrap's bytes."""
        return digest(f"wrap {epoch}/{version} of {self.name}")

    def retire(self, epoch: int, version: int) -> vault.WrapRetired:
        """A wrap is retired."""
        return vault.WrapRetired(SecretKind.DATA_KEY, epoch, version, self.wrap_digest(epoch, version))

    def commit(self, number: int, count: int, epoch: int = 1, kind: str = "delta") -> vault.ItemsCommitted:
        """Items are committed, each in one of the smallest envelopes."""
        changes = digest(f"changes {number} of {self.name}")
        return vault.ItemsCommitted(number, vault.CommitKind(kind), epoch, changes, count, 346 * count)

    def start(
        self, label: str, keys: tuple[int, int], epochs: tuple[int, int], reason: str = "requested"
    ) -> rotation.RotationStarted:
        """A rotation starts: a change of the user key, or a re-key."""
        kind = RotationKind.USER_KEY if keys[0] != keys[1] else RotationKind.DATA_KEY
        ids = self.key_id(keys[0]), self.key_id(keys[1])
        return rotation.RotationStarted(
            self.saga(label), kind, rotation.RotationReason(reason), *ids, *epochs
        )

    def verify(self, label: str, *places: tuple[int, int]) -> rotation.RotationVerified:
        """The new wraps were read back: (epoch, version) of each."""
        raw = sorted(bytes.fromhex(self.wrap_digest(*place)) for place in places)
        return rotation.RotationVerified(self.saga(label), len(places), compute_digest(b"".join(raw)))

    def change_key(self, label: str, new: int, *trusted: Device) -> devices.AccountKeyChanged:
        """A user key takes over from the one before."""
        certificates = tuple(device.certificate for device in trusted)
        keys = self.user_key(new - 1).public, self.user_key(new).public
        return devices.AccountKeyChanged(*keys, self.key_id(new), self.saga(label), certificates)
