"""The devices of an account: which there are, how a new one is trusted, how a lost one is revoked."""

from collections.abc import Callable

from solekey.account.approval import Waiting, find_device, ignore_waiting, wait_until_trusted
from solekey.account.device_list import DeviceInfo
from solekey.api.core import Core
from solekey.crypto import UserKey
from solekey.crypto.device_code import DeviceCode
from solekey.progress import Progress, ignore_progress
from solekey.recovery.kit import RecoveryKit
from solekey.recovery.proof import verify_pins
from solekey.rotation.revocation import Revocation, needs_new_user_key, revoke_device
from solekey_protocol.events.devices import RevocationReason
from solekey_protocol.ids import DeviceId
from solekey_protocol.streams import DeviceStatus


class Devices:
    """The devices of one account. Trust comes only from the user key, never from the server.

    ::

        new device                                  a trusted one, unlocked
        solekey.log_in: pending
        wait_until_trusted shows its code ·········> approve(code)
        or, unlocked with the user key: trust()
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    @property
    def own_id(self) -> DeviceId:
        """This device's id."""
        return self._core.session.devices.own_id

    @property
    def own_status(self) -> DeviceStatus | None:
        """Where this device stands, as far as it knows; None before it is enrolled."""
        return self._core.session.devices.own_status

    def list(self) -> "tuple[DeviceInfo, ...]":
        """List all devices, in the order of their enrolment. Raises EvidenceError."""
        return self._core.session.devices.list()

    def find(self, name_or_id: str) -> DeviceInfo:
        """Find one device by its id, how that begins, or a name that cannot mean another device.

        Raises:
            UnknownDeviceError: there is none.
            DeviceNameUncertainError: the name may mean several.
        """
        return self._core.session.devices.find(name_or_id)

    def derive_code(self, device: DeviceId | None = None) -> DeviceCode:
        """Derive a device's code from what was verified here, to compare with what that device shows.

        Args:
            device: which; this one if not given.

        Raises:
            UnknownDeviceError: no such device.
        """
        with self._core.lock:
            self._core.session.sync()
            return self._core.session.devices.derive_code(device or self.own_id)

    def trust(self, *, kit: RecoveryKit | None = None) -> DeviceInfo:
        """Make this pending device a trusted one, with the user key that has unlocked the account.

        Args:
            kit: a recovery kit; the history that the server shows must contain what it pins.

        Raises:
            AccountLockedError: unlock the account first.
            KitMismatchError, RollbackError, HistoryForkError: the kit pins another history.
            DeviceGoneError: another device revoked this one.
        """
        with self._core.lock:
            vault, session = self._core.vault, self._core.session
            if kit is not None:
                session.sync()
                verify_pins(session, kit)
            session.devices.trust(self.own_id, vault.unlocked.keyring.user_key)
            vault.refresh()
            return self._get(self.own_id)

    def approve(self, code: DeviceCode | str) -> DeviceInfo:
        """Certify the new device that shows this code. Once more does no harm.

        Args:
            code: the 35 digits that the new device shows, or the text of its QR code.

        Raises:
            AccountLockedError: unlock the account first.
            DeviceCodeError: not a device code.
            DeviceCodeMismatchError: no device that waits has this code. Nothing was signed.
            ApproverNotTrustedError: this device may not approve others.
            DeviceGoneError: it was revoked.
        """
        wanted = code if isinstance(code, DeviceCode) else DeviceCode.parse(code)
        with self._core.lock:
            user_key, session = self._core.vault.unlocked.keyring.user_key, self._core.session
            session.sync()
            found = find_device(session, wanted)
            session.devices.trust(found.id, user_key)
            return self._get(found.id)

    def wait_until_trusted(
        self, *, timeout_s: float | None = None, watch: Callable[[Waiting], None] = ignore_waiting
    ) -> DeviceInfo:
        """Ask the server until this device is trusted. It may be stopped at any time, and called again.

        Args:
            timeout_s: how long at most; None: until somebody decides.
            watch: called after each time that found it waiting, with the code to show.

        Raises:
            DevicePendingError: nobody approved it in time, or it is not enrolled.
            DeviceGoneError, DeviceRevokedError: it was revoked instead.
            NotLoggedInError: log in again, then wait again.
        """
        return wait_until_trusted(self._core.session, timeout_s=timeout_s, watch=watch)

    def needs_new_user_key(self, device: DeviceId) -> bool:
        """Whether `revoke` has still to change the user key; an earlier, interrupted one may have done so."""
        with self._core.lock:
            return needs_new_user_key(self._core.vault, device)

    def revoke(
        self,
        device: DeviceId,
        new_key: UserKey | None,
        *,
        reason: RevocationReason = RevocationReason.LOST,
        progress: Progress = ignore_progress,
    ) -> Revocation:
        """Revoke a device for ever, change the user key and re-encrypt everything. Call it again to resume.

        Have the new key's words written down before: it is in force when this returns.

        Args:
            device: which device.
            new_key: the user key that comes into force; None where `needs_new_user_key` says so.
            reason: why.
            progress: told how far the re-encryption is, in items.

        Raises:
            AccountLockedError: unlock the account first.
            UnknownDeviceError: no such device, or this very device.
            NewUserKeyNeededError: none was given, and the change is not made yet.
            StepUpRequiredError: see `solekey.open`, ``on_step_up``.
        """
        with self._core.lock:
            given = new_key.copy() if new_key is not None else None
            return revoke_device(self._core.vault, device, given, reason=reason, progress=progress)

    def _get(self, device: DeviceId) -> DeviceInfo:
        return next(info for info in self.list() if info.id == device)
