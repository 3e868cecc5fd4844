"""The profile, the account with its factors and devices. Spec: conventions.md §6."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from solekey.errors.base import Action, SolekeyError

if TYPE_CHECKING:  # importing it takes long, and a command asks its first question before
    from solekey_protocol.event import Event


class ProfileError(SolekeyError):
    """A profile folder that cannot be used."""

    code = "profile_unusable"
    action = Action.CORRECT
    ADVICE = "Check the folder's owner and permissions, or choose another profile."


class ProfileMissingError(ProfileError):
    """There is no profile in this folder."""

    code = "profile_missing"
    action = Action.LOG_IN
    ADVICE = "Sign up, or log in on this new device; or name the right profile."


class DamagedProfileError(ProfileError):
    """A file of the profile is missing, empty or damaged. No server is to blame for it."""

    code = "profile_damaged"
    action = Action.LOG_IN
    ADVICE = (
        "Restore the profile folder from a backup, or log in as a new device in another profile, best with a "
        "recovery kit, which pins the account's history; then revoke this one."
    )


class ProfileExistsError(ProfileError):
    """The folder holds another account's profile."""

    code = "profile_exists"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Choose another folder; one profile is one device of one account."


class NotLoggedInError(ProfileError):
    """The profile has no session."""

    code = "not_logged_in"
    action = Action.LOG_IN
    ADVICE = "Log in with this profile."


class ForeignAccountError(ProfileError):
    """The server has another account under this profile's user name. Nothing was changed."""

    code = "account_differs"
    action = Action.CORRECT
    ADVICE = (
        "This is not the server that has your account, or somebody has taken the name there. Check the "
        "address; for another account use a profile of its own."
    )


class AccountError(SolekeyError):
    """A problem with the account itself."""

    code = "account_refused"


class NoRestorationError(AccountError):
    """The server has all that this device has seen: there is no restoration to accept."""

    code = "restoration_missing"
    action = Action.LOOK_AGAIN
    ADVICE = "Nothing needs to be accepted; go on as always."


class FactorMissingError(AccountError):
    """The account has no such second factor, or several of that name."""

    code = "factor_missing"
    action = Action.LOOK_AGAIN
    ADVICE = "List the account's factors and use one of their ids."


class SessionMissingError(AccountError):
    """There is no such open session of this account, or several are called so."""

    code = "session_missing"
    action = Action.LOOK_AGAIN
    ADVICE = "List the open sessions and use one of their ids."


class PasskeyError(SolekeyError):
    """The security key did not do what was requested."""

    code = "passkey_failed"
    action = Action.RETRY
    ADVICE = "Reconnect the security key and try again, or use another factor: a code, or a recovery code."


class PasskeyUnavailableError(PasskeyError):
    """Passkeys cannot be used here: the extra, the security key or a server with a host name is missing."""

    code = "passkey_unavailable"
    action = Action.CORRECT
    ADVICE = "Use another factor: a code of the authenticator app, or a recovery code."

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self._advice = advice

    def diagnostics(self) -> str:
        """What to do about this cause."""
        return f"{self._advice} {self.ADVICE}".strip()


class PasskeyMissingError(PasskeyError):
    """The connected security key has no passkey of this account."""

    code = "passkey_missing"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Connect the key that was added to this account, or use another factor."


class PasskeyExistsError(PasskeyError):
    """The connected security key already has a passkey of this account."""

    code = "passkey_exists"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "You can use it as it is; to add another key, connect that one."


class PasskeyTimeoutError(PasskeyError):
    """The security key was not touched in time."""

    code = "passkey_timeout"
    ADVICE = "Try again, and touch the key when it blinks."


class PasskeyPinError(PasskeyError):
    """The PIN of the security key was wrong, or is locked."""

    code = "passkey_pin_refused"
    action = Action.ENTER_AGAIN
    ADVICE = (
        "Disconnect the key before you try again. After 8 wrong PINs in all it must be reset, "
        "and loses its passkeys."
    )


class DeviceError(SolekeyError):
    """A problem with a device of this account."""

    code = "device_refused"
    action = Action.LOOK_AGAIN
    ADVICE = "List the account's devices to see what there is."


class DeviceCodeError(DeviceError):
    """The input is not a device code."""

    code = "device_code_malformed"
    action = Action.ENTER_AGAIN
    ADVICE = "Type the 35 digits that the new device shows, or paste the text of its QR code."


class DeviceCodeMismatchError(DeviceError):
    """No waiting device has this code."""

    code = "device_code_mismatch"
    action = Action.ENTER_AGAIN
    ADVICE = (
        "Nothing was approved. Check every digit, and that the new device still shows this code. If they are "
        "right, the server shows the two devices different things: do not trust that device; run an audit."
    )


class DevicePendingError(DeviceError):
    """The device is waiting for approval."""

    code = "device_pending"
    action = Action.TRUST_DEVICE
    ADVICE = "Approve it on a trusted device and wait again, or trust this device with its user key."


class ApproverNotTrustedError(DeviceError):
    """Only a trusted device can approve others, and this one is not trusted."""

    code = "approver_not_trusted"
    action = Action.TRUST_DEVICE
    ADVICE = "Do this on a trusted device, or trust this one first, with the user key."


class DeviceGoneError(DeviceError):
    """Another device has revoked this one permanently."""

    code = "device_gone"
    ADVICE = (
        "Look at the list of devices on another one. If it was a mistake, log in with an empty profile "
        "folder."
    )


class UnconfirmedEventError(DeviceError):
    """A revoked device signed statements after its revocation was signed, and nobody has confirmed them.

    It may have been on its way at that moment, or the server kept a statement back. Nothing is believed of it
    until a trusted device goes on after it.

    Attributes:
        events: what the device signed: parsed events of the protocol.
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
        super().__init__(f"{author} was revoked; nobody has confirmed what it signed since: {told}")


class UnknownDeviceError(DeviceError):
    """There is no such device in this account."""

    code = "device_unknown"
    ADVICE = "List the account's devices and use one of their ids."


class DeviceNameUncertainError(UnknownDeviceError):
    """The name could mean several devices."""

    code = "device_name_uncertain"
    ADVICE = "List the account's devices, look at status and key, and use the device's id (dev_…)."
