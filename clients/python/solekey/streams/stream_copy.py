"""One stream's verified copy on disk: the records' exact bytes, one a line, and what they fold to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from solekey.crypto import DeviceKey
from solekey.errors import DamagedProfileError
from solekey.files.private_folder import PrivateFolder
from solekey.profile.pins import PINS_FILE, load_pin
from solekey.progress import Progress, ignore_progress
from solekey.streams.kept_fold import KeptFold, load_fold, save_fold
from solekey.streams.records import BLOCK_EVENTS, Records
from solekey_protocol.errors import GapError, ProtocolError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.lineage import is_tied
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement
from solekey_protocol.streams import DevicesStream, Fold

S = TypeVar("S", bound=Fold)

FOLD_EVENTS: Final = 256
"""A fold is kept once so many events follow the last one: verifying them again takes about 70 ms."""
FOLD_EVENTS_UNDERWAY: Final = 5_000
"""The same while many more events are to come: what an interrupted device verifies again when it resumes."""
_FOLDER: Final = "streams"
_REPORTED_EVENTS: Final = 250
_MAX_UNJUDGED: Final = 256


@dataclass(slots=True)
class StreamCopy(Generic[S]):
    """A stream as far as it was verified here. Processes may share the files, under the caller's lock."""

    folder: PrivateFolder
    state: S
    device_key: DeviceKey
    events: Records = field(init=False)
    pin: Head = EMPTY_HEAD
    unjudged: list[tuple[SignedStatement, S]] = field(default_factory=list)
    """Statements that other streams must bear out, each with what this stream was before it (lineage.md)."""
    _fold_kept_at: int = 0
    _pin_stands: bool = False

    def __post_init__(self) -> None:
        self.events = Records(self.folder, f"{_FOLDER}/{self.stream}.jsonl")
        self.pin = load_pin(self.folder, self.stream)
        kept = load_fold(self.folder, type(self.state), self.state.chain.account, self.device_key.public_key)
        if kept is not None:
            self.pin = max(self.pin, kept.state.head, key=_seq)
            self._take_up(kept)

    @property
    def stream(self) -> Stream:
        """Which stream it is."""
        return self.state.chain.stream

    def catch_up(
        self,
        devices: DevicesStream | None = None,
        progress: Progress = ignore_progress,
        *,
        mends: bool = True,
    ) -> None:
        """Verify and follow what the file has beyond what was read: all, or what another process has kept.

        A record that was cut by a crash is dropped. So is what was signed by devices that the copy of the
        devices stream, which was deleted, does not know: it is fetched again.

        Args:
            devices: the account's devices stream; None for its own copy.
            progress: told how many events were followed, and about how many there are.
            mends: whether what is dropped is cut from the file, which is only done under the lock.

        Raises:
            DamagedProfileError: the file does not continue what was read before.
        """
        try:
            for raw in self.events.read_new(mends=mends):
                if not self.events.is_waiting(raw):
                    self._follow_kept(parse_event(raw), devices)
                if self.state.head.seq % _REPORTED_EVENTS == 0:
                    progress(self.state.head.seq, self.pin.seq)
        except _DevicesMissingError:
            if mends:
                self.folder.cut(self.events.name, self.events.size_bytes)
        except ProtocolError as error:
            raise DamagedProfileError(f"{self.events.name} is damaged: {error}") from error
        self._verify_pin()

    def follow(self, event: Event, devices: DevicesStream) -> None:
        """Verify the next event and follow it in memory. Raises ProtocolError."""
        self._advance(event, self.state.apply(event, devices))
        self.events.add(event)

    def keep(self) -> None:
        """Append the events that were followed to the file. Raises DiskFullError."""
        self.events.keep()

    def keep_fold(self, every: int) -> None:
        """Keep what the events amount to, if ``every`` events follow what was kept. Raises DiskFullError."""
        if self.state.head.seq - self._fold_kept_at < every or len(self.unjudged) > _MAX_UNJUDGED:
            return
        self.keep()
        unjudged = tuple((signed.statement.seq, before) for signed, before in self.unjudged)
        events = self.events
        kept = KeptFold(self.state, events.size_bytes, events.offsets, events.continued, unjudged)
        save_fold(self.folder, kept, self.device_key)
        self._fold_kept_at = self.state.head.seq

    def _verify_pin(self) -> None:
        """Verify that the records have the one that was pinned. Raises DamagedProfileError."""
        pin, head = self.pin, self.state.head
        if self._pin_stands or not 0 < pin.seq <= head.seq:
            return
        kept = head.digest if head.seq == pin.seq else self.events[pin.seq - 1].digest
        if kept != pin.digest:
            raise DamagedProfileError(f"{self.events.name} and {PINS_FILE} differ at seq {pin.seq}")
        self._pin_stands = True

    def _take_up(self, kept: KeptFold[S]) -> None:
        """Go on from a fold that this device has kept, if the file has the records that it stands on."""
        head = kept.state.head
        records = Records(
            self.folder,
            self.events.name,
            head.digest,
            kept.size_bytes,
            kept.offsets,
            kept.continued,
            head.seq,
        )
        if len(kept.offsets) != -(-head.seq // BLOCK_EVENTS) or not records.stands():
            return
        self.events, self.state, self._fold_kept_at = records, kept.state, head.seq
        self.unjudged = list(self._find_signed(kept))

    def _find_signed(self, kept: KeptFold[S]) -> Iterator[tuple[SignedStatement, S]]:
        for seq, before in kept.unjudged:
            signed = self.events[seq - 1].signed
            if signed is not None:
                yield signed, before

    def _follow_kept(self, event: Event, devices: DevicesStream | None) -> None:
        is_next = event.seq == self.state.head.seq + 1
        try:
            state = self.state.apply(event, self._find_devices(devices))
        except GapError as error:
            if is_next:
                raise _DevicesMissingError from error
            raise
        self._advance(event, state)
        self.events.note_kept(event)

    def _find_devices(self, devices: DevicesStream | None) -> DevicesStream:
        own = self.state if isinstance(self.state, DevicesStream) else None
        return own or devices or DevicesStream.start(self.state.chain.account)

    def _advance(self, event: Event, state: S) -> None:
        if event.signed is not None and is_tied(event.body):
            self.unjudged.append((event.signed, self.state))
        self.state = state


class _DevicesMissingError(Exception):
    """A record was signed by devices that are not known here any more."""


def _seq(head: Head) -> int:
    return head.seq
