"""What the server refuses, as errors: its stable problem code decides the class.

::

    ServerRefusedError                  the code travels as it is
    ├── LoginRefusedError               login_refused: never which part was wrong
    ├── TooManyAttemptsError            too_many_attempts
    ├── SessionEndedError               token_invalid, token_expired, session_ended
    ├── ProofRefusedError               dpop_invalid (most often a wrong clock), use_dpop_nonce
    ├── DeviceNotTrustedError           device_not_trusted
    ├── DeviceRevokedError              device_revoked
    ├── StepUpRequiredError             step_up_required: a second factor, proven anew
    ├── TakenError                      username_taken, account_taken
    ├── NotFoundRefusal                 not_found
    ├── StaleError                      stale_position, stale_heads, stale_key_epoch, version_conflict …
    ├── RotationRefusal                 rotation_open, rotation_incomplete, wrap_in_use …
    └── UnavailableError                not_yet_applied, trust_stale, account_parked, unavailable

Spec: conventions.md §6.
"""

from collections.abc import Mapping
from typing import ClassVar

from solekey.errors.base import SolekeyError
from solekey_protocol.encoding import Json


class ServerRefusedError(SolekeyError):
    """The server refused a request.

    Attributes:
        code: the problem document's stable code.
        status: the HTTP status.
        problem: the whole problem document.
    """

    ADVICE: ClassVar[str] = "Update the client; if it fails the same way, report it with the error's code."

    def __init__(self, code: str, status: int, problem: Mapping[str, Json]) -> None:
        detail = problem.get("detail") or problem.get("title") or f"HTTP {status}"
        super().__init__(str(detail)[:500])
        self.code = code  # type: ignore[misc]  # a class attribute elsewhere, the server's word here
        self.status = status
        self.problem = problem

    @classmethod
    def build(cls, status: int, problem: Mapping[str, Json]) -> "ServerRefusedError":
        """Build the class that the problem's code maps to."""
        code = str(problem.get("code") or "http_error")[:80]
        return _BY_CODE.get(code, cls)(code, status, problem)


class LoginRefusedError(ServerRefusedError):
    """The login was refused. Nobody is told which part was wrong."""

    ADVICE = "Check the user name and the password, wait for the next authenticator code, and try again."


class TooManyAttemptsError(ServerRefusedError):
    """Too much was tried: logins, codes, or requests from this address. The message says how long to wait."""

    ADVICE = "Wait, then try again. A device that has logged in before is not held up by what strangers try."


class SessionEndedError(ServerRefusedError):
    """The session is over."""

    ADVICE = "Log in again: `solekey login`."


class ProofRefusedError(ServerRefusedError):
    """The proof of possession was refused."""

    ADVICE = "Set this machine's clock: it may be more than a minute off. Then try again."


class DeviceNotTrustedError(ServerRefusedError):
    """This device is not trusted yet."""

    ADVICE = "Trust this device with the user key: `solekey devices trust`."


class DeviceRevokedError(ServerRefusedError):
    """This device was revoked, for ever."""

    ADVICE = "Another device revoked this one: if that was right, enrol anew with an empty profile folder."


class StepUpRequiredError(ServerRefusedError):
    """This asks for a second factor that was proven a short time ago."""

    ADVICE = "Log in again (`solekey login`), which proves your second factor, then run this again."


class TakenError(ServerRefusedError):
    """The user name or the account exists already."""

    ADVICE = "Choose another user name; if it is yours, log in instead."


class NotFoundRefusal(ServerRefusedError):  # noqa: N818  # a refusal's noun, as on the server
    """The server does not have it."""


class StaleError(ServerRefusedError):
    """What was said does not continue what the server has: the client rebases and says it again."""

    ADVICE = "Try again: another device was faster. Nothing was lost."


class RotationRefusal(ServerRefusedError):  # noqa: N818  # a refusal's noun, as on the server
    """A step that would break a rotation's promise."""

    ADVICE = "Run `solekey rotate status`, then `solekey rotate resume`."


class UnavailableError(ServerRefusedError):
    """The server cannot answer safely right now."""

    ADVICE = "Try again in a few seconds; if it lasts, tell the operator. Nothing was lost."

    @property
    def retry_after_s(self) -> float | None:
        """How long the server asks to wait."""
        value = self.problem.get("retry_after_s")
        return float(value) if isinstance(value, int) else None


_CODES: Mapping[type[ServerRefusedError], tuple[str, ...]] = {
    LoginRefusedError: ("login_refused",),
    TooManyAttemptsError: ("too_many_attempts",),
    SessionEndedError: ("token_invalid", "token_expired", "session_ended"),
    ProofRefusedError: ("dpop_invalid", "use_dpop_nonce"),
    DeviceNotTrustedError: ("device_not_trusted", "untrusted_device"),
    DeviceRevokedError: ("device_revoked",),
    StepUpRequiredError: ("step_up_required",),
    TakenError: ("username_taken", "account_taken"),
    NotFoundRefusal: ("not_found",),
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
    RotationRefusal: (
        "rotation_open",
        "rotation_incomplete",
        "rotation_irrevocable",
        "wraps_differ",
        "wrap_in_use",
        "key_not_current",
    ),
    UnavailableError: ("not_yet_applied", "trust_stale", "account_parked", "unavailable", "storage_full"),
}
_BY_CODE = {code: refusal for refusal, codes in _CODES.items() for code in codes}
