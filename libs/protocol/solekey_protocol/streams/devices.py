"""Who may speak for an account: the trust rules as a state machine. Spec: devices.md §2.

::

    (nothing) --AccountFounded[device, account]--> founding device TRUSTED
    unknown   --DeviceEnrolled[itself]-----------> PENDING
    PENDING   --DeviceTrusted[itself or a trusted device, account]--> TRUSTED
    PENDING, TRUSTED --DeviceRevoked[a trusted device, account]--> REVOKED, for ever
    AccountKeyChanged[a trusted device, account, next account]: certifies exactly the TRUSTED devices again

A user key change is decided here, once (spec: rotation.md §3):

    (undecided) --AccountKeyChanged--> TAKEN
    (undecided) --KeyChangeAbandoned[a trusted device, account]--> ABANDONED

In brackets: whose signatures the event carries. A device is TRUSTED only by a signature of the user key's
holder; a server that adds a ghost has no such signature.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from solekey_protocol.errors import ForkError, GapError, TransitionError, UntrustedDeviceError
from solekey_protocol.event import Event
from solekey_protocol.events import devices as events
from solekey_protocol.events.body import Signer
from solekey_protocol.ids import (
    DeviceId,
    Digest,
    KeyId,
    PublicKey,
    RotationId,
    derive_device_id,
)
from solekey_protocol.limits import MAX_DEVICES
from solekey_protocol.services import Stream
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement, Statement
from solekey_protocol.streams.fold import Fold, TrustedDevices


class DeviceStatus(StrEnum):
    """Where a device stands."""

    PENDING = "pending"
    TRUSTED = "trusted"
    REVOKED = "revoked"


class Outcome(StrEnum):
    """What became of a user key change."""

    TAKEN = "taken"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class KeyDecision:
    """The decision about one user key change, and the position at which it was made."""

    rotation: RotationId
    outcome: Outcome
    key_id: KeyId
    at: int


@dataclass(frozen=True, slots=True)
class AccountKey:
    """A user key of the account: its public signing key, its id, and the position since which it counts."""

    account_key: PublicKey
    key_id: KeyId
    since: int


@dataclass(frozen=True, slots=True)
class Device:
    """A device and the positions in the ``devices`` stream that changed its standing."""

    certificate: events.DeviceCertificate
    status: DeviceStatus
    enrolled_at: int
    trusted_at: int | None = None
    revoked_at: int | None = None
    revocation_heads: Mapping[Stream, Head] = field(default_factory=dict)
    """What the author of the revocation had seen of the other streams."""

    def was_trusted_at(self, seq: int) -> bool:
        """Whether the device was trusted once the stream had reached ``seq``."""
        trusted = self.trusted_at is not None and self.trusted_at <= seq
        return trusted and (self.revoked_at is None or seq < self.revoked_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesStream(Fold):
    """The folded ``devices`` stream of one account."""

    STREAM = Stream.DEVICES

    keys: tuple[AccountKey, ...] = ()
    decisions: Mapping[RotationId, KeyDecision] = field(default_factory=dict)
    devices: Mapping[DeviceId, Device] = field(default_factory=dict)
    digests: tuple[Digest, ...] = ()

    @property
    def account_key(self) -> PublicKey | None:
        """The account signing key in force; None before the account is founded."""
        return self.keys[-1].account_key if self.keys else None

    @property
    def key_id(self) -> KeyId | None:
        """The id of the user key in force; None before the account is founded."""
        return self.keys[-1].key_id if self.keys else None

    def key_at(self, seq: int) -> AccountKey | None:
        """The user key in force once the stream had reached ``seq``."""
        return next((key for key in reversed(self.keys) if key.since <= seq), None)

    def was_replaced_at(self, key_id: KeyId, seq: int) -> bool:
        """Whether a user key had been in force, and no longer was, once the stream had reached ``seq``."""
        current = self.key_at(seq)
        before = {key.key_id for key in self.keys if current is not None and key.since < current.since}
        return key_id in before

    def was_abandoned_at(self, key_id: KeyId, seq: int) -> bool:
        """Whether the change to a user key had been abandoned once the stream had reached ``seq``."""
        return any(
            decision.outcome is Outcome.ABANDONED and decision.key_id == key_id and decision.at <= seq
            for decision in self.decisions.values()
        )

    def decision_at(self, rotation: RotationId, seq: int) -> Outcome | None:
        """What had become of a user key change once the stream had reached ``seq``; None: undecided."""
        decision = self.decisions.get(rotation)
        return decision.outcome if decision is not None and decision.at <= seq else None

    @property
    def trusted(self) -> dict[DeviceId, Device]:
        """The devices that are trusted now."""
        return {i: d for i, d in self.devices.items() if d.status is DeviceStatus.TRUSTED}

    def verify(self, signed: SignedStatement, devices: TrustedDevices) -> Statement:  # noqa: ARG002  # this stream itself says it
        """Verify that a statement for *this* stream is signed by all keys that its type requires.

        Raises:
            SignatureError, UntrustedDeviceError
        """
        statement = signed.statement
        signed.verify(Signer.DEVICE, self._device_key_for(statement))
        body = statement.body
        if isinstance(body, events.AccountFounded | events.DeviceTrusted):
            signed.verify(Signer.ACCOUNT, body.account_key)
        elif isinstance(body, events.AccountKeyChanged):
            signed.verify(Signer.ACCOUNT, body.previous_account_key)
            signed.verify(Signer.NEXT_ACCOUNT, body.account_key)
        elif Signer.ACCOUNT in body.SIGNERS:
            self._verify_account(signed, self.head.seq)
        return statement

    def verify_statement(self, signed: SignedStatement) -> Statement:
        """Verify a statement for *another* stream: its device was trusted at the devices head that it claims.

        Raises:
            SignatureError: not signed by that device.
            UntrustedDeviceError: unknown, pending, or revoked at that head.
            GapError: the claimed head is ahead of what was followed here.
            ForkError: the claimed head is of another history.
        """
        statement = signed.statement
        claimed = statement.heads.get(Stream.DEVICES, EMPTY_HEAD)
        if claimed.seq > self.head.seq:
            raise GapError(f"statement saw devices seq {claimed.seq}; only {self.head.seq} followed here")
        if claimed.seq and self.digests[claimed.seq - 1] != claimed.digest:
            raise ForkError(f"statement saw another devices history at seq {claimed.seq}")
        device = self.devices.get(statement.device)
        if device is None or not device.was_trusted_at(claimed.seq):
            raise UntrustedDeviceError(f"{statement.device} was not trusted at devices seq {claimed.seq}")
        signed.verify(Signer.DEVICE, device.certificate.device_key)
        if Signer.ACCOUNT in statement.body.SIGNERS:
            self._verify_account(signed, claimed.seq)
        return statement

    def is_behind_revocation(self, signed: SignedStatement) -> bool:
        """Whether a statement of another stream comes after what the revocation of its device had seen.

        Such a statement counts only once somebody who knew of the revocation went on after it.
        """
        statement = signed.statement
        device = self.devices.get(statement.device)
        if device is None or device.revoked_at is None or statement.stream is Stream.DEVICES:
            return False
        return statement.seq > device.revocation_heads.get(statement.stream, EMPTY_HEAD).seq

    def _verify_account(self, signed: SignedStatement, seq: int) -> None:
        key = self.key_at(seq)
        assert key is not None  # noqa: S101  # where a device was trusted, an account was founded
        signed.verify(Signer.ACCOUNT, key.account_key)

    def _device_key_for(self, statement: Statement) -> PublicKey:
        """The key that must have signed: in the body for a device that speaks for itself."""
        body = statement.body
        if isinstance(body, events.AccountFounded | events.DeviceEnrolled | events.DeviceTrusted):
            if body.certificate.device == statement.device:
                return body.certificate.device_key
            if not isinstance(body, events.DeviceTrusted):
                raise UntrustedDeviceError(f"{body.TYPE}: a device enrols only itself")
        device = self.trusted.get(statement.device)
        if device is None:
            raise UntrustedDeviceError(f"{statement.device} is not trusted")
        return device.certificate.device_key

    def _transition(self, event: Event) -> Self:
        if event.signed is None:
            raise TransitionError(f"{event.body.TYPE}: no signed statement")
        changed = self._change(event.signed.statement)
        return replace(changed, digests=(*self.digests, event.digest))

    def _change(self, statement: Statement) -> Self:
        match statement.body:
            case events.AccountFounded() as body:
                return self._found(body)
            case events.DeviceEnrolled() as body:
                return self._enrol(body, statement.seq)
            case events.DeviceTrusted() as body:
                return self._trust(body, statement.seq)
            case events.DeviceRevoked() as body:
                return self._revoke(body, statement)
            case events.AccountKeyChanged() as body:
                return self._change_key(body, statement)
            case events.KeyChangeAbandoned() as body:
                return self._abandon(body, statement)
            case body:
                raise TransitionError(f"{body.TYPE} does not belong to the devices stream")

    def _found(self, body: events.AccountFounded) -> Self:
        if self.head.seq:
            raise TransitionError("the account is founded already")
        _check_certificate(body.certificate)
        founder = Device(body.certificate, DeviceStatus.TRUSTED, enrolled_at=1, trusted_at=1)
        return replace(
            self,
            keys=(AccountKey(body.account_key, body.key_id, since=1),),
            devices={body.certificate.device: founder},
        )

    def _enrol(self, body: events.DeviceEnrolled, seq: int) -> Self:
        if self.account_key is None:
            raise TransitionError("the account is not founded yet")
        if body.certificate.device in self.devices:
            raise TransitionError(f"{body.certificate.device} is enrolled already")
        if sum(d.status is not DeviceStatus.REVOKED for d in self.devices.values()) >= MAX_DEVICES:
            raise TransitionError(f"the account has {MAX_DEVICES} devices; revoke one first")
        _check_certificate(body.certificate)
        if any(
            device.certificate.name_commitment == body.certificate.name_commitment
            for device in self.devices.values()
        ):
            raise TransitionError(f"{body.certificate.device} takes the name of another device")
        return self._with(Device(body.certificate, DeviceStatus.PENDING, enrolled_at=seq))

    def _trust(self, body: events.DeviceTrusted, seq: int) -> Self:
        device = self.devices.get(body.certificate.device)
        if device is None or device.status is not DeviceStatus.PENDING:
            raise TransitionError(f"{body.certificate.device} is not pending")
        if device.certificate != body.certificate:
            raise TransitionError(f"{body.certificate.device}: certified otherwise than enrolled")
        if body.account_key != self.account_key:
            raise TransitionError("certified by a key that is not the account's")
        return self._with(replace(device, status=DeviceStatus.TRUSTED, trusted_at=seq))

    def _revoke(self, body: events.DeviceRevoked, statement: Statement) -> Self:
        if statement.device not in self.trusted:
            raise UntrustedDeviceError(f"{statement.device} is not trusted")
        if statement.device == body.device:
            raise TransitionError("a device does not revoke itself: nobody would speak in the other streams")
        device = self.devices.get(body.device)
        if device is None or device.status is DeviceStatus.REVOKED:
            raise TransitionError(f"{body.device} is unknown or revoked already")
        return self._with(
            replace(
                device,
                status=DeviceStatus.REVOKED,
                revoked_at=statement.seq,
                revocation_heads=dict(statement.heads),
            )
        )

    def _change_key(self, body: events.AccountKeyChanged, statement: Statement) -> Self:
        if statement.device not in self.trusted:
            raise UntrustedDeviceError(f"{statement.device} is not trusted")
        if body.previous_account_key != self.account_key:
            raise TransitionError("the previous account key is not the account's")
        if any(body.account_key == key.account_key or body.key_id == key.key_id for key in self.keys):
            raise TransitionError("the new user key is, or was, the account's already")
        if self.was_abandoned_at(body.key_id, self.head.seq):
            raise TransitionError("the change to this user key was abandoned")
        self._require_undecided(body.rotation)
        certified = {certificate.device: certificate for certificate in body.certificates}
        if certified != {i: d.certificate for i, d in self.trusted.items()} or len(certified) != len(
            body.certificates
        ):
            raise TransitionError("the new key must certify exactly the trusted devices")
        key = AccountKey(body.account_key, body.key_id, statement.seq)
        return self._decided(body.rotation, Outcome.TAKEN, body.key_id, keys=(*self.keys, key))

    def _abandon(self, body: events.KeyChangeAbandoned, statement: Statement) -> Self:
        if statement.device not in self.trusted:
            raise UntrustedDeviceError(f"{statement.device} is not trusted")
        if any(body.key_id == key.key_id for key in self.keys):
            raise TransitionError("a user key that was in force cannot be abandoned")
        self._require_undecided(body.rotation)
        return self._decided(body.rotation, Outcome.ABANDONED, body.key_id, keys=self.keys)

    def _require_undecided(self, rotation: RotationId) -> None:
        if decision := self.decisions.get(rotation):
            raise TransitionError(f"{rotation} was decided already: {decision.outcome}")

    def _decided(
        self, rotation: RotationId, outcome: Outcome, key_id: KeyId, *, keys: tuple[AccountKey, ...]
    ) -> Self:
        decision = KeyDecision(rotation, outcome, key_id, self.head.seq + 1)
        return replace(self, keys=keys, decisions={**self.decisions, rotation: decision})

    def _with(self, device: Device) -> Self:
        return replace(self, devices={**self.devices, device.certificate.device: device})


def _check_certificate(certificate: events.DeviceCertificate) -> None:
    if certificate.device != derive_device_id(certificate.device_key):
        raise TransitionError(f"{certificate.device} is not the id of its device key")
