"""Rotations: to change the user key, to re-encrypt under a new data key, and to revoke with both.

`rotation` begins, joins, resumes and gives up; `rotation_plan` what is left to do; `saga` one device's work
on it; `rekey` items under a new epoch, which `reseal` seals in batches and `rekey_spool` keeps; `leftovers`
of a re-key; `revocation` of a device with all that follows; `repair` of wraps.

Spec: rotation.md.
"""
