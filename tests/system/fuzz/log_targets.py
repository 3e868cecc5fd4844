"""What an auditor is given to judge: pins, exported logs and their names."""

from typing import Final, cast
from unittest import mock

from hypothesis import strategies as st

from solekey.audit.pins import read_pins
from solekey.audit.sources import LogError, read_log
from solekey.audit.verify import verify_log
from solekey_protocol.accepted_restoration import AcceptedRestoration, StreamLoss
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.events import Stream
from solekey_protocol.ids import PublicKey, Timestamp, compute_digest
from solekey_protocol.pinned_heads import PinnedHeads
from solekey_protocol.statements import EMPTY_HEAD, Head
from tests.support.protocol.story import tell
from tests.system.fuzz.mutations import mutate_bytes, mutate_json, mutate_text
from tests.system.fuzz.profile_folder import ACCOUNT, DEVICE, put
from tests.system.fuzz.strategies import events, hex_ids
from tests.system.fuzz.target import Target

_EVENTS: Final = tuple(tell())
_STORY: Final = tuple(event.raw for event in _EVENTS)


def _sign_heads(first_key: PublicKey) -> Json:
    made_at = Timestamp("2026-11-28T12:00:00.000Z")
    pinned = PinnedHeads(ACCOUNT, first_key, {Stream.VAULT: EMPTY_HEAD}, DEVICE.device_id, made_at)
    document = pinned.to_json(DEVICE.sign(pinned.signing_bytes()))[ACCOUNT]
    loss = StreamLoss(made_at, made_at, EMPTY_HEAD, Head(1, compute_digest(b"lost")))
    accepted = AcceptedRestoration(
        ACCOUNT, first_key, DEVICE.device_id, made_at, {Stream.VAULT: loss}, (DEVICE.device_id,)
    )
    signature = DEVICE.sign(accepted.signing_bytes())
    return {**cast("dict[str, Json]", document), "restorations": [accepted.to_json(signature)]}


def _check_log_pins(raw: bytes) -> None:
    assert read_pins(put("pins.json", raw).path / "pins.json") is not None


def _check_log_file(raw: bytes) -> None:
    path = put("events.jsonl", raw).path / "events.jsonl"
    assert b"".join(record + b"\n" for record in read_log(str(path))) == raw


def _check_log_source(text: str) -> None:
    """Names of sources, most of which do not exist."""
    with mock.patch("solekey.audit.sources.kafka.KafkaLog", side_effect=LogError("there is no broker")):
        list(read_log(text.replace("\x00", "")))


def _check_log(raw: bytes) -> None:
    """The auditor judges every log. One that is not the honest one, byte for byte, is not clean."""
    records = raw.split(b"\n")
    report = verify_log(records)
    assert report.records == len(records)
    if report.findings:
        raise LogError("tampered with")
    assert set(records) <= set(_STORY)


def _mutate_log(draw: st.DrawFn, raw: bytes, other: bytes) -> bytes:
    """Alter one record; a missing end is what an auditor cannot know of."""
    records, others = raw.split(b"\n"), other.split(b"\n")
    position = draw(st.integers(0, len(records) - 1))
    mutate = draw(st.sampled_from([mutate_bytes, mutate_json]))
    records[position] = mutate(draw, records[position], others[position % len(others)])
    return b"\n".join(records)


TARGETS = (
    Target(
        "audit pins",
        st.builds(
            lambda key, signed: encode_json({ACCOUNT: _sign_heads(key) if signed else key}),
            hex_ids(PublicKey, 32),
            st.booleans(),
        ),
        _check_log_pins,
        (LogError,),
        mutate=mutate_json,
        findings=(b"[" * 100_000,),
        covers=(
            "pinned_heads.parse_pinned_heads",
            "pinned_heads.parse_heads",
            "accepted_restoration.parse_accepted_restoration",
        ),
    ),
    Target(
        "exported log",
        st.lists(events().map(lambda event: event.raw), max_size=2).map(
            lambda records: b"".join(record + b"\n" for record in records)
        ),
        _check_log_file,
        (LogError,),
        cost=2,
    ),
    Target(
        "name of a log",
        st.builds(lambda: str(put("events.jsonl", _STORY[0] + b"\n").path / "events.jsonl")),
        _check_log_source,
        (LogError,),
        mutate=mutate_text,
        findings=(
            "embedded://[x",
            "kafka://[x",
            "kafka://",
            "embedded://",
            "9" * 5_000,
            "embedded:///" + "9" * 5_000,
        ),
        covers=("audit.sources.opening.read_log",),
    ),
    Target(
        "log to audit",
        st.just(b"\n".join(_STORY)),
        _check_log,
        (LogError,),
        mutate=_mutate_log,
        covers=("audit.checks.claims.Claims.parse",),
        cost=10,
    ),
)
