"""Devices: codes, approval and waiting. Spec: devices.md §6, §7."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from solekey.errors.base import Action, SolekeyError

if TYPE_CHECKING:  # importing it takes long, and a command asks its first question before
    from solekey_protocol.event import Event


class DeviceError(SolekeyError):
    """Something about a device of this account."""

    code = "device_refused"
    action = Action.LOOK_AGAIN
    ADVICE = "List the account's devices to see what there is."


class DeviceCodeError(DeviceError):
    """What was given is no device code."""

    code = "device_code_malformed"
    action = Action.ENTER_AGAIN
    ADVICE = "Type the 35 digits that the new device shows, or paste the text of its QR code."


class DeviceCodeMismatchError(DeviceError):
    """No device that waits has this code."""

    code = "device_code_mismatch"
    action = Action.ENTER_AGAIN
    ADVICE = (
        "Nothing was approved. Check every digit, and that the new device still shows this code. If they are "
        "right, the server shows the two devices different things: do not trust that device; run an audit."
    )


class DevicePendingError(DeviceError):
    """A device waits, and nobody has approved it yet."""

    code = "device_pending"
    action = Action.TRUST_DEVICE
    ADVICE = "Approve it on a trusted device and wait again, or trust this device with its user key."


class ApproverNotTrustedError(DeviceError):
    """Only a trusted device approves others, and this one is none."""

    code = "approver_not_trusted"
    action = Action.TRUST_DEVICE
    ADVICE = "Do this on a trusted device, or trust this one first, with the user key."


class DeviceGoneError(DeviceError):
    """Another device revoked it meanwhile, for ever."""

    code = "device_gone"
    ADVICE = (
        "Look at the list of devices on another one. If it was a mistake, log in with an empty profile "
        "folder."
    )


class UnconfirmedEventError(DeviceError):
    """A revoked device said something after its revocation was signed, and nobody has confirmed it.

    It may have been on its way at that moment, or the server kept a statement back. Nothing is believed of it
    until a trusted device goes on after it.

    Attributes:
        events: what it said.
    """

    code = "revoked_author"
    action = Action.RESUME
    ADVICE = (
        "Finish the revocation: revoke the device again on a trusted one. What it removed can be restored."
    )

    def __init__(self, events: "Sequence[Event]") -> None:
        self.events = tuple(events)
        told = ", ".join(
            f"{event.stream} {event.seq} ({event.body.TYPE.split('.')[2]})" for event in self.events[:5]
        )
        author = self.events[0].signed.statement.device if self.events[0].signed else "a revoked device"
        super().__init__(f"{author} was revoked, and said something since that nobody has confirmed: {told}")
