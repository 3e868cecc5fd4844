"""What the server refuses, as errors: its stable problem code decides the class.

::

    ServerRefusedError                  the code travels as it is
    ├── LoginRefusedError               login_refused: never which part was wrong
    │   └── FactorRefusedError          login_refused, inside a session: the second factor
    ├── TooManyAttemptsError            too_many_attempts
    ├── SessionEndedError               token_invalid, token_expired, session_ended
    ├── ProofRefusedError               dpop_invalid (most often a wrong clock), use_dpop_nonce
    ├── DeviceNotTrustedError           device_not_trusted
    ├── DeviceRevokedError              device_revoked
    ├── StepUpRequiredError             step_up_required: a second factor, proven anew
    ├── FactorRequiredError             factor_required: the last one that the policy asks for
    ├── PasskeyRefusedError             passkey_refused, passkey_taken, too_many_passkeys …
    ├── TakenError                      username_taken, account_taken
    ├── KdfLimitsError                  kdf_too_weak, kdf_excessive: limits of client and server differ
    ├── DeviceNameRefusedError          name_refused
    ├── NotFoundError                   not_found
    ├── StaleError                      stale_position, stale_heads, stale_key_epoch, version_conflict …
    ├── RotationRefusedError            rotation_open, rotation_incomplete, wrap_in_use …
    │   └── RotationRequiredError       rotation_required
    ├── ServerFailedError               internal_error
    ├── SlowRequestError                request_timeout
    └── UnavailableError                not_yet_applied, trust_stale, account_parked, unavailable
        ├── RateLimitedError            rate_limited: the account, or the address, asks too often
        └── StorageFullError            storage_full
            └── QuotaExceededError      quota_exceeded: the account has as much as the operator allows

Codes without a class say that the request itself was wrong: a bug, or releases that do not fit.

Spec: conventions.md §6.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

from solekey.errors.account import NotLoggedInError
from solekey.errors.base import Action, SolekeyError
from solekey_protocol.encoding import Json

_CODE = re.compile(r"[a-z][a-z_]{1,78}", re.ASCII)


class ServerRefusedError(SolekeyError):
    """The server refused a request.

    Attributes:
        code: the problem document's stable code.
        status: the HTTP status.
        problem: the whole problem document.
    """

    action = Action.UPDATE
    ADVICE: ClassVar[str] = "Update the client; if it fails the same way, report it with the error's code."

    def __init__(self, code: str, status: int, problem: "Mapping[str, Json]") -> None:
        detail = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")[:500]
        super().__init__(
            "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in detail)
        )
        self.code = code  # type: ignore[misc]  # a class attribute elsewhere, the server's word here
        self.status = status
        self.problem = problem

    @classmethod
    def build(cls, status: int, problem: "Mapping[str, Json]") -> "ServerRefusedError":
        """Build the class that the problem's code maps to."""
        told = str(problem.get("code"))
        code = told if _CODE.fullmatch(told) else "http_error"
        return _BY_CODE.get(code, cls)(code, status, problem)


class LoginRefusedError(ServerRefusedError):
    """The login was refused. Nobody is told which part was wrong."""

    action = Action.ENTER_AGAIN
    ADVICE = (
        "Check the user name and the password, wait for the next authenticator code (each works once), and "
        "try again. Without the authenticator, use a recovery code or a security key."
    )


class FactorRefusedError(LoginRefusedError):
    """The second factor was refused, inside a session. Nothing was changed."""

    ADVICE = (
        "Wait for the next authenticator code (each works once), see that the clock of its device is right, "
        "and try again; or use a recovery code or a security key."
    )


class TooManyAttemptsError(ServerRefusedError):
    """Too much was tried: logins, codes, or requests from this address. The message says how long to wait."""

    action = Action.RETRY
    ADVICE = (
        "Wait, then try again. A device that has logged in before is not affected by strangers' attempts."
    )


class SessionEndedError(ServerRefusedError, NotLoggedInError):
    """The session is over. `NotLoggedInError` is every way in which this device has to log in again."""

    action = Action.LOG_IN
    ADVICE = "Log in again."


class ProofRefusedError(ServerRefusedError):
    """The proof of possession was refused."""

    action = Action.CORRECT
    ADVICE = "Set this machine's clock: it may be more than a minute off. Then try again."


class DeviceNotTrustedError(ServerRefusedError):
    """This device is not trusted yet."""

    action = Action.TRUST_DEVICE
    ADVICE = "Trust this device with the user key."


class DeviceRevokedError(ServerRefusedError):
    """This device was revoked, for ever."""

    action = Action.STOP
    ADVICE = (
        "Another device revoked this one: if that was right, take out what is queued here, then enrol anew "
        "with an empty profile folder."
    )


class StepUpRequiredError(ServerRefusedError):
    """This asks for a second factor that was proven a short time ago."""

    action = Action.STEP_UP
    ADVICE = "Prove a second factor, then try again."


class FactorRequiredError(ServerRefusedError):
    """The account would not have the second factors any more that the server's policy asks for."""

    action = Action.CORRECT
    ADVICE = "Add another factor first: an authenticator or a passkey."


class PasskeyRefusedError(ServerRefusedError):
    """The server does not take this passkey."""

    _ADVICES: ClassVar[Mapping[str, str]] = {
        "passkey_taken": "This security key has already been added: use it, or connect another one.",
        "too_many_passkeys": "Remove one that you do not use.",
        "passkeys_unavailable": "This server is reached by an IP address and takes no passkeys: use a code.",
    }
    action = Action.CHOOSE_ANOTHER
    ADVICE = "Try again; if it fails the same way, use another security key, or an authenticator app."

    def diagnostics(self) -> str:
        """Tell the user what to do next."""
        return self._ADVICES.get(self.code, self.ADVICE)


class TakenError(ServerRefusedError):
    """The user name or the account exists already."""

    action = Action.CHOOSE_ANOTHER
    ADVICE = "Choose another user name; if it is yours, log in instead."


class KdfLimitsError(ServerRefusedError):
    """The server takes no password that is stretched with so little, or so much, work."""

    ADVICE = "Update the client: this release does not know the server's limits for passwords."


class DeviceNameRefusedError(ServerRefusedError):
    """The server does not take this device's name."""

    action = Action.CHOOSE_ANOTHER
    ADVICE = "Choose another name for this device: short, and without control characters."


class NotFoundError(ServerRefusedError):
    """The server does not have it."""

    action = Action.LOOK_AGAIN
    ADVICE = "List what there is and try again: another device may have removed it meanwhile."


class StaleError(ServerRefusedError):
    """A statement does not continue what the server has: the client rebases and signs it again."""

    action = Action.RETRY
    ADVICE = "Try again: another device was faster. Nothing was lost."


class RotationRefusedError(ServerRefusedError):
    """A step that would break a rotation's promise."""

    action = Action.RESUME
    ADVICE = "Check the open rotation, then resume it."


class RotationRequiredError(RotationRefusedError):
    """A rotation is due, and the policy refuses writes until it is completed."""

    action = Action.ROTATE
    ADVICE = (
        "Check which key is due: change the user key, or re-encrypt the data; then do it again. Reading goes "
        "on meanwhile, and nothing was lost."
    )


class ServerFailedError(ServerRefusedError):
    """The server failed, by a fault of its own."""

    action = Action.RETRY
    ADVICE = (
        "Try again in a few minutes. If it fails again, tell the operator when it happened. Nothing was lost."
    )


class SlowRequestError(ServerRefusedError):
    """The request did not arrive whole in time."""

    action = Action.RETRY
    ADVICE = "Try again over a faster connection; an interrupted transfer resumes where it stopped."


class UnavailableError(ServerRefusedError):
    """The server cannot answer safely right now."""

    action = Action.RETRY
    ADVICE = "Try again in a few seconds. If it fails again, tell the operator. Nothing was lost."

    @property
    def retry_after_s(self) -> float | None:
        """How long the server asks to wait."""
        value = self.problem.get("retry_after_s")
        return float(value) if isinstance(value, int) and value >= 0 else None


class StorageFullError(UnavailableError):
    """The server has no room left."""

    action = Action.ASK_OPERATOR
    ADVICE = "Tell the operator that the server's storage is full; nothing was lost. Try again afterwards."


class RateLimitedError(UnavailableError):
    """The account says or sends more than it may within a time, or its address asks too often."""

    ADVICE = "Wait as long as the message says, then try again; nothing is sent twice."


class QuotaExceededError(StorageFullError):
    """The account has as much as the operator allows."""

    action = Action.FREE_SPACE
    ADVICE = (
        "Remove items that you do not need, or ask the operator for more room; nothing was lost. "
        "What was uploaded and not committed is deleted after a day."
    )


_CODES: Mapping[type[ServerRefusedError], tuple[str, ...]] = {
    LoginRefusedError: ("login_refused",),
    TooManyAttemptsError: ("too_many_attempts",),
    SessionEndedError: ("token_invalid", "token_expired", "session_ended"),
    ProofRefusedError: ("dpop_invalid", "use_dpop_nonce"),
    DeviceNotTrustedError: ("device_not_trusted", "untrusted_device"),
    DeviceRevokedError: ("device_revoked",),
    StepUpRequiredError: ("step_up_required",),
    FactorRequiredError: ("factor_required",),
    PasskeyRefusedError: ("passkey_refused", "passkey_taken", "too_many_passkeys", "passkeys_unavailable"),
    KdfLimitsError: ("kdf_too_weak", "kdf_excessive"),
    DeviceNameRefusedError: ("name_refused",),
    ServerFailedError: ("internal_error",),
    SlowRequestError: ("request_timeout",),
    TakenError: ("username_taken", "account_taken"),
    NotFoundError: ("not_found",),
    StaleError: (
        "stale_position",
        "stale_heads",
        "stale_key_epoch",
        "version_conflict",
        "chain_broken",
        "sequence_gap",
        "chain_fork",
        "transition_refused",
        "parts_missing",
        "wrap_missing",
    ),
    RotationRefusedError: (
        "rotation_open",
        "rotation_incomplete",
        "rotation_irrevocable",
        "wraps_differ",
        "wrap_in_use",
        "key_not_current",
    ),
    RotationRequiredError: ("rotation_required",),
    UnavailableError: ("not_yet_applied", "trust_stale", "account_parked", "unavailable"),
    RateLimitedError: ("rate_limited",),
    StorageFullError: ("storage_full",),
    QuotaExceededError: ("quota_exceeded",),
}
_BY_CODE = {code: refusal for refusal, codes in _CODES.items() for code in codes}
