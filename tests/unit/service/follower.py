"""Two services of a rig: devices, and rotation, which follows it."""

from typing import Any

from solekey_rotation.definition import DEFINITION as ROTATION


def build_follower(rig: Any, devices: Any, *actors: Any) -> Any:
    """Build rotation; have both note which log they use, and found the accounts of these actors."""
    rotation = rig.build(ROTATION)
    for api in (devices, rotation):
        api.kernel.check_bus()
    for actor in actors:
        rig.append(actor.sign(actor.founded()))
    return rotation
