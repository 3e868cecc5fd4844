"""Devices: codes, approval and waiting. Spec: devices.md §6, §7."""

from solekey.errors.base import SolekeyError


class DeviceError(SolekeyError):
    """Something about a device of this account."""

    code = "device_refused"
    ADVICE = "Run `solekey devices list` to see what there is."


class DeviceCodeError(DeviceError):
    """What was given is no device code."""

    code = "device_code_malformed"
    ADVICE = "Type the 30 digits that the new device shows, or paste the text of its QR code."


class DeviceCodeMismatchError(DeviceError):
    """No device that waits has this code."""

    code = "device_code_mismatch"
    ADVICE = (
        "Nothing was approved. Check every digit, and that the new device still shows this code. If they are "
        "right, the server shows the two devices different things: do not trust that device; run an audit."
    )


class DevicePendingError(DeviceError):
    """A device waits, and nobody has approved it yet."""

    code = "device_pending"
    ADVICE = (
        "Approve it on a trusted device (`solekey devices approve`) and wait again (`solekey devices wait`), "
        "or trust this device with its user key: `solekey devices trust`."
    )


class ApproverNotTrustedError(DeviceError):
    """Only a trusted device approves others, and this one is none."""

    code = "approver_not_trusted"
    ADVICE = "Run this on a trusted device, or trust this one first: `solekey devices trust`."


class DeviceGoneError(DeviceError):
    """Another device revoked it meanwhile, for ever."""

    code = "device_gone"
    ADVICE = "Look at `solekey devices list`; was it a mistake, log in anew with an empty profile folder."
