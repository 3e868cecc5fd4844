"""The verifying folds: what a stream's events amount to, and which event may come next. Spec: events.md §5.

Services, client and auditor fold with the same code. ``evolve`` checks place and transition; ``apply``
verifies the signatures first. Both return a new state or raise; a state is never half changed.

``fold`` what every fold can do · ``chain`` place in the stream · ``devices`` who may speak ·
``auth`` sessions · ``vault`` wraps and commits · ``rotation`` sagas · ``snapshot`` a fold as bytes.
"""

from collections.abc import Mapping

from solekey_protocol.services import Stream
from solekey_protocol.streams.auth import AuthStream
from solekey_protocol.streams.devices import Device, DevicesStream, DeviceStatus, Outcome
from solekey_protocol.streams.fold import Fold
from solekey_protocol.streams.rotation import Phase, Rotation, RotationStream
from solekey_protocol.streams.snapshot import decode_snapshot, derive_fold_version, encode_snapshot
from solekey_protocol.streams.vault import VaultStream, WrapRecord, derive_wraps_digest

__all__ = [
    "FOLDS",
    "AuthStream",
    "Device",
    "DeviceStatus",
    "DevicesStream",
    "Fold",
    "Outcome",
    "Phase",
    "Rotation",
    "RotationStream",
    "VaultStream",
    "WrapRecord",
    "decode_snapshot",
    "derive_fold_version",
    "derive_wraps_digest",
    "encode_snapshot",
]

FOLDS: Mapping[Stream, type[Fold]] = {
    kind.STREAM: kind for kind in (AuthStream, DevicesStream, VaultStream, RotationStream)
}
"""Which class folds which stream."""
