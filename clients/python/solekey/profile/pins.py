"""The pins of a profile: how far each stream was verified. They are there from the beginning.

``heads.json``: ``{stream: {"seq", "digest"}}``, seq 0 for a stream that has no event yet. A profile whose
pins are missing, empty or damaged is damaged: it is never one that has pinned nothing.

Spec: hostile-server.md §2.
"""

from collections.abc import Mapping
from typing import Final, cast

from solekey.errors import DamagedProfileError
from solekey.files.private_folder import PrivateFolder
from solekey_protocol.encoding import Json, encode_json, parse_json
from solekey_protocol.errors import ProtocolError
from solekey_protocol.events import Stream
from solekey_protocol.events.fields import decode_body, encode_body
from solekey_protocol.limits import MIB
from solekey_protocol.services import V1_STREAMS
from solekey_protocol.statements import EMPTY_HEAD, Head

PINS_FILE: Final = "heads.json"


def begin_pins(folder: PrivateFolder) -> None:
    """Pin nothing yet, for a new profile."""
    save_pins(folder, dict.fromkeys(V1_STREAMS, EMPTY_HEAD))


def save_pins(folder: PrivateFolder, heads: Mapping[Stream, Head]) -> None:
    """Save the pins."""
    folder.write(PINS_FILE, encode_json({stream.value: encode_body(head) for stream, head in heads.items()}))


def load_pin(folder: PrivateFolder, stream: Stream) -> Head:
    """Load how far one stream was verified. Raises DamagedProfileError."""
    return load_pins(folder)[stream]


def load_pins(folder: PrivateFolder) -> dict[Stream, Head]:
    """Load how far each stream was verified. Raises DamagedProfileError."""
    document = folder.read(PINS_FILE)
    if document is None:
        raise DamagedProfileError(f"{folder.path / PINS_FILE} is missing")
    try:
        heads = cast("dict[str, Json]", parse_json(document, max_bytes=MIB))
        return {stream: decode_body(Head, heads[stream.value], where=PINS_FILE) for stream in V1_STREAMS}
    except (ProtocolError, KeyError, TypeError) as error:
        raise DamagedProfileError(f"{folder.path / PINS_FILE} is damaged: {error}") from error
