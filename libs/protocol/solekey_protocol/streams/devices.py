"""Who may speak for an account: the trust rules as a state machine. Spec: devices.md §2.

::

    (nothing) --AccountFounded[device, account]--> founding device TRUSTED
    unknown   --DeviceEnrolled[itself]-----------> PENDING
    PENDING   --DeviceTrusted[itself or a trusted device, account]--> TRUSTED
    PENDING, TRUSTED --DeviceRevoked[a trusted device]--> REVOKED, for ever
    AccountKeyChanged[a trusted device, account, next account]: certifies exactly the TRUSTED devices again

In brackets: whose signatures the event carries. A device is TRUSTED only by a signature of the user key's
holder; a server that adds a ghost has no such signature.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from solekey_protocol.errors import ForkError, GapError, TransitionError, UntrustedDeviceError
from solekey_protocol.event import Event
from solekey_protocol.events import devices as said
from solekey_protocol.events.body import Signer, Stream
from solekey_protocol.ids import AccountId, DeviceId, Digest, KeyId, PublicKey, derive_device_id
from solekey_protocol.limits import MAX_DEVICES
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement, Statement
from solekey_protocol.streams.chain import Chain


class DeviceStatus(StrEnum):
    """Where a device stands."""

    PENDING = "pending"
    TRUSTED = "trusted"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Device:
    """A device and the positions in the ``devices`` stream that changed its standing."""

    certificate: said.DeviceCertificate
    status: DeviceStatus
    enrolled_at: int
    trusted_at: int | None = None
    revoked_at: int | None = None

    def was_trusted_at(self, seq: int) -> bool:
        """Whether the device was trusted once the stream had reached ``seq``."""
        trusted = self.trusted_at is not None and self.trusted_at <= seq
        return trusted and (self.revoked_at is None or seq < self.revoked_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesStream:
    """The folded ``devices`` stream of one account."""

    chain: Chain
    account_key: PublicKey | None = None
    key_id: KeyId | None = None
    devices: Mapping[DeviceId, Device] = field(default_factory=dict)
    digests: tuple[Digest, ...] = ()

    @classmethod
    def start(cls, account: AccountId) -> Self:
        """The stream before its first event."""
        return cls(chain=Chain(account=account, stream=Stream.DEVICES))

    @property
    def head(self) -> Head:
        """The last event followed."""
        return self.chain.head

    @property
    def trusted(self) -> dict[DeviceId, Device]:
        """The devices that are trusted now."""
        return {i: d for i, d in self.devices.items() if d.status is DeviceStatus.TRUSTED}

    def apply(self, event: Event) -> "DevicesStream":
        """Verify the signatures of the next event and follow it.

        Raises:
            SignatureError, UntrustedDeviceError: not signed by those whom its type asks for.
            ChainError, TransitionError: as ``evolve``.
        """
        if event.signed is None:
            raise TransitionError(f"{event.body.TYPE}: no signed statement")
        changed = self.evolve(event)
        self.verify_next(event.signed)
        return changed

    def verify_next(self, signed: SignedStatement) -> Statement:
        """Verify a statement that wants to extend this stream: its signatures, then the transition.

        Raises:
            SignatureError, UntrustedDeviceError, TransitionError
        """
        statement = signed.statement
        signed.verify(Signer.DEVICE, self._device_key_for(statement))
        body = statement.body
        if isinstance(body, said.AccountFounded | said.DeviceTrusted):
            signed.verify(Signer.ACCOUNT, body.account_key)
        elif isinstance(body, said.AccountKeyChanged):
            signed.verify(Signer.ACCOUNT, body.previous_account_key)
            signed.verify(Signer.NEXT_ACCOUNT, body.account_key)
        self._transition(statement)
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
        return signed.verify(Signer.DEVICE, device.certificate.device_key)

    def evolve(self, event: Event) -> "DevicesStream":
        """Follow the next event without verifying signatures.

        Raises:
            ChainError: not the next event. TransitionError: a rule of the stream is broken.
        """
        chain = self.chain.follow(event)
        if event.signed is None:
            raise TransitionError(f"{event.body.TYPE}: no signed statement")
        changed = self._transition(event.signed.statement)
        return replace(changed, chain=chain, digests=(*self.digests, event.digest))

    def _device_key_for(self, statement: Statement) -> PublicKey:
        """The key that must have signed: in the body for a device that speaks for itself."""
        body = statement.body
        if isinstance(body, said.AccountFounded | said.DeviceEnrolled | said.DeviceTrusted):
            if body.certificate.device == statement.device:
                return body.certificate.device_key
            if not isinstance(body, said.DeviceTrusted):
                raise UntrustedDeviceError(f"{body.TYPE}: a device enrols only itself")
        device = self.trusted.get(statement.device)
        if device is None:
            raise UntrustedDeviceError(f"{statement.device} is not trusted")
        return device.certificate.device_key

    def _transition(self, statement: Statement) -> "DevicesStream":
        match statement.body:
            case said.AccountFounded() as body:
                return self._found(body)
            case said.DeviceEnrolled() as body:
                return self._enrol(body, statement.seq)
            case said.DeviceTrusted() as body:
                return self._trust(body, statement.seq)
            case said.DeviceRevoked() as body:
                return self._revoke(body, statement)
            case said.AccountKeyChanged() as body:
                return self._change_key(body, statement)
            case body:
                raise TransitionError(f"{body.TYPE} does not belong to the devices stream")

    def _found(self, body: said.AccountFounded) -> "DevicesStream":
        if self.head.seq:
            raise TransitionError("the account is founded already")
        _check_certificate(body.certificate)
        founder = Device(body.certificate, DeviceStatus.TRUSTED, enrolled_at=1, trusted_at=1)
        return replace(
            self,
            account_key=body.account_key,
            key_id=body.key_id,
            devices={body.certificate.device: founder},
        )

    def _enrol(self, body: said.DeviceEnrolled, seq: int) -> "DevicesStream":
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

    def _trust(self, body: said.DeviceTrusted, seq: int) -> "DevicesStream":
        device = self.devices.get(body.certificate.device)
        if device is None or device.status is not DeviceStatus.PENDING:
            raise TransitionError(f"{body.certificate.device} is not pending")
        if device.certificate != body.certificate:
            raise TransitionError(f"{body.certificate.device}: certified otherwise than enrolled")
        if body.account_key != self.account_key:
            raise TransitionError("certified by a key that is not the account's")
        return self._with(replace(device, status=DeviceStatus.TRUSTED, trusted_at=seq))

    def _revoke(self, body: said.DeviceRevoked, statement: Statement) -> "DevicesStream":
        if statement.device not in self.trusted:
            raise UntrustedDeviceError(f"{statement.device} is not trusted")
        device = self.devices.get(body.device)
        if device is None or device.status is DeviceStatus.REVOKED:
            raise TransitionError(f"{body.device} is unknown or revoked already")
        return self._with(replace(device, status=DeviceStatus.REVOKED, revoked_at=statement.seq))

    def _change_key(self, body: said.AccountKeyChanged, statement: Statement) -> "DevicesStream":
        if statement.device not in self.trusted:
            raise UntrustedDeviceError(f"{statement.device} is not trusted")
        if body.previous_account_key != self.account_key:
            raise TransitionError("the previous account key is not the account's")
        if body.account_key == self.account_key or body.key_id == self.key_id:
            raise TransitionError("the new user key is the old one")
        certified = {certificate.device: certificate for certificate in body.certificates}
        if certified != {i: d.certificate for i, d in self.trusted.items()} or len(certified) != len(
            body.certificates
        ):
            raise TransitionError("the new key must certify exactly the trusted devices")
        return replace(self, account_key=body.account_key, key_id=body.key_id)

    def _with(self, device: Device) -> "DevicesStream":
        return replace(self, devices={**self.devices, device.certificate.device: device})


def _check_certificate(certificate: said.DeviceCertificate) -> None:
    if certificate.device != derive_device_id(certificate.device_key):
        raise TransitionError(f"{certificate.device} is not the id of its device key")
