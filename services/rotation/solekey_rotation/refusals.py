# ruff: noqa: N818 - a refusal is named after what is refused, as in its problem document
"""What the rotation service refuses beyond the rules of its stream. Spec: rotation.md §6.

::

    Conflict                    409
    ├── RotationOpen            rotation_open           extras: rotation
    ├── RotationStale           rotation_stale          extras: key_id, epoch
    ├── RotationIncomplete      rotation_incomplete     extras: wraps [{secret, epoch, wrap_version}]
    └── RotationIrrevocable     rotation_irrevocable
"""

from solekey_eventlog.errors import Conflict


class RotationOpen(Conflict):
    """One rotation at a time: the open one is resumed or aborted first."""

    code, title = "rotation_open", "Another rotation is open"


class RotationStale(Conflict):
    """The rotation does not start at the key and epoch that the account has."""

    code, title = "rotation_stale", "The rotation starts from a key that is not the account's"


class RotationIncomplete(Conflict):
    """What must have happened before this step has not happened yet."""

    code, title = "rotation_incomplete", "The rotation is not that far"


class RotationIrrevocable(Conflict):
    """The new key is in force: the rotation is resumed, not aborted."""

    code, title = "rotation_irrevocable", "There is no way back"
