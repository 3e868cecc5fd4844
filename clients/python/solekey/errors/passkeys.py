"""What may go wrong between this program and a security key. Spec: factors.md §3."""

from solekey.errors.base import Action, SolekeyError


class PasskeyError(SolekeyError):
    """A security key that did not do what it was asked."""

    code = "passkey_failed"
    action = Action.RETRY
    ADVICE = "Reconnect the security key and try again, or use another factor: a code, or a recovery code."


class PasskeyUnavailableError(PasskeyError):
    """No passkey can be used here: the extra, the key or a server with a host name is missing."""

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
    """The connected security key has a passkey of this account already."""

    code = "passkey_exists"
    action = Action.CHOOSE_ANOTHER
    ADVICE = "It can be used as it is; to add another key, connect that one."


class PasskeyTimeoutError(PasskeyError):
    """Nobody touched the security key in time."""

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
