"""Which rotations are due, since when, why, and whether writes wait for them. Spec: rotation.md §4."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solekey_protocol.events.rotation import RotationDue
    from solekey_protocol.streams import RotationStream

_NAMES = {"user_key": "user key", "data_key": "data key"}
_CAUSES = {
    "age": "it is older than the policy allows",
    "revocation": "a device that knew it was revoked",
}


def describe_dues(rotation: "RotationStream") -> list[dict[str, object]]:
    """Describe for scripts what is due."""
    return [
        {
            "kind": due.kind.value,
            "since": str(due.since),
            "cause": due.cause.value,
            "enforced": due.kind in rotation.enforced,
        }
        for due in rotation.dues
    ]


def explain_dues(rotation: "RotationStream") -> list[str]:
    """Say to a person what is due and why, and what to run."""
    return [_explain(due, enforced=due.kind in rotation.enforced) for due in rotation.dues]


def _explain(due: "RotationDue", *, enforced: bool) -> str:
    day = str(due.since).partition("T")[0]
    waiting = "; nothing can be stored before" if enforced else ""
    command = f"solekey rotate {due.kind.value.replace('_', '-')}"
    return f"{_NAMES[due.kind.value]} since {day}: {_CAUSES[due.cause.value]}{waiting} ({command})"
