"""What the rotation service does when others' events arrive. Spec: rotation.md §4.

It notes since when keys are in force, and says that both are due when a device that had them is revoked.
Nothing becomes due any more in an account that was closed.
"""

from collections.abc import Mapping

from solekey_eventlog.projector import Reaction
from solekey_protocol.events import Body, auth, devices, vault
from solekey_rotation.schedule import make_schedule
from solekey_service.kernel import Kernel


def derive_reactions(kernel: Kernel) -> Mapping[type[Body], Reaction]:
    """Derive the reactions of a running service."""
    schedule = make_schedule(kernel)
    return {
        auth.AccountClosed: schedule.note_closed,
        devices.AccountFounded: schedule.note_user_key,
        devices.AccountKeyChanged: schedule.note_user_key,
        devices.DeviceRevoked: schedule.note_revocation,
        vault.KeyWrapped: schedule.note_wrap,
    }
