"""What statements of the devices stream need of the others. Spec: lineage.md §3.2."""

from solekey_protocol.errors import LineageError
from solekey_protocol.events import devices as device_events
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.lineage.account import Account, find_seen
from solekey_protocol.lineage.wraps import find_new_wraps, find_unwrapped, refuse_left, verify_same_wraps
from solekey_protocol.services import Stream
from solekey_protocol.statements import Statement
from solekey_protocol.streams import Rotation


def verify_key_change(body: device_events.AccountKeyChanged, statement: Statement, account: Account) -> None:
    """A user key takes over only once its wraps were read back, and nothing was left out."""
    rotation = _require_key_change(statement, account, body.rotation, body.key_id)
    if not rotation.is_verified_at(find_seen(statement, Stream.ROTATION)):
        raise LineageError("rotation_incomplete", "the new wraps were not verified")
    current = account.devices.key_at(find_seen(statement, Stream.DEVICES))
    if current is None or rotation.started.from_key_id != current.key_id:
        raise LineageError("stale_heads", "the rotation leads away from another user key")
    live = account.vault.live_wraps(seq=find_seen(statement, Stream.VAULT))
    refuse_left("have no successor under the new user key", find_unwrapped(rotation.started, live))
    verify_same_wraps(rotation, find_new_wraps(rotation.started, live))


def verify_abandonment(
    body: device_events.KeyChangeAbandoned, statement: Statement, account: Account
) -> None:
    """Only a user key change that is open can be abandoned."""
    _require_key_change(statement, account, body.rotation, body.key_id)


def _require_key_change(statement: Statement, account: Account, rotation: str, key_id: str) -> Rotation:
    found = account.rotation.open_at(find_seen(statement, Stream.ROTATION))
    if found is None or found.started.rotation != rotation or found.started.kind is not RotationKind.USER_KEY:
        raise LineageError("rotation_incomplete", f"{rotation} is no open change of the user key")
    if found.started.to_key_id != key_id:
        raise LineageError("rotation_incomplete", f"{rotation} leads to another user key")
    return found
