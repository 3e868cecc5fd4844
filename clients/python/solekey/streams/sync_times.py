"""When this device has last followed each stream at the server: what is read without it is "as of" then.

*File.* ``synced.json`` in the profile: a time by this device's clock for each stream. It is written again
once what it says is `GRAIN` old, so that it is never later than the truth. Nothing is decided by it.
Spec: offline.md §2.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from solekey.errors import DiskFullError
from solekey.files.private_folder import PrivateFolder
from solekey_protocol.encoding import encode_json, parse_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.limits import KIB

GRAIN: Final = timedelta(seconds=10)
_FILE: Final = "synced.json"
_log = logging.getLogger(__name__)


def read_sync_times(folder: PrivateFolder) -> dict[Stream, datetime]:
    """Read when each stream was followed; what is damaged says nothing."""
    stored = folder.read(_FILE)
    try:
        document = parse_json(stored, max_bytes=KIB) if stored is not None else {}
    except MalformedError:
        return {}
    rows = document if isinstance(document, Mapping) else {}
    return {stream: time for stream in Stream if (time := _parse_time(rows.get(stream.value))) is not None}


def note_sync_times(folder: PrivateFolder, streams: Iterable[Stream], now: datetime) -> None:
    """Note that streams were followed now; on a full disk what stands there is older than the truth."""
    before = read_sync_times(folder)
    if all(stream in before and timedelta(0) <= now - before[stream] < GRAIN for stream in streams):
        return
    times = {**before, **dict.fromkeys(streams, now)}
    try:
        folder.write(_FILE, encode_json({stream.value: time.isoformat() for stream, time in times.items()}))
    except DiskFullError as error:
        _log.info("when the streams were followed is not noted: %s", error)


def _parse_time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None
