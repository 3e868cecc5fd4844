"""What the client has kept itself: the files of a profile after damage, and positions that an app kept."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st

from solekey.crypto import ItemMetadata
from solekey.errors import InsecureServerError, NotLoggedInError, ProfileError, ProviderError, SyncTokenError
from solekey.profile.profile import Profile
from solekey.rotation.rekey_spool import encode_record, parse_records
from solekey.server import Server
from solekey.streams.kept_fold import LABEL, load_fold
from solekey.streams.stream_copy import StreamCopy
from solekey.transfer.upload_spool import UploadSpool, _encode_plan
from solekey.vault.index.rows import IndexHead, IndexRow, parse_index_head, parse_index_row
from solekey.vault.item_changes import parse_sync_token
from solekey_protocol.encoding import encode_base64url, encode_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.events.fields import encode_body
from solekey_protocol.ids import ItemId
from solekey_protocol.limits import MAX_PART_BYTES, MAX_SEQ
from solekey_protocol.services import V1_STREAMS
from solekey_protocol.streams import DevicesStream
from tests.support.protocol.story import tell
from tests.system.fuzz.mutations import mutate_json
from tests.system.fuzz.profile_folder import ACCOUNT, DEVICE, NOW, ORIGIN, SESSION, put
from tests.system.fuzz.strategies import changes, heads, raw_ids
from tests.system.fuzz.strategies import metadata as item_metadata
from tests.system.fuzz.target import Target

_EVENTS: Final = tuple(tell())
_ITEM: Final = ItemId.from_raw(bytes(16))


def _check_profile(raw: bytes) -> None:
    details = Profile.open(put("profile.json", raw).path).details
    assert isinstance(details.username, str)
    assert isinstance(details.device_name, str)
    assert Server(details.origin)


def _write_profile(username: str, device_name: str) -> bytes:
    document = {
        "version": 1,
        "origin": ORIGIN,
        "username": username,
        "account": ACCOUNT,
        "device_name": device_name,
        "device_key_from": "file:",
        "authority": None,
    }
    return encode_json(document)


def _check_session(raw: bytes) -> None:
    put("profile.json", _write_profile("ada", "laptop"))
    tokens = Profile.open(put("session.json", raw).path).load_tokens()
    assert tokens.expires_at > NOW - timedelta(days=40_000)  # comparable with an aware time
    assert all(isinstance(token, str) for token in tokens.access.values())
    assert tokens.auth_position >= 0


def _write_tokens(**changed: Any) -> bytes:
    members = {
        "session": SESSION,
        "access": dict.fromkeys(Stream, "a.b.c"),
        "refresh": "skr_" + "5a" * 32,
        "expires_at": NOW.isoformat(),
        "auth_position": 3,
    }
    return encode_json(members | changed)


_tokens = st.builds(
    lambda position, moment: _write_tokens(
        auth_position=position, expires_at=moment.replace(tzinfo=UTC).isoformat()
    ),
    st.integers(0, 2**31 - 1),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - hypothesis wants them so
)


def _check_plan(raw: bytes) -> None:
    """What does not say what was sealed is not resumed."""
    spool = UploadSpool(put("uploads/0f.json", raw), "0f")
    change = spool.load()
    if change is None:
        raise ProfileError("not resumed")
    assert encode_json(_encode_plan(change)) == raw
    assert all(1 <= part.size <= MAX_PART_BYTES for part in change.parts)


@st.composite
def _plans(draw: st.DrawFn) -> bytes:
    change = draw(changes.filter(lambda change: not change.removed))
    change = replace(change, parts=tuple(replace(part, size=1 + part.size % 9) for part in change.parts))
    put("uploads/0f.sealed", bytes(change.size))
    return encode_json(_encode_plan(change))


def _check_index_row(raw: bytes) -> None:
    """A row that parses is what was written, byte for byte."""
    row = parse_index_row(_ITEM, raw)
    assert row.encode() == raw
    if row.metadata:
        row.open_metadata()


def _write_row(change: Any, commits: tuple[int, int, int], metadata: ItemMetadata, size: int | None) -> bytes:
    row = IndexRow(change, *commits, change.version)
    return (row if change.removed else row.with_metadata(metadata, size)).encode()


def _check_sync_token(raw: bytes) -> None:
    commit, seq, digest = parse_sync_token(raw.decode(errors="replace"))
    numbers = commit.to_bytes(8, "big") + seq.to_bytes(8, "big")
    assert encode_base64url(b"\x01" + numbers + digest) == raw.decode()


def _check_index_head(raw: bytes) -> None:
    assert parse_index_head(raw).encode() == raw


def _check_stream_copy(raw: bytes) -> None:
    put("heads.json", b"{}" if raw.startswith(b"{}") else _HEADS)
    folder = put("streams/devices.jsonl", raw)
    copy = StreamCopy(folder, DevicesStream.start(_EVENTS[0].account), DEVICE)
    copy.catch_up()
    assert b"".join(event.raw + b"\n" for event in copy.events) == raw[: raw.rfind(b"\n") + 1]


_HEADS: Final = encode_json({stream.value: {"seq": 0, "digest": "00" * 32} for stream in Stream})
_DEVICE_LINES: Final = b"".join(event.raw + b"\n" for event in _EVENTS if event.stream is Stream.DEVICES)


def _check_pins(raw: bytes) -> None:
    put("streams/devices.jsonl", b"")
    folder = put("heads.json", raw)
    copy = StreamCopy(folder, DevicesStream.start(ACCOUNT), DEVICE)
    assert encode_body(copy.pin) == json.loads(raw)["devices"]


def _encode_kept_fold() -> bytes:
    """What a device keeps of the story's devices stream, without its signature."""
    folder = put("streams/devices.jsonl", _DEVICE_LINES)
    copy = StreamCopy(folder, DevicesStream.start(_EVENTS[0].account), DEVICE)
    copy.catch_up()
    copy.keep_fold(1)
    return (folder.path / "streams" / "devices.fold").read_bytes()[64:]


def _check_kept_fold(rest: bytes) -> None:
    """The signature is right: what is tried is the form."""
    folder = put("streams/devices.fold", bytes.fromhex(DEVICE.sign(LABEL + rest)) + rest)
    account = _EVENTS[0].account
    kept = load_fold(folder, DevicesStream, account, DEVICE.public_key)
    put("streams/devices.jsonl", _DEVICE_LINES)
    copy = StreamCopy(folder, DevicesStream.start(account), DEVICE)
    copy.catch_up()
    assert len(copy.events) == _DEVICE_LINES.count(b"\n")
    (folder.path / "streams" / "devices.fold").unlink()
    if kept is None:
        raise ProfileError("verified anew")


def _check_rekey_records(raw: bytes) -> None:
    """What is cut or damaged is not used, nor what follows it."""
    records = b"".join(encode_record(*record) for record in parse_records(raw))
    assert raw.startswith(records)


_names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)
TARGETS = (
    Target(
        "profile.json",
        st.builds(_write_profile, _names, _names),
        _check_profile,
        (ProfileError, InsecureServerError, ProviderError),
        mutate=mutate_json,
        covers=("profile.profile.Profile.open",),
        findings=(b"null", b"[]", _write_profile("ada", "laptop").replace(ORIGIN.encode(), b"https://[")),
    ),
    Target(
        "session.json",
        _tokens,
        _check_session,
        (NotLoggedInError,),
        mutate=mutate_json,
        covers=("profile.profile.Profile.load_tokens",),
        findings=(
            b"[]",
            _write_tokens(access=None),
            _write_tokens(access={"auth": 1}),
            _write_tokens(expires_at="2026-11-23T12:00:00"),
            _write_tokens(auth_position=-1),
        ),
    ),
    Target(
        "upload plan",
        _plans(),
        _check_plan,
        (ProfileError,),
        mutate=mutate_json,
        findings=(
            b"null",
            b'{"epoch":1,"header":"00","item":"itm_aaaaaaaaaaaaaaaaaaaaaaaaaa","parts":[[]],"version":1}',
            b'{"epoch":1,"header":"00","item":"itm_aaaaaaaaaaaaaaaaaaaaaaaaaa","parts":[["%b","x"]],"version":1}'
            % (b"0" * 64),
        ),
    ),
    Target(
        "row of the item index",
        st.builds(
            _write_row,
            changes,
            st.tuples(*[st.integers(0, 2**63)] * 3),
            item_metadata,
            st.none() | st.integers(0, 2**40),
        ),
        _check_index_row,
        (MalformedError,),
        covers=("index.rows.parse_index_row",),
    ),
    Target(
        "token of a sync",
        st.builds(
            lambda commit, digest: encode_base64url(b"\x01" + bytes(7) + commit + bytes(7) + commit + digest),
            st.binary(min_size=1, max_size=1),
            st.binary(min_size=16, max_size=16),
        ).map(str.encode),
        _check_sync_token,
        (SyncTokenError,),
        covers=("vault.item_changes.parse_sync_token",),
    ),
    Target(
        "head of the item index",
        st.builds(
            lambda numbers, digest, total, epochs: IndexHead(
                *numbers[:2], digest, *numbers[2:], total, tuple(epochs.items())
            ).encode(),
            st.tuples(*[st.integers(0, MAX_SEQ)] * 5),
            st.binary(min_size=32, max_size=32),
            st.integers(0, 2**128 - 1),
            st.dictionaries(st.integers(1, 99), st.integers(1, 99), max_size=3),
        ),
        _check_index_head,
        (MalformedError,),
        covers=("index.rows.parse_index_head",),
    ),
    Target(
        "kept fold", st.just(_encode_kept_fold()), _check_kept_fold, (ProfileError,), covers=("load_fold",)
    ),
    Target(
        "stream copy", st.just(_DEVICE_LINES), _check_stream_copy, (ProfileError,), covers=("StreamCopy",)
    ),
    Target(
        "pinned heads",
        heads.map(lambda head: encode_json(dict.fromkeys(V1_STREAMS, encode_body(head)))),
        _check_pins,
        (ProfileError,),
        mutate=mutate_json,
    ),
    Target(
        "records of a re-key",
        st.lists(st.tuples(raw_ids(ItemId), st.integers(1, 2**31), st.binary(max_size=9)), max_size=3).map(
            lambda records: b"".join(encode_record(*record) for record in records)
        ),
        _check_rekey_records,
        (),
        covers=("rotation.rekey_spool.parse_records",),
    ),
)
