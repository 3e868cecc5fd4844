"""What the client reads: a hostile server's answers, its own files after damage, and what people type."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast
from unittest import mock

import httpx
from hypothesis import strategies as st

from solekey.audit.pins import read_pins
from solekey.audit.sources import LogError, read_log
from solekey.audit.verify import verify_log
from solekey.connection.connection import parse_position
from solekey.connection.login import LoginClient
from solekey.connection.transport import Answer, Transport, _build_refusal
from solekey.crypto import ItemMetadata, SoftwareDeviceKey
from solekey.errors import (
    BadAnswerError,
    InsecureServerError,
    KdfParametersError,
    NotLoggedInError,
    ProfileError,
    ProviderError,
    SyncTokenError,
)
from solekey.files.private_folder import PrivateFolder
from solekey.profile.profile import Profile, Tokens
from solekey.rotation.rekey_spool import encode_record, parse_records
from solekey.runtime import Runtime
from solekey.server import Server
from solekey.streams.kept_fold import LABEL, load_fold
from solekey.streams.stream_copy import StreamCopy
from solekey.transfer.objects import _parse_objects, parse_byte_list
from solekey.transfer.upload_spool import UploadSpool, _encode_plan
from solekey.vault.index.rows import IndexHead, IndexRow, parse_index_head, parse_index_row
from solekey.vault.item_changes import parse_sync_token
from solekey_protocol.accepted_restoration import AcceptedRestoration, StreamLoss
from solekey_protocol.encoding import Json, encode_base64url, encode_cbor, encode_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.events.fields import encode_body
from solekey_protocol.ids import AccountId, ItemId, PublicKey, SessionId, Timestamp, compute_digest
from solekey_protocol.limits import MAX_PART_BYTES, MAX_SEQ
from solekey_protocol.pinned_heads import PinnedHeads
from solekey_protocol.services import V1_STREAMS
from solekey_protocol.statements import EMPTY_HEAD, Head
from solekey_protocol.streams import DevicesStream
from tests.support.protocol.story import tell
from tests.system.fuzz.mutations import mutate_bytes, mutate_json, mutate_text
from tests.system.fuzz.strategies import changes, events, heads, hex_ids, raw_ids
from tests.system.fuzz.strategies import metadata as item_metadata
from tests.system.fuzz.target import Target

_ORIGIN: Final = "https://solekey.example:8443"
_NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
_DEVICE: Final = SoftwareDeviceKey(bytes(range(32)))
_PASSWORD: Final = "correct horse battery staple"
_EVENTS: Final = tuple(tell())
_STORY: Final = tuple(event.raw for event in _EVENTS)
_KDF: Final = {"algorithm": "argon2id", "memory_kib": 65536, "iterations": 3, "lanes": 4, "salt": "80" * 16}
_SESSION: Final = SessionId.from_raw(bytes(16))
_ITEM: Final = ItemId.from_raw(bytes(16))
_ACCOUNT: Final = AccountId.from_raw(bytes(range(16)))
_KEPT: Final[list[TemporaryDirectory[str]]] = []  # removed when the process ends


@cache
def _folder() -> PrivateFolder:
    _KEPT.append(TemporaryDirectory())
    folder = PrivateFolder(Path(_KEPT[-1].name) / "profile")
    Profile.create(
        folder.path, Server(_ORIGIN), username="ada", device_name="laptop", random=lambda size: bytes(size)
    ).keep(_ACCOUNT)
    return folder


def _put(name: str, data: bytes) -> PrivateFolder:
    path = _folder().path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return _folder()


def _check_profile(raw: bytes) -> None:
    details = Profile.open(_put("profile.json", raw).path).details
    assert isinstance(details.username, str)
    assert isinstance(details.device_name, str)
    assert Server(details.origin)


def _write_profile(username: str, device_name: str) -> bytes:
    document = {
        "version": 1,
        "origin": _ORIGIN,
        "username": username,
        "account": _ACCOUNT,
        "device_name": device_name,
        "device_key_from": "file:",
        "authority": None,
    }
    return encode_json(document)


def _check_session(raw: bytes) -> None:
    _put("profile.json", _write_profile("ada", "laptop"))
    tokens = Profile.open(_put("session.json", raw).path).load_tokens()
    assert tokens.expires_at > _NOW - timedelta(days=40_000)  # comparable with an aware time
    assert all(isinstance(token, str) for token in tokens.access.values())
    assert tokens.auth_position >= 0


def _write_tokens(**changed: Any) -> bytes:
    members = {
        "session": _SESSION,
        "access": dict.fromkeys(Stream, "a.b.c"),
        "refresh": "skr_" + "5a" * 32,
        "expires_at": _NOW.isoformat(),
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
    spool = UploadSpool(_put("uploads/0f.json", raw), "0f")
    change = spool.load()
    if change is None:
        raise ProfileError("not resumed")
    assert encode_json(_encode_plan(change)) == raw
    assert all(1 <= part.size <= MAX_PART_BYTES for part in change.parts)


@st.composite
def _plans(draw: st.DrawFn) -> bytes:
    change = draw(changes.filter(lambda change: not change.removed))
    change = replace(change, parts=tuple(replace(part, size=1 + part.size % 9) for part in change.parts))
    _put("uploads/0f.sealed", bytes(change.size))
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
    _put("heads.json", b"{}" if raw.startswith(b"{}") else _HEADS)
    folder = _put("streams/devices.jsonl", raw)
    copy = StreamCopy(folder, DevicesStream.start(_EVENTS[0].account), _DEVICE)
    copy.catch_up()
    assert b"".join(event.raw + b"\n" for event in copy.events) == raw[: raw.rfind(b"\n") + 1]


_HEADS: Final = encode_json({stream.value: {"seq": 0, "digest": "00" * 32} for stream in Stream})
_DEVICE_LINES: Final = b"".join(event.raw + b"\n" for event in _EVENTS if event.stream is Stream.DEVICES)


def _check_pins(raw: bytes) -> None:
    _put("streams/devices.jsonl", b"")
    folder = _put("heads.json", raw)
    copy = StreamCopy(folder, DevicesStream.start(_ACCOUNT), _DEVICE)
    assert encode_body(copy.pin) == json.loads(raw)["devices"]


def _encode_kept_fold() -> bytes:
    """What a device keeps of the story's devices stream, without its signature."""
    folder = _put("streams/devices.jsonl", _DEVICE_LINES)
    copy = StreamCopy(folder, DevicesStream.start(_EVENTS[0].account), _DEVICE)
    copy.catch_up()
    copy.keep_fold(1)
    return (folder.path / "streams" / "devices.fold").read_bytes()[64:]


def _check_kept_fold(rest: bytes) -> None:
    """The signature is right: what is tried is the form."""
    folder = _put("streams/devices.fold", bytes.fromhex(_DEVICE.sign(LABEL + rest)) + rest)
    account = _EVENTS[0].account
    kept = load_fold(folder, DevicesStream, account, _DEVICE.public_key)
    _put("streams/devices.jsonl", _DEVICE_LINES)
    copy = StreamCopy(folder, DevicesStream.start(account), _DEVICE)
    copy.catch_up()
    assert len(copy.events) == _DEVICE_LINES.count(b"\n")
    (folder.path / "streams" / "devices.fold").unlink()
    if kept is None:
        raise ProfileError("verified anew")


def _check_byte_list(raw: bytes) -> None:
    assert _parse_objects(raw) == parse_byte_list(raw, "objects")


def _check_rekey_records(raw: bytes) -> None:
    """What is cut or damaged is not used, nor what follows it."""
    records = b"".join(encode_record(*record) for record in parse_records(raw))
    assert raw.startswith(records)


def _check_answer(raw: bytes) -> None:
    assert encode_json(Answer(200, {}, raw).json())


def _check_refusal(raw: bytes) -> None:
    """A problem document never stands in the way of the refusal; here as the body and as a header."""
    header = raw.translate(None, b"\n\r\x00")
    for status in (400, 503):
        refusal = _build_refusal(httpx.Response(status, headers=[(b"Retry-After", header)]), raw)
        assert refusal.status == status
        assert str(refusal) is not None
        assert refusal.diagnostics()
        assert len(refusal.code) <= 80
        assert (getattr(refusal, "retry_after_s", None) or 0) >= 0


def _answer_with(raw: bytes) -> LoginClient:
    respond = httpx.MockTransport(lambda _request: httpx.Response(200, content=raw))
    runtime = Runtime(now=lambda: _NOW, random=bytes, http=respond)
    return LoginClient(Transport(Server(_ORIGIN), runtime), _DEVICE, runtime)


def _check_challenge(raw: bytes) -> None:
    """The answer to a login's first request; the second is answered with the same."""
    login = mock.Mock(sign=_DEVICE.sign, __enter__=lambda self: self, __exit__=lambda *_: None)
    with mock.patch("solekey.connection.login.derive_login_key", return_value=login):
        try:
            _answer_with(raw).log_in("ada", _PASSWORD, "123456")
        except BadAnswerError as error:
            if "session's answer" not in str(error):
                raise


def _check_session_answer(raw: bytes) -> None:
    used = Tokens(_SESSION, {}, "skr_" + "5a" * 32, _NOW, 1)
    tokens = _answer_with(raw).refresh(used).tokens
    assert tokens.expires_at >= _NOW - timedelta(seconds=15)
    assert tokens.auth_position >= 0
    assert set(tokens.access) == set(Stream)


_session_answer: Final = encode_json(
    {
        "account": _ACCOUNT,
        "session": _SESSION,
        "device": _DEVICE.device_id,
        "tokens": {stream.value: "a.b.c" for stream in Stream},
        "refresh_token": "skr_" + "5a" * 32,
        "expires_in_s": 300,
        "position": {"auth": 3},
    }
)


def _check_origin(text: str) -> None:
    server = Server(text)
    assert Server(server.origin) == server
    assert httpx.URL(server.origin).scheme == "https"


def _check_position(text: str) -> None:
    position = parse_position(text)
    if position is None:
        raise BadAnswerError("no position")
    assert text.startswith(f"{position[0].value}=")
    assert 0 <= position[1] <= MAX_SEQ


def _sign_heads(first_key: PublicKey) -> Json:
    made_at = Timestamp("2026-11-28T12:00:00.000Z")
    pinned = PinnedHeads(_ACCOUNT, first_key, {Stream.VAULT: EMPTY_HEAD}, _DEVICE.device_id, made_at)
    document = pinned.to_json(_DEVICE.sign(pinned.signing_bytes()))[_ACCOUNT]
    loss = StreamLoss(made_at, made_at, EMPTY_HEAD, Head(1, compute_digest(b"lost")))
    accepted = AcceptedRestoration(
        _ACCOUNT, first_key, _DEVICE.device_id, made_at, {Stream.VAULT: loss}, (_DEVICE.device_id,)
    )
    signature = _DEVICE.sign(accepted.signing_bytes())
    return {**cast("dict[str, Json]", document), "restorations": [accepted.to_json(signature)]}


def _check_log_pins(raw: bytes) -> None:
    assert read_pins(_put("pins.json", raw).path / "pins.json") is not None


def _check_log_file(raw: bytes) -> None:
    path = _put("events.jsonl", raw).path / "events.jsonl"
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


_names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)

TARGETS = (
    Target(
        "profile.json",
        st.builds(_write_profile, _names, _names),
        _check_profile,
        (ProfileError, InsecureServerError, ProviderError),
        mutate=mutate_json,
        covers=("profile.profile.Profile.open",),
        findings=(b"null", b"[]", _write_profile("ada", "laptop").replace(_ORIGIN.encode(), b"https://[")),
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
        "objects of an answer",
        st.lists(st.none() | st.binary(max_size=9), max_size=3).map(
            lambda found: encode_cbor({"objects": found})
        ),
        _check_byte_list,
        (BadAnswerError,),
        covers=("transfer.objects.parse_byte_list",),
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
    Target(
        "JSON answer",
        st.just(_session_answer),
        _check_answer,
        (BadAnswerError,),
        mutate=mutate_json,
    ),
    Target(
        "problem document",
        st.sampled_from([{"code": "login_refused", "detail": "x"}, {"title": "y", "retry_after_s": 3}]).map(
            encode_json
        )
        | st.just(b"7"),
        _check_refusal,
        (),
        mutate=mutate_json,
        findings=(b"9" * 5000,),
    ),
    Target(
        "login challenge",
        st.just(encode_json({"challenge": "c1" * 16, "kdf": _KDF})),
        _check_challenge,
        (BadAnswerError, KdfParametersError),
        mutate=mutate_json,
        cost=2,
        findings=(b'{"challenge": "\\ud800", "kdf": {}}',),
    ),
    Target(
        "session's answer",
        st.just(_session_answer),
        _check_session_answer,
        (BadAnswerError,),
        mutate=mutate_json,
        cost=2,
        findings=(_session_answer.replace(b"300", b"9007199254740991"),),
    ),
    Target(
        "server address",
        st.sampled_from([_ORIGIN, "https://solekey.example", "https://[::1]:8443/", "https://HOST:1"]),
        _check_origin,
        (InsecureServerError,),
        mutate=mutate_text,
        findings=(
            "https://[",
            "https://a:b",
            "https://a:99999",
            "https://a:0",
            "https://a\x00b",
            "https://\u0661",
        ),
    ),
    Target(
        "Solekey-Position",
        st.sampled_from(["auth=3", "vault=2147483647", "rotation=0"]),
        _check_position,
        (BadAnswerError,),
        mutate=mutate_text,
        findings=("auth=" + "9" * 5000, "auth=\u0661x"),
        covers=("connection.connection.parse_position",),
    ),
    Target(
        "audit pins",
        st.builds(
            lambda key, signed: encode_json({_ACCOUNT: _sign_heads(key) if signed else key}),
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
        st.builds(lambda: str(_put("events.jsonl", _STORY[0] + b"\n").path / "events.jsonl")),
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
