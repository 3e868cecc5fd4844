"""The devices service's HTTP API without a framework. Spec: devices.md §3, openapi."""

from contextlib import suppress

from solekey_devices.config import DevicesConfig
from solekey_devices.repository import NameRepository, SightingRepository
from solekey_devices.statements import DeviceStatements
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import Event
from solekey_service.http import Caller, Request, Response, json_response
from solekey_service.kernel import Kernel
from solekey_service.stream_api import StreamApi


class DevicesApi(StreamApi[DevicesConfig]):
    """Answers requests for one account at a time: the caller's."""

    def __init__(self, kernel: Kernel[DevicesConfig]) -> None:
        super().__init__(kernel, DeviceStatements())

    def get_names(self, request: Request) -> Response:
        """List the devices' names and the day on which each was here last; revoked ones included."""
        with self.kernel.store.read() as uow:
            names = NameRepository(uow.connection).find_all(request.authenticated.account)
        return json_response(200, {"names": names})

    def get_events(self, request: Request) -> Response:
        """Read the account's devices stream; the device that reads it is seen today."""
        self._note_sighting(request.authenticated)
        return super().get_events(request)

    def delete_account(self, uow: UnitOfWork, event: Event) -> None:
        """Delete the names and sightings of an account that was closed (a reaction)."""
        NameRepository(uow.connection).delete_all(event.account)
        SightingRepository(uow.connection).delete_all(event.account)

    def _note_sighting(self, caller: Caller) -> None:
        """Note that a device was here today: one write a device and day."""
        store = self.kernel.store
        today = store.clock.now().date().isoformat()
        with store.read() as uow:
            day = SightingRepository(uow.connection).find_day(caller.account, caller.device)
        if day is not None and day >= today:
            return
        with suppress(UnavailableError), store.begin() as uow:  # if the database is busy: noted next time
            SightingRepository(uow.connection).note(caller.account, caller.device, today)
