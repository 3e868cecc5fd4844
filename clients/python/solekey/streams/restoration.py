"""What a server that declares a restoration has lost of what this device has verified, and whether the user
may accept it.

::

    lost        of each stream, what follows the last record that device and server have in common
    explained   the service that writes it declares a restoration, as of before the lost records, after them
    trial       the server's streams, verified in a folder of their own from the common record on
    withdrawn   what this device has seen revoked or replaced must not be in force there

Nothing of the profile is changed before `set_back`. Spec: hostile-server.md §2.3.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Final

from solekey.connection.connection import Connection
from solekey.errors import RestorationRefusedError
from solekey.files.private_folder import PrivateFolder
from solekey.profile.pins import load_pins, save_pins
from solekey.streams.accepted import read_accepted
from solekey.streams.copies import COPIES_LOCK, ORDER
from solekey.streams.fetching import fetch_records
from solekey.streams.kept_fold import name_fold
from solekey.streams.records import Records
from solekey.streams.restored import Restored, find_declared
from solekey.streams.streams import Streams
from solekey_protocol.accepted_restoration import StreamLoss
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.ids import DeviceId
from solekey_protocol.statements import EMPTY_HEAD, Head
from solekey_protocol.streams import DevicesStream, DeviceStatus

CLOCKS: Final = timedelta(seconds=60)
"""By how much clocks of services may differ (conventions.md §12)."""
_TRIAL: Final = "restoration"
_COPIED_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Loss:
    """What a server has lost of one stream.

    Attributes:
        stream: which one.
        kept: the last record that device and server have in common; seq 0: none.
        lost: the last record that this device had verified.
        events: the lost records, as far as they are on this device.
        declared: as of when, and when, the service says that it was restored.
    """

    stream: Stream
    kept: Head
    lost: Head
    events: tuple[Event, ...]
    declared: Restored

    def to_stream_loss(self) -> StreamLoss:
        """Build what the user signs of it."""
        as_of, at = self.declared
        return StreamLoss(as_of, at, self.kept, self.lost)


def find_losses(connection: Connection, streams: Streams) -> list[Loss]:
    """Find what the server has lost of each stream; empty: it has all that this device has verified.

    Raises:
        RestorationRefusedError: no service declares a restoration that explains it, or it was accepted
            before and more is lost now.
    """
    found = []
    for stream in ORDER:
        records, lost = streams.events(stream), streams.newest(stream)
        kept = find_kept(connection, stream, records)
        if kept.seq < lost.seq:
            events = tuple(records[kept.seq :])
            declared = _explain(stream, events, find_declared(connection, stream))
            found.append(Loss(stream, kept, lost, events, declared))
    for accepted, _ in read_accepted(connection.profile.folder, connection.profile.account):
        for loss in found:
            before = accepted.streams.get(loss.stream)
            if before is not None and before.at == loss.declared[1] and before.lost != loss.lost:
                raise RestorationRefusedError(
                    f"{loss.stream}: the restoration of {before.at} was accepted before, and more is lost now"
                )
    return found


def find_kept(connection: Connection, stream: Stream, records: Records) -> Head:
    """Find the last record that the server has, too: records are chained, so those before it are the same."""
    low, high = 0, len(records)
    while low < high:
        seq = (low + high + 1) // 2 if high < len(records) else high
        page = fetch_records(connection, stream, seq - 1, limit=1, positions=False)
        if page and page[0] == records[seq - 1].raw:
            low = seq
        else:
            high = seq - 1
    return Head(low, records.find_digest(low)) if low else EMPTY_HEAD


def _explain(stream: Stream, events: Sequence[Event], declared: Sequence[Restored]) -> Restored:
    """Find the declaration that explains a loss. Raises RestorationRefusedError."""
    times = [event.time.datetime for event in events]
    for as_of, at in reversed(declared):
        if times and as_of.datetime - CLOCKS <= min(times) and max(times) <= at.datetime + CLOCKS:
            return as_of, at
    raise RestorationRefusedError(
        f"{stream}: the server has lost records, and declares no restoration that explains it"
    )


@contextmanager
def try_out(connection: Connection, streams: Streams, losses: Sequence[Loss]) -> Iterator[Streams]:
    """Follow the server from the common records on, in a folder of its own that is deleted afterwards.

    Everything is verified as always. Raises EvidenceError: the server's history is not sound;
    RestorationRefusedError: it has in force what this device has seen revoked or replaced.
    """
    kept = {loss.stream: loss.kept for loss in losses}
    folder = PrivateFolder(connection.profile.folder.path / _TRIAL)
    shutil.rmtree(folder.path, ignore_errors=True)
    with_losses = Connection(connection.profile, connection.runtime)  # knows no positions
    try:
        folder.make()
        for stream in ORDER:
            records = iter(
                streams.events(stream)[: kept[stream].seq] if stream in kept else streams.events(stream)
            )
            while page := b"".join(event.raw + b"\n" for event in islice(records, _COPIED_AT_ONCE)):
                folder.append(f"streams/{stream}.jsonl", page, durable=False)
        save_pins(folder, {stream: kept.get(stream, streams.head(stream)) for stream in ORDER})
        trial = Streams(with_losses, folder)
        before = trial.devices, trial.vault.epoch
        trial.sync()
        _verify_withdrawn(streams, trial, *before)
        yield trial
    finally:
        with_losses.close()
        shutil.rmtree(folder.path, ignore_errors=True)


def find_revoked(devices: DevicesStream) -> tuple[DeviceId, ...]:
    """Find the devices that a stream shows as revoked."""
    return tuple(each for each, device in devices.devices.items() if device.status is DeviceStatus.REVOKED)


def _verify_withdrawn(streams: Streams, trial: Streams, kept: DevicesStream, epoch: int) -> None:
    """Verify that what this device has seen revoked or replaced is not in force at the server.

    Args:
        streams: as this device had verified them.
        trial: as the server shows them.
        kept: the devices as of the last common record.
        epoch: the epoch of then.
    """
    for device in find_revoked(streams.devices):
        there = trial.devices.devices.get(device)
        if there is not None and there.status is not DeviceStatus.REVOKED:
            raise RestorationRefusedError(f"{device}, which was revoked since, is {there.status} there")
    replaced = {key.key_id for key in streams.devices.keys[len(kept.keys) - 1 : -1]}
    if trial.devices.key_id in replaced:
        raise RestorationRefusedError("the user key that was replaced since is in force there")
    if streams.vault.epoch > epoch == trial.vault.epoch:
        raise RestorationRefusedError("the data key that was replaced since is in force there")
    if streams.auth.closed and not trial.auth.closed:
        raise RestorationRefusedError("the account, which was closed since, is open there")


def set_back(folder: PrivateFolder, losses: Sequence[Loss]) -> None:
    """Set the copies and the pins of a profile back to the last common records.

    Interrupted, each stream is as it was or set back, and what is not is found lost again: the pins go first,
    since what a file has beyond its pin is pinned by that.
    """
    kept: Mapping[Stream, Head] = {loss.stream: loss.kept for loss in losses}
    with folder.lock(COPIES_LOCK):
        pins = load_pins(folder)
        save_pins(folder, {stream: kept.get(stream, pin) for stream, pin in pins.items()})
        for stream, head in kept.items():
            folder.delete(name_fold(stream))
            _cut(folder, f"streams/{stream}.jsonl", head.seq)


def _cut(folder: PrivateFolder, name: str, records: int) -> None:
    with (folder.path / name).open("rb") as file:
        size = sum(len(line) for line in islice(file, records))
    folder.cut(name, size)
