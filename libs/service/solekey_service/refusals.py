# ruff: noqa: N818 - a refusal is named after what is refused, as in its problem document
"""What a service refuses: each with a stable ``code``, answered as an RFC 9457 problem document.

::

    Refusal
    ├── BadRequest              400  malformed
    ├── Unauthenticated         401  unauthenticated
    │   ├── TokenInvalid        401  token_invalid
    │   ├── TokenExpired        401  token_expired
    │   ├── DpopInvalid         401  dpop_invalid
    │   ├── UseDpopNonce        401  use_dpop_nonce       with DPoP-Nonce
    │   └── SessionOver         401  session_ended
    ├── Forbidden               403  forbidden
    │   ├── DeviceNotTrusted    403  device_not_trusted
    │   ├── RevokedDevice       403  device_revoked
    │   └── StepUpRequired      403  step_up_required     extras: max_age_s
    ├── NotFound                404  not_found
    ├── Conflict                409  conflict
    │   └── WrapInUse           409  wrap_in_use
    ├── TooLarge                413  too_large
    ├── UnsupportedMediaType    415  unsupported_media_type
    ├── Unprocessable           422  unprocessable
    ├── RateLimited             429  rate_limited         extras: unit, limit, window_s; with Retry-After
    └── QuotaExceeded           507  quota_exceeded       extras: unit, limit, used

Each service adds its own subclasses in ``refusals.py``. Spec: conventions.md §6.

A refusal has a kind and no HTTP status, so that a service's domain may raise it; the status that is drawn
here is given to the kind at the edge. Errors of the protocol and the event log have a code alone: ``ANSWERS``
has what each is refused with, and is the only place where the one becomes the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from solekey_eventlog.errors import EventLogError
from solekey_protocol import errors as protocol
from solekey_protocol.encoding import Json


class Kind(Enum):
    """What a refusal comes down to, whatever carries it. ``http/problems.py`` gives each its status."""

    MALFORMED = auto()
    UNAUTHENTICATED = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    METHOD_NOT_ALLOWED = auto()
    TOO_SLOW = auto()
    CONFLICT = auto()
    LENGTH_UNKNOWN = auto()
    TOO_LARGE = auto()
    MEDIA_TYPE = auto()
    RANGE = auto()
    UNPROCESSABLE = auto()
    TOO_MANY = auto()
    UNAVAILABLE = auto()
    NO_ROOM = auto()


class Refusal(Exception):
    """A request that is refused. ``str(refusal)`` is the problem's ``detail``: say nothing secret in it."""

    code: str
    kind: Kind
    title: str

    def __init__(
        self,
        detail: str = "",
        *,
        extras: Mapping[str, Json] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.extras: Mapping[str, Json] = extras or {}
        self.headers: Mapping[str, str] = {}
        """What its answer says besides, in header fields."""
        self.retry_after_s = retry_after_s


class BadRequest(Refusal):
    """The request is not what the format says."""

    code, kind, title = "malformed", Kind.MALFORMED, "The request is malformed"


class Unauthenticated(Refusal):
    """The request proves no identity."""

    code, kind, title = "unauthenticated", Kind.UNAUTHENTICATED, "Authentication is required"


class TokenInvalid(Unauthenticated):
    """The access token is absent, forged, for another service, or bound to another key."""

    code, title = "token_invalid", "The access token is not valid"


class TokenExpired(Unauthenticated):
    """The access token is too old: refresh it."""

    code, title = "token_expired", "The access token has expired"


class DpopInvalid(Unauthenticated):
    """The DPoP proof is absent, wrong, or was used before."""

    code, title = "dpop_invalid", "The DPoP proof is not valid"


class UseDpopNonce(Unauthenticated):
    """The DPoP proof must carry the nonce that comes with this answer (RFC 9449 §8, §9)."""

    code, title = "use_dpop_nonce", "The DPoP proof needs the server's nonce"

    def __init__(self, nonce: str) -> None:
        super().__init__("DPoP: make the proof again with the nonce of this answer's DPoP-Nonce field")
        self.headers = {"DPoP-Nonce": nonce}


class SessionOver(Unauthenticated):
    """The session has ended: log in again."""

    code, title = "session_ended", "The session has ended"


class Forbidden(Refusal):
    """The caller is known and may not do this."""

    code, kind, title = "forbidden", Kind.FORBIDDEN, "This is not allowed"


class DeviceNotTrusted(Forbidden):
    """The device is unknown or still pending."""

    code, title = "device_not_trusted", "The device is not trusted"


class RevokedDevice(Forbidden):
    """The device was revoked, permanently."""

    code, title = "device_revoked", "The device was revoked"


class StepUpRequired(Forbidden):
    """This requires a second factor that was proven a short time ago."""

    code, title = "step_up_required", "A fresh second factor is needed"

    def __init__(self, max_age_s: int) -> None:
        super().__init__(
            f"prove a second factor again (POST /v1/auth/step-up); it counts for {max_age_s} s",
            extras={"max_age_s": max_age_s},
        )


class NotFound(Refusal):
    """There is no such thing, or it belongs to another account."""

    code, kind, title = "not_found", Kind.NOT_FOUND, "Not found"


class Conflict(Refusal):
    """The request does not fit the current state."""

    code, kind, title = "conflict", Kind.CONFLICT, "The request conflicts with the current state"


class WrapInUse(Conflict):
    """The wrap is the last by which the account's user key opens a data key that is needed (promise P3)."""

    code, title = "wrap_in_use", "The wrap is still needed"


class TooLarge(Refusal):
    """The body exceeds the limit of its entry point."""

    code, kind, title = "too_large", Kind.TOO_LARGE, "The body is too large"


class UnsupportedMediaType(Refusal):
    """The Content-Type is not the entry point's."""

    code, kind, title = "unsupported_media_type", Kind.MEDIA_TYPE, "The media type is not supported"


class Unprocessable(Refusal):
    """Well-formed, but it cannot be accepted."""

    code, kind, title = "unprocessable", Kind.UNPROCESSABLE, "The request cannot be accepted"


class RateLimited(Refusal):
    """As much was asked for as an account, or one of its devices, may ask for within a time."""

    code, kind, title = "rate_limited", Kind.TOO_MANY, "Too much at once"

    def __init__(self, unit: str, *, limit: int, window_s: int, retry_after_s: int) -> None:
        super().__init__(
            f"at most {limit} {unit} within {window_s} s; go on in {retry_after_s} s",
            extras={"unit": unit, "limit": limit, "window_s": window_s},
            retry_after_s=retry_after_s,
        )


class QuotaExceeded(Refusal):
    """The account has as much as the operator lets one have; nothing was stored."""

    code, kind, title = "quota_exceeded", Kind.NO_ROOM, "The account's quota is used up"

    def __init__(self, unit: str, *, limit: int, used: int) -> None:
        super().__init__(
            f"the account has {used} {unit}, and the operator allows {limit}",
            extras={"unit": unit, "limit": limit, "used": used},
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """How an error of a lower layer is refused: what is a class's own in a Refusal."""

    code: str
    kind: Kind
    title: str


_MALFORMED: Final = Answer("malformed", Kind.MALFORMED, BadRequest.title)
_UNPROCESSABLE: Final = Answer("unprocessable", Kind.UNPROCESSABLE, Unprocessable.title)
_STALE_HEADS: Final = Answer("stale_heads", Kind.CONFLICT, "The heads that the statement saw do not fit")
_NOT_YET_APPLIED: Final = Answer(
    "not_yet_applied", Kind.UNAVAILABLE, "The service has not applied what the request depends on"
)
ANSWERS: Final[Mapping[str, Answer]] = {
    protocol.MalformedError.code: _MALFORMED,
    protocol.UntrustedDeviceError.code: Answer(DeviceNotTrusted.code, Kind.FORBIDDEN, DeviceNotTrusted.title),
    protocol.GapError.code: _NOT_YET_APPLIED,
    protocol.ChainError.code: _STALE_HEADS,
    protocol.ForkError.code: _STALE_HEADS,
    **{
        answer.code: answer
        for answer in (
            _NOT_YET_APPLIED,
            Answer("unsupported_format", Kind.MALFORMED, "The format is not supported"),
            Answer("schema_violation", Kind.UNPROCESSABLE, "The document is outside its schema"),
            Answer("signature_invalid", Kind.UNPROCESSABLE, "A signature does not verify"),
            Answer("transition_refused", Kind.CONFLICT, "The stream's rules do not allow this"),
            Answer("key_not_current", Kind.CONFLICT, "The key is neither current nor being rotated to"),
            Answer(WrapInUse.code, Kind.CONFLICT, WrapInUse.title),
            Answer("wraps_differ", Kind.CONFLICT, "Other wraps were read back than are live"),
            Answer("rotation_incomplete", Kind.CONFLICT, "The rotation is not that far"),
            Answer("rotation_irrevocable", Kind.CONFLICT, "The rotation cannot be aborted any more"),
            Answer("stale_position", Kind.CONFLICT, "The statement does not continue the stream"),
            Answer("unavailable", Kind.UNAVAILABLE, "The service is unavailable"),
            Answer("trust_stale", Kind.UNAVAILABLE, "The service cannot know whether trust was withdrawn"),
            Answer(
                "account_parked",
                Kind.UNAVAILABLE,
                "The account waits for an event that could not be applied",
            ),
        )
    },
}
"""How errors of the protocol and the event log are refused, by their codes; the two share none."""
_GAP_S: Final = 1
MAX_LISTED_WRAPS: Final = 100


def derive_refusal(error: protocol.ProtocolError | EventLogError) -> Refusal | None:
    """Derive what a request is answered that met an error of a lower layer; None for one that is unexpected.

    A statement's own place is compared with the head before (StalePositionError), so a chain error that is
    left is about the other heads: ahead of what this service has applied, or of another history.
    """
    if isinstance(error, EventLogError):
        answer, extras, retry_after_s = ANSWERS.get(error.code), error.extras, error.retry_after_s
    else:
        answer, extras = ANSWERS.get(error.code, _UNPROCESSABLE), _list_wraps(error)
        retry_after_s = _GAP_S if answer is _NOT_YET_APPLIED else None
    if answer is None:
        return None
    refusal = Refusal(str(error), extras=extras, retry_after_s=retry_after_s)
    refusal.code, refusal.kind, refusal.title = answer.code, answer.kind, answer.title
    return refusal


def _list_wraps(error: protocol.ProtocolError) -> Mapping[str, Json]:
    if not isinstance(error, protocol.LineageError) or not error.wraps:
        return {}
    return {
        "wraps": [
            {"secret": secret, "epoch": epoch, "wrap_version": version}
            for secret, epoch, version in error.wraps[:MAX_LISTED_WRAPS]
        ]
    }
