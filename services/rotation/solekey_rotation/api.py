"""The rotation service's HTTP API: what every service answers, for its own stream. Spec: rotation.md §5."""

from solekey_rotation.config import RotationConfig
from solekey_rotation.schedule import Schedule
from solekey_rotation.statements import RotationStatements
from solekey_service.kernel import Kernel
from solekey_service.stream_api import StreamApi


class RotationApi(StreamApi[RotationConfig]):
    """Answers requests for one account at a time: the caller's."""

    def __init__(self, kernel: Kernel[RotationConfig]) -> None:
        self.schedule = Schedule(kernel)
        super().__init__(kernel, RotationStatements(self.schedule))

    def announce_due(self) -> int:
        """State of each key that has become too old that its rotation is due; return how many were stated."""
        return self.schedule.announce_due()

    def rebuild_key_ages(self) -> int:
        """Make the read model of the key ages from zero, in one transaction; return of how many accounts."""
        with self.kernel.store.begin() as uow:
            return self.schedule.rebuild(uow)
