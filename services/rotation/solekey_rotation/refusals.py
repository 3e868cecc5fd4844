"""What the rotation service refuses beyond the rules of its stream. Spec: rotation.md §6.

::

    Conflict                    409
    ├── RotationOpen            rotation_open         extras: rotation, kind, phase
    ├── RotationIncomplete      rotation_incomplete   extras: wraps [{secret, epoch, wrap_version}]
    ├── RotationIrrevocable     rotation_irrevocable
    └── WrapsDiffer             wraps_differ

A rotation that does not start from the account's keys is StaleHeads (stale_heads; extras: key_id, epoch).
"""

from solekey_eventlog.errors import Conflict


class RotationOpen(Conflict):
    """A rotation is open already: resume it, or abort it."""

    code, title = "rotation_open", "A rotation is open already"


class RotationIncomplete(Conflict):
    """The account's other streams do not show what the step says."""

    code, title = "rotation_incomplete", "The rotation is not that far"


class RotationIrrevocable(Conflict):
    """The new key is in force: the rotation can only go on."""

    code, title = "rotation_irrevocable", "The rotation cannot be aborted any more"


class WrapsDiffer(Conflict):
    """What was read back is not what is live."""

    code, title = "wraps_differ", "Other wraps were read back than are live"
