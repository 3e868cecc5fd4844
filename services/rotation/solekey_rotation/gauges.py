"""What operators see of rotations: how many are open, and since when the oldest one is."""

from typing import Final

from solekey_protocol.events.fields import RotationKind
from solekey_rotation.api import RotationApi
from solekey_rotation.repository import KeyAgeRepository
from solekey_service.monitoring.gauge import Gauge, Values


def _count_open(api: RotationApi) -> Values:
    with api.kernel.store.read() as uow:
        found = KeyAgeRepository(uow.connection).find_open()
    return {(kind.value,): found[kind].count if kind in found else 0 for kind in RotationKind}


def _find_oldest(api: RotationApi) -> Values:
    with api.kernel.store.read() as uow:
        found = KeyAgeRepository(uow.connection).find_open()
        ages_s = {kind: (uow.now - each.oldest).total_seconds() for kind, each in found.items()}
    return {(kind.value,): max(0.0, ages_s.get(kind, 0.0)) for kind in RotationKind}


GAUGES: Final[tuple[Gauge[RotationApi], ...]] = (
    Gauge("solekey_rotations_open", "Rotations that were started and have not ended", _count_open, ("kind",)),
    Gauge(
        "solekey_rotation_oldest_seconds",
        "How long ago the oldest open rotation was started; 0: none is open",
        _find_oldest,
        ("kind",),
    ),
)
