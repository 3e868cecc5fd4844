"""What the rotation service refuses beyond the rules of its stream. Spec: rotation.md §6.

::

    Conflict                    409
    ├── RotationOpen            rotation_open         extras: rotation, kind, phase
    ├── RotationMismatch        rotation_mismatch     extras: key_id, epoch
    ├── RotationIncomplete      rotation_incomplete
    └── RotationIrrevocable     rotation_irrevocable
"""

from solekey_eventlog.errors import Conflict


class RotationOpen(Conflict):
    """A rotation is open already: resume it, or abort it."""

    code, title = "rotation_open", "A rotation is open already"


class RotationMismatch(Conflict):
    """The rotation does not start from, or has not led to, the keys that the account has."""

    code, title = "rotation_mismatch", "The rotation does not fit the account's keys"


class RotationIncomplete(Conflict):
    """Wraps are left that the rotation is to retire, or that an abort is to take back."""

    code, title = "rotation_incomplete", "The rotation is not complete"


class RotationIrrevocable(Conflict):
    """The new key is in force: the rotation can only go on."""

    code, title = "rotation_irrevocable", "The rotation cannot be aborted any more"
