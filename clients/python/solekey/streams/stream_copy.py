"""One stream's verified copy on disk: the records' exact bytes, one a line, and what they fold to."""

from dataclasses import dataclass, field
from typing import ClassVar, Final, Generic, TypeVar

from solekey.errors import ProfileError
from solekey.files.private_folder import PrivateFolder
from solekey_protocol.encoding import parse_json
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.events.fields import decode_body
from solekey_protocol.limits import MIB
from solekey_protocol.lineage import is_tied
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement
from solekey_protocol.streams import DevicesStream, Fold

S = TypeVar("S", bound=Fold)

_FOLDER: Final = "streams"


@dataclass(slots=True)
class StreamCopy(Generic[S]):
    """A stream as far as it was verified here. Processes may share the file, under the caller's lock."""

    PINS_FILE: ClassVar[str] = "heads.json"

    folder: PrivateFolder
    state: S
    events: list[Event] = field(default_factory=list)
    pin: Head = EMPTY_HEAD
    unjudged: list[tuple[SignedStatement, S]] = field(default_factory=list)
    """Statements that other streams must bear out, each with what this stream was before it (lineage.md)."""
    _size_bytes: int = 0

    def __post_init__(self) -> None:
        self.pin = _load_pin(self.folder, self.stream)
        self.catch_up()

    @property
    def stream(self) -> Stream:
        """Which stream it is."""
        return self.state.chain.stream

    def catch_up(self) -> None:
        """Read what another process has kept meanwhile. A record that was cut by a crash is dropped.

        Raises:
            ProfileError: the file does not continue what was read before.
        """
        data = (self.folder.read(self._file) or b"")[self._size_bytes :]
        whole, _, cut = data.rpartition(b"\n")
        try:
            for raw in whole.split(b"\n") if whole else []:
                event = parse_event(raw)
                self._advance(event, self.state.evolve(event))
        except ProtocolError as error:
            raise ProfileError(f"{self._file} is damaged: {error}") from error
        self._size_bytes += len(data) - len(cut)
        if cut:
            kept = (self.folder.read(self._file) or b"")[: self._size_bytes]
            self.folder.write(self._file, kept)

    def follow(self, event: Event, devices: DevicesStream) -> None:
        """Verify the next event and follow it in memory. Raises ProtocolError."""
        self._advance(event, self.state.apply(event, devices))

    def keep(self, events: list[Event]) -> None:
        """Append events that were followed to the file."""
        if events:
            data = b"".join(event.raw + b"\n" for event in events)
            self.folder.append(self._file, data)
            self._size_bytes += len(data)

    def _advance(self, event: Event, state: S) -> None:
        if event.signed is not None and is_tied(event.body):
            self.unjudged.append((event.signed, self.state))
        self.state = state
        self.events.append(event)

    @property
    def _file(self) -> str:
        return f"{_FOLDER}/{self.stream}.jsonl"


def _load_pin(folder: PrivateFolder, stream: Stream) -> Head:
    document = folder.read(StreamCopy.PINS_FILE)
    if document is None:
        return EMPTY_HEAD
    try:
        heads = parse_json(document, max_bytes=MIB)
        return decode_body(Head, heads[stream.value], where="heads.json")  # type: ignore[index,call-overload]  # ours
    except (ProtocolError, KeyError, TypeError) as error:
        raise ProfileError(f"{StreamCopy.PINS_FILE} is damaged: {error}") from error
