"""The names of devices that this device has verified once: a server cannot hide them afterwards.

*File.* ``names.json`` in the profile: ``{device id: {"name", "salt"}}``. An entry counts only while the
device's certificate commits to it, so that a damaged or foreign file says nothing. Spec: devices.md §4.
"""

import logging
from collections.abc import Mapping
from typing import Final

from solekey.account.device_list import is_vouched_for
from solekey.account.device_names import DeviceName, parse_name
from solekey.errors import DiskFullError
from solekey.files.private_folder import PrivateFolder
from solekey_protocol.encoding import encode_json, parse_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import DeviceId
from solekey_protocol.limits import MIB
from solekey_protocol.streams import DevicesStream

_FILE: Final = "names.json"
_log = logging.getLogger(__name__)


def read_names(folder: PrivateFolder, stream: DevicesStream) -> dict[DeviceId, DeviceName]:
    """Read the names of a stream's devices that were verified before; each is verified again."""
    stored = folder.read(_FILE)
    try:
        document = parse_json(stored, max_bytes=MIB) if stored is not None else {}
    except MalformedError:
        return {}
    rows = document if isinstance(document, Mapping) else {}
    names: dict[DeviceId, DeviceName] = {}
    for device, known in stream.devices.items():
        name = parse_name(rows.get(device))
        if name is not None and is_vouched_for(name, known.certificate):
            names[device] = name
    return names


def remember_names(
    folder: PrivateFolder, stream: DevicesStream, shown: Mapping[DeviceId, DeviceName]
) -> dict[DeviceId, DeviceName]:
    """Keep what was verified now beside what was verified before; returns both."""
    before = read_names(folder, stream)
    names = {**before, **shown}
    if names != before:
        try:
            folder.write(_FILE, encode_json({device: name.encode() for device, name in names.items()}))
        except DiskFullError as error:
            _log.info("names of devices are not kept: %s", error)
    return names
