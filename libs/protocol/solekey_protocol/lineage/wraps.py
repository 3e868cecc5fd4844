"""Which wraps a rotation makes and which it makes superfluous. Spec: lineage.md §3, rotation.md §3."""

from collections.abc import Sequence

from solekey_protocol.errors import LineageError
from solekey_protocol.events import rotation as rotation_events
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.streams import Rotation, WrapRecord, derive_wraps_digest


def find_new_wraps(started: rotation_events.RotationStarted, live: Sequence[WrapRecord]) -> list[WrapRecord]:
    """Find, among live wraps, those that a rotation has made: what must be read back."""
    made = [wrap for wrap in live if wrap.wrapped.key_id == started.to_key_id]
    if started.kind is RotationKind.USER_KEY:
        return made
    return [wrap for wrap in made if wrap.wrapped.epoch == started.to_epoch]


def find_old_wraps(started: rotation_events.RotationStarted, live: Sequence[WrapRecord]) -> list[WrapRecord]:
    """Find, among live wraps, those that a rotation makes superfluous once it is decided."""
    if started.kind is RotationKind.USER_KEY:
        return [wrap for wrap in live if wrap.wrapped.key_id != started.to_key_id]
    return [wrap for wrap in live if wrap.wrapped.epoch < started.to_epoch]


def find_unwrapped(started: rotation_events.RotationStarted, live: Sequence[WrapRecord]) -> list[WrapRecord]:
    """Find the live wraps of secrets that a user key change has not wrapped under the new key yet."""
    done = {(wrap.wrapped.secret, wrap.wrapped.epoch) for wrap in find_new_wraps(started, live)}
    return [wrap for wrap in live if (wrap.wrapped.secret, wrap.wrapped.epoch) not in done]


def verify_same_wraps(rotation: Rotation, live: Sequence[WrapRecord]) -> None:
    """Verify that the live wraps are those that a rotation has verified. Raises LineageError."""
    verified = rotation.verified
    if verified is None or (verified.count, verified.wraps) != (len(live), derive_wraps_digest(live)):
        raise LineageError("wraps_differ", "other wraps are live under the new key than were verified")


def refuse_left(what: str, wraps: Sequence[WrapRecord]) -> None:
    """Refuse a step as long as there are such wraps; ``what`` describes them. Raises LineageError."""
    if wraps:
        places = tuple(
            (wrap.wrapped.secret.value, wrap.wrapped.epoch, wrap.wrapped.wrap_version) for wrap in wraps
        )
        raise LineageError("rotation_incomplete", f"{len(wraps)} wraps {what}", wraps=places)
