"""Snapshots of folds: from any place on, a snapshot and the rest amount to what all events amount to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solekey_protocol.errors import MalformedError, ProtocolError, TransitionError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Body, Stream, auth, devices, rotation
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import KeyId, SessionId, compute_digest
from solekey_protocol.streams import (
    FOLDS,
    AuthStream,
    Fold,
    VaultStream,
    decode_snapshot,
    derive_fold_version,
    encode_snapshot,
)
from solekey_protocol.streams.snapshot import _find_codec
from tests.support.keys import Key
from tests.support.protocol.history import (
    History,
    abandoned,
    aborted,
    committed,
    completed,
    done,
    rekey,
    retired,
    started,
    taken,
    verified,
    wrapped,
)
from tests.support.protocol.keyring import ACCOUNT, GHOST, LAPTOP, NOON, PHONE, digest, record
from tests.support.repository import ROOT

SESSIONS = [SessionId.from_raw(f"session {number}".encode().ljust(16, b".")) for number in range(3)]
KEY_IDS = [KeyId(f"{number:02x}" * 16) for number in range(2)]
FACTS: Sequence[Body] = (
    auth.AccountRegistered(1),
    auth.LoginFailed(auth.LoginStage.SECOND_FACTOR),
    *(auth.MfaEnrolled(factor, digest(factor)) for factor in auth.Factor),
    auth.MfaRemoved(auth.Factor.TOTP, digest("totp")),
    *(auth.SessionOpened(session, LAPTOP.device, auth.Factor.TOTP, NOON) for session in SESSIONS),
    *(auth.SessionRefreshed(session, generation) for session in SESSIONS for generation in (2, 3)),
    *(auth.SessionSteppedUp(session, auth.Factor.PASSKEY) for session in SESSIONS),
    auth.SessionEnded(SESSIONS[0], auth.SessionEnd.LOGOUT),
    *(auth.SigningKeyPublished(key_id, LAPTOP.public, NOON, NOON) for key_id in KEY_IDS),
    auth.SigningKeyWithdrawn(KEY_IDS[0]),
)
STATEMENTS: Sequence[tuple[Body, Key]] = (
    *((wrapped(version, key), LAPTOP) for version in (1, 2, 3) for key in ("K0", "K1")),
    (wrapped(1, "K0", 2, "rekey"), PHONE),
    *((retired(version), LAPTOP) for version in (1, 2)),
    *((committed(number, epoch, kind), PHONE) for number in (1, 2, 3) for epoch in (1, 2) for kind in (
        "delta", "snapshot")),
    *((body, LAPTOP) for body in (rotation.PolicySet(90, 30), started("change"), rekey("rekey"))),
    *((verified(label, (1, 2)), LAPTOP) for label in ("change", "rekey")),
    *((step(label), PHONE) for label in ("change", "rekey") for step in (done, completed, aborted)),
    *((body, LAPTOP) for body in (taken("change"), abandoned("change"))),
    (devices.DeviceEnrolled(GHOST.certificate), GHOST),
    (devices.DeviceRevoked(PHONE.device, devices.RevocationReason.LOST), LAPTOP),
    (rotation.RotationDue(RotationKind.DATA_KEY, NOON), LAPTOP),
)  # fmt: skip


def fold(kind: type[Fold], events: Sequence[Event], start: Fold | None = None) -> Fold:
    folded = start or kind.start(events[0].account)
    for event in events:
        folded = folded.evolve(event)
    return folded


def verify_each_cut(kind: type[Fold], events: Sequence[Event]) -> None:
    whole = fold(kind, events)
    at_cut: Fold = kind.start(events[0].account)
    for place in range(len(events) + 1):
        snapshot = decode_snapshot(kind, encode_snapshot(at_cut))
        assert snapshot == at_cut
        resumed = fold(kind, events[place:], snapshot)
        assert resumed == whole
        assert encode_snapshot(resumed) == encode_snapshot(whole)  # in the same order, too
        if place < len(events):
            at_cut = at_cut.evolve(events[place])


def read_vectors(noun: str) -> Mapping[Stream, Sequence[Event]]:
    """The longest accepted history of each stream in a file of vectors."""
    document = json.loads((ROOT / "spec" / "vectors" / f"{noun}.json").read_text())
    longest: dict[Stream, list[Event]] = {}
    for vector in document["vectors"]:
        found: dict[Stream, list[Event]] = {}
        for name in vector["input"]["before"]:
            event = parse_event(document["records"][name].encode())
            found.setdefault(event.stream, []).append(event)
        for stream, events in found.items():
            longest[stream] = max(events, longest.get(stream, []), key=len)
    return longest


@pytest.mark.parametrize("noun", ["auth_stream", "devices_stream", "vault_stream", "rotation_stream"])
def test_the_histories_of_the_vectors_can_be_cut_anywhere(noun: str) -> None:
    histories = read_vectors(noun)
    own = Stream(noun.removesuffix("_stream"))
    assert len(histories[own]) >= 3
    for stream, events in histories.items():
        verify_each_cut(FOLDS[stream], events)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(FACTS), min_size=1, max_size=25))
def test_facts_can_be_cut_anywhere(bodies: list[Body]) -> None:
    state, events = AuthStream.start(ACCOUNT), []
    for body in bodies:
        event = record(body, state.head)
        with suppress(TransitionError):
            state = state.evolve(event)
            events.append(event)
    if events:
        verify_each_cut(AuthStream, events)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(range(len(STATEMENTS))), min_size=1, max_size=25))
def test_statements_can_be_cut_anywhere(choices: list[int]) -> None:
    history = History()
    for choice in choices:
        body, device = STATEMENTS[choice]
        with suppress(ProtocolError):
            if body.SIGNERS:
                history.write(body, device=device)
    for stream in (Stream.DEVICES, Stream.VAULT, Stream.ROTATION):
        if events := [event for event in history.events if event.stream is stream]:
            verify_each_cut(FOLDS[stream], events)


@pytest.fixture
def vault_fold() -> VaultStream:
    history = History()
    for body in (wrapped(), committed(1), committed(2, kind="snapshot")):
        history.say(body)
    return history.account.vault


def forge(rest: bytes) -> bytes:
    """What has a right checksum and says something else."""
    return hashlib.sha256(rest).digest() + rest


def test_a_flipped_bit_and_a_cut_are_noticed_everywhere(vault_fold: VaultStream) -> None:
    data = encode_snapshot(vault_fold)
    for place in range(len(data)):
        flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        for damaged in (flipped, data[:place]):
            with pytest.raises(MalformedError, match="damaged"):
                decode_snapshot(VaultStream, damaged)


def test_only_what_is_encoded_so_is_decoded(vault_fold: VaultStream) -> None:
    rest = encode_snapshot(vault_fold)[32:]
    assert decode_snapshot(VaultStream, forge(rest)) == vault_fold  # the control
    version, state = json.loads(rest)
    for wrong in (
        rest.replace(b",", b", ", 1),
        rest.replace(b'"vault"', b'"trousers"', 1),
        rest.replace(b"null", b"0", 1),
        rest.replace(b",2,2,", b",2.0,2,", 1),
        rest.replace(b",2,2,", b",true,2,", 1),
        b"[" * 100_000,
        b"NaN",
        b"",
        b"\xff",
        json.dumps([version, state, 0], separators=(",", ":")).encode(),
        json.dumps([version, state[:-1]], separators=(",", ":")).encode(),
        json.dumps([version, [*state, 0]], separators=(",", ":")).encode(),
        json.dumps([version, {"chain": state[0]}], separators=(",", ":")).encode(),
    ):
        assert wrong != rest
        with pytest.raises(MalformedError):
            decode_snapshot(VaultStream, forge(wrong))


def test_a_snapshot_of_another_version_or_kind_is_none(
    vault_fold: VaultStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode_snapshot(vault_fold)
    for kind in set(FOLDS.values()) - {VaultStream}:
        with pytest.raises(MalformedError, match="another version"):
            decode_snapshot(kind, data)
    derive_fold_version.cache_clear()
    monkeypatch.setattr(VaultStream, "VERSION", VaultStream.VERSION + 1)
    with pytest.raises(MalformedError, match="another version"):
        decode_snapshot(VaultStream, data)
    monkeypatch.undo()
    derive_fold_version.cache_clear()
    assert decode_snapshot(VaultStream, data) == vault_fold


def test_what_a_fold_says_is_in_its_snapshot(vault_fold: VaultStream) -> None:
    """A field that the codec forgot would make two folds one."""
    for change in ({"epoch": 7}, {"versions": {}}, {"purged_through": 1}, {"first_snapshots": {}}):
        changed = replace(vault_fold, **change)  # type: ignore[arg-type]  # the fields are those of the class
        assert encode_snapshot(changed) != encode_snapshot(vault_fold)


def test_the_stream_of_a_new_service_makes_no_snapshot_out_of_date() -> None:
    """The version derives from shapes; that there is one stream more changes none of them."""
    shape = _find_codec(Stream).shape
    assert shape
    assert not any(stream.value in shape for stream in Stream)


MEANINGS = {
    "auth": "0b2e9123d72667d5",
    "devices": "ea969023f2b1f5fa",
    "vault": "b627e7c85b856c63",
    "rotation": "8cab2dd7cba4c744",
}


@pytest.mark.parametrize("stream", MEANINGS)
def test_what_events_amount_to_changes_with_the_version_alone(stream: str) -> None:
    """If this fails: do the same events amount to something else than in the snapshots that are kept? Then
    raise the fold's VERSION. Or do the vectors have a longer history? Either way, write the new digest here.
    """
    folded = fold(FOLDS[Stream(stream)], read_vectors(f"{stream}_stream")[Stream(stream)])
    assert compute_digest(encode_snapshot(folded)[32:])[:16] == MEANINGS[stream]
