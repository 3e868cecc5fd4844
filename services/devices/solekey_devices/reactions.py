"""What the devices service does when others' events arrive: a closed account's names and sightings go.

It follows ``auth`` to admit requests too: token keys and open sessions are read from that stream.
"""

from collections.abc import Mapping

from sqlalchemy import delete

from solekey_devices.tables import device_names, device_sightings
from solekey_eventlog.projector import Reaction
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events import Body
from solekey_protocol.events.auth import AccountClosed
from solekey_service.kernel import Kernel


def derive_reactions(kernel: Kernel) -> Mapping[type[Body], Reaction]:  # noqa: ARG001 - the same signature in every service
    """Derive the reactions of a running service."""

    def forget(uow: UnitOfWork, event: Event) -> None:
        for table in (device_names, device_sightings):
            uow.connection.execute(delete(table).where(table.c.account == event.account))

    return {AccountClosed: forget}
