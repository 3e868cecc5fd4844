"""What the rotation service refuses beyond the rules of its stream. Spec: rotation.md §6.

::

    Conflict                    409
    └── RotationOpen            rotation_open         extras: rotation, kind, phase

What the other streams do not bear out is refused by the lineage rules (solekey_protocol.lineage).
"""

from solekey_service.refusals import Conflict


class RotationOpen(Conflict):
    """A rotation is open already: resume it, or abort it."""

    code, title = "rotation_open", "A rotation is open already"
