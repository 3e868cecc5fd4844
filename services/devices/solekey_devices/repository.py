"""What the devices service keeps beside its events: names, and when devices were seen last.

A sighting is a day, never a time. Spec: devices.md §4, §5.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, insert, select

from solekey_devices.device_name import DeviceName
from solekey_devices.tables import device_names, device_sightings
from solekey_eventlog.engine import upsert
from solekey_protocol.encoding import Json
from solekey_protocol.ids import AccountId, DeviceId


class NameRepository:
    """What owners call their devices, as one transaction sees it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, account: AccountId, device: DeviceId, name: DeviceName) -> None:
        """Keep the name of a device."""
        row = {"account": account, "device": device, "name": name.name, "salt": name.salt}
        self._connection.execute(insert(device_names).values(row))

    def find_all(self, account: AccountId) -> Sequence[dict[str, Json]]:
        """Find the account's names, each with the day on which its device was seen last."""
        names, seen = device_names.c, device_sightings.c
        same = and_(seen.account == names.account, seen.device == names.device)
        query = (
            select(names.device, names.name, names.salt, seen.seen_on.label("last_seen"))
            .select_from(device_names.outerjoin(device_sightings, same))
            .where(names.account == account)
            .order_by(names.device)
        )
        return [dict(row) for row in self._connection.execute(query).mappings()]

    def delete_all(self, account: AccountId) -> None:
        """Delete the account's names."""
        self._connection.execute(delete(device_names).where(device_names.c.account == account))


class SightingRepository:
    """The day on which each device was seen last, as one transaction sees it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_day(self, account: AccountId, device: DeviceId) -> str | None:
        """Find the day on which a device was seen last, such as 2026-11-24."""
        rows = device_sightings.c
        query = select(rows.seen_on).where(rows.account == account, rows.device == device)
        return self._connection.execute(query).scalar_one_or_none()

    def note(self, account: AccountId, device: DeviceId, day: str) -> None:
        """Note that a device was seen on a day."""
        rows = device_sightings.c
        query = upsert(self._connection, device_sightings).values(account=account, device=device, seen_on=day)
        self._connection.execute(
            query.on_conflict_do_update(index_elements=[rows.account, rows.device], set_={"seen_on": day})
        )

    def delete_all(self, account: AccountId) -> None:
        """Delete the sightings of the account's devices."""
        self._connection.execute(delete(device_sightings).where(device_sightings.c.account == account))
