"""The verifying folds: what a stream's events amount to, and which event may come next. Spec: events.md §5.

Services, client and auditor fold with the same code. ``evolve`` checks place and transition; ``apply``
verifies the signatures first. Both return a new state or raise; a state is never half changed.

``chain`` place in the stream · ``devices`` who may speak · ``auth`` sessions · ``vault`` wraps and commits ·
``rotation`` sagas.
"""

from solekey_protocol.streams.auth import AuthStream
from solekey_protocol.streams.devices import Device, DevicesStream, DeviceStatus, Outcome
from solekey_protocol.streams.rotation import Phase, Rotation, RotationStream
from solekey_protocol.streams.vault import VaultStream, WrapRecord, derive_wraps_digest

__all__ = [
    "AuthStream",
    "Device",
    "DeviceStatus",
    "DevicesStream",
    "Outcome",
    "Phase",
    "Rotation",
    "RotationStream",
    "VaultStream",
    "WrapRecord",
    "derive_wraps_digest",
]
