"""Rotations: `rotation_plan` what is left to do, `rotation` the saga, `rekey` items under a new epoch,
`revocation` of a device with all that follows.

Spec: rotation.md.
"""
