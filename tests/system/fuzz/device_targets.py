"""What the server says in answers: names and days of devices, limits; and codes that are typed."""

from typing import Final

from hypothesis import strategies as st

from solekey.account.device_list import ShownDevices, describe_devices
from solekey.account.device_names import MAX_NAME_CHARS, DeviceName, parse_name
from solekey.cli.output.foreign_text import quote_foreign
from solekey.crypto.device_code import DeviceCode
from solekey.errors import BadAnswerError, DeviceCodeError, ProfileError
from solekey.vault.history_limits import find_collected, parse_history_limits
from solekey_protocol.encoding import encode_json
from solekey_protocol.events import Stream
from solekey_protocol.streams import DevicesStream
from tests.support.protocol.story import LAPTOP, tell
from tests.system.fuzz.mutations import mutate_document, mutate_json, mutate_text
from tests.system.fuzz.protocol_targets import as_document
from tests.system.fuzz.target import Target

_NAMES: Final = st.text(
    st.characters(categories=["L", "M", "N", "P", "S"], include_characters=" "),
    min_size=1,
    max_size=MAX_NAME_CHARS,
)
_DIGITS: Final = st.text("0123456789", min_size=15, max_size=15)
_DEVICE_DIGITS: Final = st.text("0123456789", min_size=20, max_size=20)


def _make_stream() -> tuple[DevicesStream, list]:
    events = [event for event in tell() if event.stream is Stream.DEVICES]
    state = DevicesStream.start(events[0].account)
    for event in events:
        state = state.apply(event, state)
    return state, events


_STREAM, _EVENTS = _make_stream()
_ROW: Final = {"device": LAPTOP.device, "name": "laptop", "salt": "00" * 16, "last_seen": "2026-11-24"}

_LIMITS: Final = {"since": "2026-11-24T12:00:00.000Z", "versions": 1, "days": 2, "grace_days": 3}


def _check_name(raw: bytes) -> None:
    name = parse_name(as_document(raw))
    if name is None:
        raise ProfileError("no name")
    assert len(name.derive_commitment(LAPTOP.device)) == 64
    assert parse_name(name.encode()) == name
    assert quote_foreign(name.text).isprintable() or "\u2068" in quote_foreign(name.text)


def _check_shown(raw: bytes) -> None:
    document = as_document(raw)
    if not isinstance(document, list):
        raise ProfileError("no list")
    shown = ShownDevices.parse(document, _STREAM)
    described = describe_devices(_STREAM, _EVENTS, shown, LAPTOP.device)
    assert [info.id for info in described] == list(_STREAM.devices)


def _check_code(text: str) -> None:
    code = DeviceCode.parse(text)
    assert DeviceCode.parse(code.encode_text()) == DeviceCode.parse(code.encode_qr()) == code


def _check_limits(raw: bytes) -> None:
    document = as_document(raw)
    if not isinstance(document, dict):
        raise BadAnswerError("no object")
    stated = parse_history_limits(document)
    moment = stated[0].since
    assert len([limits.describe() for limits in stated]) == len(stated)
    find_collected(stated, [moment] * 3, removed=moment, now=moment)


TARGETS: Final = (
    Target(
        "device name in an answer",
        _NAMES.map(lambda text: encode_json(DeviceName(text, bytes(16)).encode())),
        _check_name,
        (ProfileError,),
        mutate=mutate_document,
        findings=(b'{"name": "\\ud800", "salt": ""}', b'{"name": "a\\u202eb", "salt": ""}'),
        covers=("account.device_names.parse_name",),
    ),
    Target(
        "names of devices in an answer",
        st.just(encode_json([_ROW])),
        _check_shown,
        (ProfileError,),
        mutate=mutate_json,
        covers=("device_list.ShownDevices.parse",),
    ),
    Target(
        "device code",
        st.builds(lambda first, second: DeviceCode(first, second).encode_text(), _DIGITS, _DEVICE_DIGITS),
        _check_code,
        (DeviceCodeError,),
        mutate=mutate_text,
        covers=("device_code.DeviceCode.parse",),
    ),
    Target(
        "limits of histories in an answer",
        st.just(encode_json({"history": [_LIMITS, {**_LIMITS, "since": "2026-11-25T12:00:00.000Z"}]})),
        _check_limits,
        (BadAnswerError,),
        mutate=mutate_json,
        covers=("history_limits.parse_history_limits",),
    ),
)
