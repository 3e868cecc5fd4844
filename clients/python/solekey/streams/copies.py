"""The four verified copies in a profile: read, kept and pinned together. Several processes may share them."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from solekey.errors import DiskFullError, ProviderError
from solekey.profile.pins import save_pins
from solekey.profile.profile import Profile
from solekey.progress import Progress
from solekey.streams.stream_copy import FOLD_EVENTS, StreamCopy
from solekey_protocol.events import Stream
from solekey_protocol.services import V1_STREAMS
from solekey_protocol.statements import Head
from solekey_protocol.streams import AuthStream, DevicesStream, RotationStream, VaultStream

ORDER: Final = (Stream.DEVICES, Stream.AUTH, Stream.VAULT, Stream.ROTATION)
"""Streams after what their signers depend on."""
WATCHED_EVENTS: Final = 2_000
"""From so many events on, to verify takes long enough to show how far it has come: about half a second."""
_LOCK: Final = "streams"
_log = logging.getLogger(__name__)

AnyCopy = StreamCopy[Any]
Watch = Callable[[str], AbstractContextManager[Progress]]


class Copies:
    """The copies of one account's streams, each under its stream's name."""

    def __init__(self, profile: Profile, watch: Watch) -> None:
        account, device_key = profile.account, profile.device_key
        self._folder = profile.folder
        self._watch = watch
        self.auth = StreamCopy(self._folder, AuthStream.start(account), device_key)
        self.devices = StreamCopy(self._folder, DevicesStream.start(account), device_key)
        self.vault = StreamCopy(self._folder, VaultStream.start(account), device_key)
        self.rotation = StreamCopy(self._folder, RotationStream.start(account), device_key)

    def __getitem__(self, stream: Stream) -> AnyCopy:
        copies: Mapping[Stream, AnyCopy] = {
            Stream.AUTH: self.auth,
            Stream.DEVICES: self.devices,
            Stream.VAULT: self.vault,
            Stream.ROTATION: self.rotation,
        }
        return copies[stream]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from the files; whoever reads or writes them holds it."""
        with self._folder.lock(_LOCK):
            yield

    def read_kept(self) -> None:
        """Read what this device has verified before. Raises ProfileError."""
        if not self._folder.path.exists():
            return  # a profile that is not kept yet
        with self.lock():
            for stream in ORDER:
                self.catch_up(self[stream])

    def catch_up(self, copy: AnyCopy) -> None:
        """Follow what the file of a copy has (the lock is held), after what its signers depend on."""
        if copy is not self.devices:
            self.devices.catch_up()
        if copy.pin.seq - copy.state.head.seq < WATCHED_EVENTS:
            copy.catch_up(self.devices.state)
            return
        with self._watch(f"Verifying {copy.stream}") as progress:
            copy.catch_up(self.devices.state, progress)

    def keep_folds(self) -> None:
        """Keep what the streams amount to, where that pays."""
        with self.lock():
            for stream in ORDER:
                self.keep_fold(self[stream], FOLD_EVENTS)

    def keep_fold(self, copy: AnyCopy, every: int) -> None:
        """Keep a fold where that pays; where it cannot be kept, the next opening takes longer."""
        try:
            copy.keep_fold(every)
        except (DiskFullError, ProviderError) as error:
            _log.warning("%s: what was verified is not kept: %s", copy.stream, error)

    def save_pins(self) -> None:
        """Pin how far the copies go; no pin goes back."""
        save_pins(self._folder, {stream: find_newest(self[stream]) for stream in V1_STREAMS})


def find_newest(copy: AnyCopy) -> Head:
    """Find the last place of a stream that was ever verified here: the copy's end, or the pin."""
    head: Head = copy.state.head
    return head if head.seq >= copy.pin.seq else copy.pin
