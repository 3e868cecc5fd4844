"""How much could be hidden in a log that verifies: a bound, in bits. Spec: audit.md §3 (REC-03).

What the operator alone states has fields that other records determine, and fields that nobody recomputes.
The latter could carry a message: a session's random id, a factor's id, the milliseconds of a time. Counted is
what a field could hold at most, given all that the other checks hold it to.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from solekey.audit.bounds import Bounds
from solekey_protocol.event import Event
from solekey_protocol.events import BODIES, Body, auth, rotation
from solekey_protocol.ids import DeviceId

_DIGEST_BITS: Final = 256
_ID_BITS: Final = 128
_PUBLIC_KEY_BITS: Final = 255
_SECONDS: Final = timedelta(seconds=1)
_MILLISECONDS: Final = timedelta(milliseconds=1)
_YEAR: Final = timedelta(days=367)
_FACTS: Final = sum(not body.SIGNERS for body in BODIES.values())
UNKNOWN_DIGESTS: Final = (
    "auth.mfa_enrolled.v1 factor_id",
    "devices.account_founded.v1 certificate.name_commitment",
    "devices.device_enrolled.v1 certificate.name_commitment",
    "vault.key_wrapped.v1 wrap",
    "vault.items_committed.v1 changes",
)
"""The digests whose preimage is not in a log: the events' other ones are recomputed."""


@dataclass(slots=True)
class Covert:
    """What could be hidden in the facts of the operator, at most.

    Attributes:
        bits: by event type and field, such as ``auth.session_opened.v1 session``; ``time`` of every type.
        digests: how many digests there are of bytes that are not in the log, by type and field.
        most: in one account.
    """

    bits: Counter[str] = field(default_factory=Counter)
    digests: Counter[str] = field(default_factory=Counter)
    most: int = 0

    @property
    def total(self) -> int:
        """In all of the log."""
        return self.bits.total()

    def merge(self, other: "Covert") -> None:
        """Add what another part of the log could hide."""
        self.bits.update(other.bits)
        self.digests.update(other.digests)
        self.most = max(self.most, other.most)

    def summary(self) -> dict[str, object]:
        """It as plain values, for JSON."""
        return {
            "bits": self.total,
            "bits_of_one_account": self.most,
            "bits_by_field": dict(sorted(self.bits.items())),
            "digests_of_unknown_bytes": dict(sorted(self.digests.items())),
        }


def measure(event: Event, known: Collection[DeviceId], bounds: Bounds) -> dict[str, int]:
    """Measure how many bits the operator could choose in an event, by field.

    Args:
        event: a fact of his own, or a statement, of which he chooses the time alone.
        known: the devices that the account's own stream names.
        bounds: what he is held to.
    """
    chosen = {"time": measure_time(bounds)}
    if event.signed is not None:
        return chosen
    chosen["type"] = _count(_FACTS)
    chosen |= _CHOSEN.get(type(event.body), {})
    match event.body:
        case auth.SessionOpened(_, device):
            chosen["device"] = _count(len(known)) if device in known else _ID_BITS
            chosen["expires_at"] = _count(bounds.session / _MILLISECONDS)
        case auth.RefreshReuseDetected(_, generation):
            chosen["generation"] = generation.bit_length()
    return chosen


def measure_time(bounds: Bounds) -> int:
    """Measure how many bits the operator could choose in an event's time: all that a statement leaves him."""
    return _count(2 * bounds.clocks / _MILLISECONDS)


def _count(choices: float) -> int:
    """How many bits so many choices are."""
    return max(0, int(choices) - 1).bit_length()


_FACTOR: Final = _count(len(auth.Factor))
_CHOSEN: Final[Mapping[type[Body], Mapping[str, int]]] = {
    auth.SessionOpened: {"session": _ID_BITS, "factor": _FACTOR},
    auth.SessionSteppedUp: {"factor": _FACTOR},
    auth.SessionEnded: {"reason": _count(len(auth.SessionEnd))},
    auth.MfaEnrolled: {"factor": _FACTOR, "factor_id": _DIGEST_BITS},
    auth.LoginFailed: {"stage": _count(len(auth.LoginStage))},
    auth.LoginKeyChanged: {"reason": _count(len(auth.LoginKeyChange))},
    auth.SigningKeyPublished: {
        "public_key": _PUBLIC_KEY_BITS,
        "not_before": _count(_YEAR / _SECONDS),
        "not_after": _count(_YEAR / _SECONDS),
    },
    rotation.RotationDue: {"kind": 1, "cause": 1, "enforcement": 1},
}
"""What of a fact no other record determines, whatever stands in it."""
