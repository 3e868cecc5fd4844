"""The four verified copies in a profile: read, kept and pinned together. Several processes may share them.

On a full disk they are followed in memory, which is told, and saved once there is room: what was not saved by
the end of the process is pinned no more. Nothing is stated meanwhile. Spec: hostile-server.md §2.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final

from solekey.errors import DiskFullError, ProviderError
from solekey.files.disk_room import verify_writable
from solekey.files.private_folder import PrivateFolder
from solekey.profile.pins import load_pins, save_pins
from solekey.profile.profile import Profile
from solekey.progress import Progress
from solekey.streams.stream_copy import FOLD_EVENTS, StreamCopy
from solekey_protocol.events import Stream
from solekey_protocol.limits import KIB
from solekey_protocol.services import V1_STREAMS
from solekey_protocol.statements import Head
from solekey_protocol.streams import AuthStream, DevicesStream, RotationStream, VaultStream

ORDER: Final = (Stream.DEVICES, Stream.AUTH, Stream.VAULT, Stream.ROTATION)
"""Streams after what their signers depend on."""
WATCHED_EVENTS: Final = 2_000
"""From so many events on, to verify takes long enough to show how far it has come: about half a second."""
COPIES_LOCK: Final = "streams"
_STATEMENT_ROOM_BYTES: Final = 64 * KIB
"""Room for the event of a statement, and for the pins: what is acknowledged is pinned, too."""
_log = logging.getLogger(__name__)

AnyCopy = StreamCopy[Any]
Watch = Callable[[str], AbstractContextManager[Progress]]


class Copies:
    """The copies of one account's streams, each under its stream's name.

    Args:
        profile: whose.
        watch: shows how far verifying has come.
        notice: told once that what is verified cannot be saved.
        folder: where the copies lie.

    Attributes:
        is_behind: whether less is saved than was verified.
    """

    def __init__(
        self, profile: Profile, watch: Watch, notice: Callable[[str], None], folder: PrivateFolder
    ) -> None:
        account, device_key = profile.account, profile.device_key
        self._folder = folder
        self._watch = watch
        self._notice = notice
        self._lock_error: DiskFullError | None = None
        self.is_behind = False
        self.auth = StreamCopy(self._folder, AuthStream.start(account), device_key)
        self.devices = StreamCopy(self._folder, DevicesStream.start(account), device_key)
        self.vault = StreamCopy(self._folder, VaultStream.start(account), device_key)
        self.rotation = StreamCopy(self._folder, RotationStream.start(account), device_key)
        self._pinned = {stream: self[stream].pin for stream in V1_STREAMS}

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
        """Keep other processes from the files; whoever reads or writes them holds it.

        Where there is no room even for the lock's file, they are read without it, and nothing is written.
        """
        with ExitStack() as stack:
            self._lock_error = None
            try:
                stack.enter_context(self._folder.lock(COPIES_LOCK))
            except DiskFullError as error:
                self._lock_error = error
                self._fall_behind(error)
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
        mends = self._lock_error is None
        if copy is not self.devices:
            self.devices.catch_up(mends=mends)
        if copy.pin.seq - copy.state.head.seq < WATCHED_EVENTS:
            copy.catch_up(self.devices.state, mends=mends)
            return
        with self._watch(f"Verifying {copy.stream}") as progress:
            copy.catch_up(self.devices.state, progress, mends=mends)

    def keep_folds(self) -> None:
        """Keep what the streams amount to, where that pays."""
        with self.lock():
            for stream in ORDER:
                self.keep_fold(self[stream], FOLD_EVENTS)

    def keep_fold(self, copy: AnyCopy, every: int) -> None:
        """Keep a fold where that pays; where it cannot be kept, the next opening takes longer."""
        if self.is_behind:
            return
        try:
            copy.keep_fold(every)
        except (DiskFullError, ProviderError) as error:
            _log.warning("%s: what was verified is not kept: %s", copy.stream, error)

    def keep(self, copy: AnyCopy) -> None:
        """Keep what was followed in memory (the lock is held); `pin` tries again where there is no room."""
        if self.is_behind:
            return
        try:
            copy.keep()
        except DiskFullError as error:
            self._fall_behind(error)

    def pin(self, copy: AnyCopy) -> None:
        """Save what was followed of a copy (the lock is held), or go on in memory where there is no room."""
        if copy.state.head.seq > self._pinned[copy.stream].seq:
            self._try_to_save()

    def save(self) -> None:
        """Keep all that was followed, and pin it (the lock is held): no pin goes back.

        Raises:
            DiskFullError: there is no room; the pins are as they were.
        """
        if self._lock_error is not None:
            raise self._lock_error
        if self.is_behind:
            for stream in ORDER:
                self.catch_up(self[stream])
                self[stream].keep()
        pinned = load_pins(self._folder)  # another process may have gone further in other streams
        self._pinned = {
            stream: max(pinned[stream], find_newest(self[stream]), key=_seq) for stream in V1_STREAMS
        }
        save_pins(self._folder, self._pinned)
        if self.is_behind:
            self.is_behind = False
            _log.info("what was verified is saved")

    def save_where_behind(self) -> None:
        """Save what could not be saved before, if there is room now."""
        if self.is_behind:
            with self.lock():
                self._try_to_save()

    def _try_to_save(self) -> None:
        try:
            self.save()
        except DiskFullError as error:
            self._fall_behind(error)

    def verify_room(self) -> None:
        """Verify that a statement can be kept and pinned once it is acknowledged. Raises DiskFullError."""
        if not self._folder.path.exists():
            return  # a profile that is not kept yet
        verify_writable(self._folder.path, _STATEMENT_ROOM_BYTES)
        if self.is_behind:
            with self.lock():
                self.save()

    def _fall_behind(self, error: DiskFullError) -> None:
        if not self.is_behind:
            self.is_behind = True
            _log.warning("what is verified is followed in memory: %s", error)
            self._notice(
                f"This device cannot save what it verifies, for its disk is full ({error}). Reading goes on, "
                "changes are refused, and it does not remember after this what the server has shown now."
            )


def find_newest(copy: AnyCopy) -> Head:
    """Find the last place of a stream that was ever verified here: the copy's end, or the pin."""
    head: Head = copy.state.head
    return head if head.seq >= copy.pin.seq else copy.pin


def _seq(head: Head) -> int:
    return head.seq
