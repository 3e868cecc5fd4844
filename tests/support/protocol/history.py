"""An account's three signed streams, grown statement by statement, for the lineage rules.

``say`` signs with all that was seen before, or with older heads where a test claims them, verifies the
statement as a service would, and follows it. ``write`` skips the lineage rules: what a hostile operator could
put into the log.
"""

from collections.abc import Mapping

from solekey_protocol.event import Event
from solekey_protocol.events import Body, Stream, devices, rotation, vault
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import KeyId, RotationId, compute_digest
from solekey_protocol.lineage import Account, verify_lineage
from solekey_protocol.statements import Head, SignedStatement
from solekey_protocol.streams import DevicesStream, RotationStream, VaultStream
from solekey_protocol.wrap import SecretKind
from tests.support.keys import Key, derive_commit_key
from tests.support.protocol.keyring import ACCOUNT, KEY_ID, LAPTOP, PHONE, USER, digest, founded, record, say

KEY_IDS = {name: KeyId(f"{number:02x}" * 16) for number, name in enumerate(("K0", "K1", "K2"), 1)}
USER_KEYS = {"K0": USER, "K1": Key("next user key"), "K2": Key("third user key")}
SIGNED = (Stream.DEVICES, Stream.VAULT, Stream.ROTATION)
assert KEY_IDS["K0"] == KEY_ID


def rotation_id(label: str) -> RotationId:
    return RotationId.from_raw(label.encode().ljust(16, b"."))


def wrapped(
    version: int = 1, key: str = "K0", epoch: int = 1, rotation: str | None = None
) -> vault.KeyWrapped:
    return vault.KeyWrapped(
        SecretKind.DATA_KEY,
        epoch,
        version,
        KEY_IDS[key],
        vault.WrapSuite.HKDF_SHA256_AES256GCM,
        digest(f"wrap {epoch}/{version}"),
        derive_commit_key(epoch).public,
        rotation_id(rotation) if rotation else None,
    )


def retired(version: int = 1, epoch: int = 1) -> vault.WrapRetired:
    return vault.WrapRetired(SecretKind.DATA_KEY, epoch, version, digest(f"wrap {epoch}/{version}"))


def committed(number: int, epoch: int = 1, kind: str = "delta") -> vault.ItemsCommitted:
    return vault.ItemsCommitted(number, vault.CommitKind(kind), epoch, digest(f"changes {number}"), 1, 346)


def started(
    label: str, to_key: str = "K1", from_key: str = "K0", from_epoch: int = 1
) -> rotation.RotationStarted:
    """A change of the user key."""
    kind, requested = RotationKind.USER_KEY, rotation.RotationReason.REQUESTED
    keys = KEY_IDS[from_key], KEY_IDS[to_key]
    return rotation.RotationStarted(rotation_id(label), kind, requested, *keys, from_epoch, from_epoch)


def rekey(label: str, from_epoch: int = 1, key: str = "K0") -> rotation.RotationStarted:
    kind, requested = RotationKind.DATA_KEY, rotation.RotationReason.REQUESTED
    keys = KEY_IDS[key], KEY_IDS[key]
    return rotation.RotationStarted(rotation_id(label), kind, requested, *keys, from_epoch, from_epoch + 1)


def verified(label: str, *places: tuple[int, int]) -> rotation.RotationVerified:
    """What somebody says who has read back these (epoch, version) wraps."""
    raw = sorted(bytes.fromhex(digest(f"wrap {epoch}/{version}")) for epoch, version in places)
    return rotation.RotationVerified(rotation_id(label), len(places), compute_digest(b"".join(raw)))


def done(label: str, *left: int) -> rotation.RotationCommitted:
    return rotation.RotationCommitted(rotation_id(label), left)


def completed(label: str) -> rotation.RotationCompleted:
    return rotation.RotationCompleted(rotation_id(label))


def aborted(label: str) -> rotation.RotationAborted:
    return rotation.RotationAborted(rotation_id(label), rotation.AbortReason.USER_REQUEST)


def taken(label: str, to_key: str = "K1", from_key: str = "K0") -> devices.AccountKeyChanged:
    return devices.AccountKeyChanged(
        USER_KEYS[from_key].public,
        USER_KEYS[to_key].public,
        KEY_IDS[to_key],
        rotation_id(label),
        (LAPTOP.certificate, PHONE.certificate),
    )


def abandoned(label: str, key: str = "K1") -> devices.KeyChangeAbandoned:
    return devices.KeyChangeAbandoned(rotation_id(label), KEY_IDS[key])


class History:
    """The streams, and every head that they had."""

    def __init__(self) -> None:
        self.account = Account(
            DevicesStream.start(ACCOUNT), VaultStream.start(ACCOUNT), RotationStream.start(ACCOUNT)
        )
        self.events: list[Event] = []
        for body, device in (
            (founded(), LAPTOP),
            (devices.DeviceEnrolled(PHONE.certificate), PHONE),
            (devices.DeviceTrusted(USER.public, PHONE.certificate), PHONE),
        ):
            self.write(body, device=device)

    def fold(self, stream: Stream) -> DevicesStream | VaultStream | RotationStream:
        return {
            Stream.DEVICES: self.account.devices,
            Stream.VAULT: self.account.vault,
            Stream.ROTATION: self.account.rotation,
        }[stream]

    @property
    def seen(self) -> dict[Stream, Head]:
        """The heads that somebody claims now who sees everything."""
        heads = {stream: self.fold(stream).head for stream in SIGNED}
        return {stream: head for stream, head in heads.items() if head.seq}

    def sign(
        self,
        body: Body,
        seen: Mapping[Stream, Head] | None = None,
        *,
        device: Key = LAPTOP,
        **signers: Key,
    ) -> SignedStatement:
        """Sign for the next place, having seen all or ``seen``, with the user key in force there."""
        heads = {s: h for s, h in (self.seen if seen is None else seen).items() if s is not body.STREAM}
        known = self.account.devices.key_at(heads.get(Stream.DEVICES, self.account.devices.head).seq)
        in_force = next((k for k in USER_KEYS.values() if known and k.public == known.account_key), USER)
        keys = {"account": in_force, "next_account": USER_KEYS["K1"], **signers}
        return say(body, self.fold(body.STREAM).head, device=device, heads=heads, **keys)

    def say(self, body: Body, seen: Mapping[Stream, Head] | None = None, **how: Key) -> None:
        """Say what every rule allows."""
        signed = self.sign(body, seen, **how)
        verify_lineage(signed, self.account)
        self._follow(signed)

    def write(self, body: Body, seen: Mapping[Stream, Head] | None = None, **how: Key) -> None:
        """Write what is signed and chained, without asking the lineage rules."""
        self._follow(self.sign(body, seen, **how))

    def _follow(self, signed: SignedStatement) -> None:
        before = self.fold(signed.statement.stream)
        event = record(signed, before.head)
        after = before.apply(event, self.account.devices)
        self.events.append(event)
        self.account = self.account.before(after)


def tell(*bodies: Body) -> History:
    """A history in which each author has seen all before."""
    history = History()
    for body in bodies:
        history.say(body)
    return history


def without(history: History, stream: Stream, seq: int) -> dict[Stream, Head]:
    """All heads of now, but of one stream an older one."""
    event = next(e for e in history.events if (e.stream, e.seq) == (stream, seq))
    return {**history.seen, stream: event.head}
