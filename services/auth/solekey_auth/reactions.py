"""What the auth service does when others' events arrive: a revoked device's sessions end."""

from collections.abc import Mapping

from solekey_auth.config import AuthConfig
from solekey_auth.sessions.sessions import Sessions
from solekey_eventlog.projector import Reaction
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events import Body
from solekey_protocol.events.devices import DeviceRevoked
from solekey_service.kernel import Kernel


def derive_reactions(kernel: Kernel) -> Mapping[type[Body], Reaction]:
    """Derive the reactions of a running service."""
    if not isinstance(kernel.config, AuthConfig):
        raise TypeError("the auth service needs an AuthConfig")
    sessions = Sessions(kernel, kernel.config.limits, kernel.config.open_operator_key())

    def end_sessions(uow: UnitOfWork, event: Event) -> None:
        if isinstance(event.body, DeviceRevoked):
            sessions.end_of_device(uow, event.account, event.body.device)

    return {DeviceRevoked: end_sessions}
