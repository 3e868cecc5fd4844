"""What a device keeps of its streams: it saves verifying them again, and nobody else can write it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from solekey.crypto import SoftwareDeviceKey
from solekey.errors import (
    DiskFullError,
    ForgedEventError,
    HistoryForkError,
    ProfileError,
    ProviderError,
    RollbackError,
)
from solekey.files.private_folder import PrivateFolder
from solekey.profile.pins import begin_pins
from solekey.streams import copies, kept_fold, records, stream_copy, streams
from solekey.streams.kept_fold import LABEL, KeptFold, load_fold, save_fold
from solekey_protocol.encoding import Cbor, encode_cbor, parse_cbor
from solekey_protocol.events import Stream
from solekey_protocol.streams import DevicesStream, VaultStream
from tests.support.client.world import World, build_world
from tests.support.repository import ROOT

ITEMS = 9


@pytest.fixture(scope="module", autouse=True)
def _short_streams() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "FOLD_EVENTS", 3)
        for module in (records, stream_copy):
            patch.setattr(module, "BLOCK_EVENTS", 4)
        yield


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The records that are verified, signatures included."""
    seen: list[str] = []
    for kind in (VaultStream, DevicesStream):
        apply = kind.apply

        def note(self, event, devices, apply=apply):
            seen.append(f"{event.stream} {event.seq}")
            return apply(self, event, devices)

        monkeypatch.setattr(kind, "apply", note)
    return seen


@pytest.fixture(scope="module")
def first_busy(first_home: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    with build_world(tmp_path_factory.mktemp("busy"), first_home) as home:
        vault = home.unlock("laptop")
        for number in range(ITEMS):
            vault.put(f"item {number}", "x")
        home.reopen("laptop").sync()
        vault.put("last", "x")
    assert (profile(home) / "streams" / "vault.fold").exists()
    return home


@pytest.fixture
def busy(home: World, first_busy: World) -> World:
    """A laptop that has kept folds, and has a commit more than they stand on."""
    home.move_in(first_busy)
    return home


def of_vault(verified: list[str]) -> list[int]:
    return [int(each.split()[1]) for each in verified if each.startswith("vault")]


def profile(home: World) -> Path:
    return home.folder / "laptop"


def fold_of(home: World) -> Path:
    return profile(home) / "streams" / "vault.fold"


def test_only_what_follows_the_kept_fold_is_verified_again(busy: World, verified: list[str]) -> None:
    session = busy.reopen("laptop")
    session.sync()
    assert of_vault(verified) == [ITEMS + 2]
    assert [event.seq for event in session.streams.events(Stream.VAULT)] == list(range(1, ITEMS + 3))
    fold_of(busy).unlink()
    anew = busy.reopen("laptop")
    assert of_vault(verified) == [ITEMS + 2, *range(1, ITEMS + 3)]
    assert anew.streams.vault == session.streams.vault
    assert anew.streams.devices == session.streams.devices


DAMAGES = {
    "empty": lambda _: b"",
    "cut": lambda data: data[: len(data) // 2],
    "a flipped bit of the signature": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "a flipped bit of the fold": lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:],
    "longer": lambda data: data + b"\x00",
    "other bytes": lambda _: b"{}",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_fold_is_verified_anew_and_is_never_a_missing_pin(
    busy: World, verified: list[str], damage: str
) -> None:
    data = fold_of(busy).read_bytes()
    fold_of(busy).write_bytes(DAMAGES[damage](data))
    session = busy.reopen("laptop")
    assert f"vault {ITEMS + 2}" in verified
    assert "vault 1" in verified
    session.sync()
    fold_of(busy).write_bytes(DAMAGES[damage](data))
    del busy.account.events[Stream.VAULT][-1:]
    with pytest.raises(RollbackError):
        busy.reopen("laptop").sync()


def forge(home: World, key: SoftwareDeviceKey, **changed: object) -> None:
    """Write a fold of the vault that says something else, signed by a key."""
    folder = PrivateFolder(profile(home))
    own = home.sessions["laptop"].connection.profile.device_key
    kept = load_fold(folder, VaultStream, home.account.account, own.public_key)
    assert kept is not None
    members = {name: getattr(kept.state, name) for name in ("chain", "epoch", "wraps", "commit_keys")}
    state = VaultStream(**{**members, **changed})
    save_fold(folder, KeptFold(state, kept.size_bytes, kept.offsets, kept.continued, ()), key)


def test_nobody_else_can_write_one(busy: World, verified: list[str]) -> None:
    """Who changes the profile's folder, and does not have the device key, is not believed."""
    stranger = SoftwareDeviceKey(bytes(32))
    forge(busy, stranger, last_commit=999)
    session = busy.reopen("laptop")
    assert session.streams.vault.last_commit == ITEMS + 1
    assert "vault 1" in verified
    session.sync()
    own = busy.sessions["laptop"].connection.profile.device_key
    forge(busy, own, last_commit=999)  # the control: who has the device key is this device
    assert busy.reopen("laptop").streams.vault.last_commit == 999


def test_a_fold_of_another_account_or_stream_is_not_used(busy: World, verified: list[str]) -> None:
    other = profile(busy) / "streams" / "auth.fold"
    shutil.copy(fold_of(busy), other)
    session = busy.reopen("laptop")
    session.sync()
    assert session.streams.auth.head.seq == len(busy.account.events[Stream.AUTH])
    key = busy.sessions["laptop"].connection.profile.device_key
    stranger = type(busy.account.account).from_raw(bytes(16))
    assert load_fold(PrivateFolder(profile(busy)), VaultStream, stranger, key.public_key) is None


def change_members(home: World, **changed: Cbor) -> None:
    """Change members of the kept fold, and sign it as this device does."""
    names = ("version", "account", "stream", "size", "offsets", "continued", "snapshot", "unjudged")
    rest = fold_of(home).read_bytes()[64:]
    members = dict(zip(names, parse_cbor(rest, max_bytes=1 << 20), strict=True)) | changed
    rest = encode_cbor(list(members.values()))
    signature = home.sessions["laptop"].connection.profile.device_key.sign(
        b"solekey/v1/fold-snapshot\x00" + rest
    )
    fold_of(home).write_bytes(bytes.fromhex(signature) + rest)


NOT_THIS_FOLD: dict[str, dict[str, Cbor]] = {
    "another version": {"version": 2},
    "another account": {"account": "acc_" + "0" * 32},
    "another stream": {"stream": "devices"},
    "fewer blocks than its records have": {"offsets": bytes(8), "continued": bytes(32)},
    "no block": {"offsets": b"", "continued": b""},
    "a statement before the first": {"unjudged": [[0, b""]]},
}


def test_control_the_same_members_signed_again_are_used(busy: World, verified: list[str]) -> None:
    change_members(busy)
    busy.reopen("laptop")
    assert of_vault(verified) == [ITEMS + 2]


@pytest.mark.parametrize("what", NOT_THIS_FOLD)
def test_what_does_not_fit_together_is_not_used(busy: World, verified: list[str], what: str) -> None:
    change_members(busy, **NOT_THIS_FOLD[what])
    session = busy.reopen("laptop")
    assert of_vault(verified) == list(range(1, ITEMS + 3))
    assert session.streams.vault.last_commit == ITEMS + 1


def test_a_signature_without_the_label_is_not_this_file_s(busy: World, verified: list[str]) -> None:
    """Whatever else a device signs is never taken for a fold."""
    rest = fold_of(busy).read_bytes()[64:]
    key = busy.sessions["laptop"].connection.profile.device_key
    fold_of(busy).write_bytes(bytes.fromhex(key.sign(rest)) + rest)
    busy.reopen("laptop")
    assert of_vault(verified) == list(range(1, ITEMS + 3))


def test_an_older_fold_is_what_was_verified_then(busy: World, verified: list[str]) -> None:
    old = fold_of(busy).read_bytes()
    vault = busy.unlock("laptop")
    for number in range(5):
        vault.put(f"more {number}", "x")
    busy.reopen("laptop").sync()
    assert fold_of(busy).read_bytes() != old
    fold_of(busy).write_bytes(old)
    verified.clear()
    session = busy.reopen("laptop")
    assert of_vault(verified) == list(range(ITEMS + 2, ITEMS + 8))
    assert session.streams.vault.last_commit == ITEMS + 6


def test_records_that_are_shorter_than_the_fold_are_fetched_again(busy: World, verified: list[str]) -> None:
    file = profile(busy) / "streams" / "vault.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    for left in (lines[:4], [], [*lines[:3], lines[3][:100]]):
        file.write_bytes(b"".join(left))
        session = busy.reopen("laptop")
        assert session.streams.vault.head.seq == len(left[:4]) - (len(left[-1:]) and left[-1][-1:] != b"\n")
        session.sync()
        assert file.read_bytes() == b"".join(lines)


def test_the_records_gone_the_fold_is_still_a_pin(busy: World) -> None:
    (profile(busy) / "streams" / "vault.jsonl").unlink()
    begin_pins(PrivateFolder(profile(busy)))
    del busy.account.events[Stream.VAULT][4:]
    with pytest.raises(RollbackError):
        busy.reopen("laptop").sync()


@pytest.mark.parametrize("seq", [2, ITEMS + 1])
def test_a_record_that_was_changed_in_the_file_is_noticed_when_it_is_read(busy: World, seq: int) -> None:
    file = profile(busy) / "streams" / "vault.jsonl"
    lines = file.read_bytes().split(b"\n")
    lines[seq - 1] = lines[seq - 1].replace(b'"count":1', b'"count":7')
    file.write_bytes(b"\n".join(lines))
    if seq == 2:  # before the block that the fold stands on: read when somebody asks
        session = busy.reopen("laptop")
        with pytest.raises(ProfileError, match="damaged"):
            list(session.streams.events(Stream.VAULT))
    else:
        with pytest.raises(ProfileError, match="damaged"):
            busy.reopen("laptop")


def test_what_follows_the_fold_is_verified_signatures_included(busy: World) -> None:
    file = profile(busy) / "streams" / "vault.jsonl"
    *_, last, _ = file.read_bytes().split(b"\n")
    start = last.index(b'"device":"') + 10
    forged = last[:start] + bytes([last[start] ^ 1]) + last[start + 1 :]
    file.write_bytes(file.read_bytes().replace(last, forged))
    with pytest.raises(ProfileError, match="damaged"):
        busy.reopen("laptop")


def test_without_the_devices_records_what_they_signed_is_fetched_again(busy: World) -> None:
    for name in ("devices.jsonl", "devices.fold", "vault.fold"):
        (profile(busy) / "streams" / name).unlink(missing_ok=True)
    session = busy.reopen("laptop")
    assert session.streams.vault.head.seq == 0
    session.sync()
    assert session.streams.vault.head.seq == ITEMS + 2


def test_what_was_not_judged_yet_is_judged_after_the_next_opening(busy: World) -> None:
    """A wrap that the rotation stream does not bear out: it was followed, and the device was interrupted."""
    copy = busy.reopen("laptop").streams._copy(Stream.VAULT)
    assert copy.unjudged == []
    fold_of(busy).unlink()
    copy = busy.reopen("laptop").streams._copy(Stream.VAULT)
    (signed, before), *rest = copy.unjudged
    copy.keep_fold(1)
    again = busy.reopen("laptop").streams._copy(Stream.VAULT)
    assert [(each.digest, state) for each, state in again.unjudged] == [(signed.digest, before)]
    assert rest == []
    again.unjudged[0] = (signed, VaultStream.start(busy.account.account))
    busy.reopen("laptop").sync()


def test_events_before_a_forged_one_are_kept(home: World) -> None:
    home.unlock("laptop").put("a", "x")
    for number in range(3):
        home.unlock("laptop").put(f"b {number}", "x")
    file = profile(home) / "streams" / "vault.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:2]))
    events = home.account.events[Stream.VAULT]
    honest = events[-1]
    home.server.tamper = lambda request, response: _replace(request, response, honest.raw)
    session = home.reopen("laptop")
    with pytest.raises((ForgedEventError, HistoryForkError, RollbackError)):
        session.sync()
    assert file.read_bytes() == b"".join(lines[:-1])
    home.server.be_honest()
    session.sync()
    assert file.read_bytes() == b"".join(lines)
    home.reopen("laptop").sync()


def _replace(request, response, raw: bytes):
    if request.url.path != "/v1/vault/events":
        return response
    forged = response.content.replace(raw, raw.replace(b'"count":1', b'"count":7'))
    return httpx.Response(200, content=forged, headers={"Solekey-Position": "vault=5"})


def test_an_interrupted_device_goes_on_from_the_last_page(busy: World, monkeypatch, verified) -> None:
    monkeypatch.setattr(streams, "PAGE_EVENTS", 3)
    monkeypatch.setattr(streams, "FOLD_EVENTS_UNDERWAY", 4)
    for name in ("vault.jsonl", "vault.fold"):
        (profile(busy) / "streams" / name).unlink()
    pages: list[str] = []

    def interrupt(request, response):
        if request.url.path != "/v1/vault/events":
            return response
        pages.append(str(request.url.params["after"]))
        if len(pages) == 4:
            raise KeyboardInterrupt
        lines = response.content.splitlines(keepends=True)[:3]
        return httpx.Response(200, content=b"".join(lines), headers=response.headers)

    busy.server.tamper = interrupt
    with pytest.raises(KeyboardInterrupt):
        busy.reopen("laptop").sync()
    assert pages == ["0", "2", "4", "6"]
    verified.clear()
    session = busy.reopen("laptop")
    assert of_vault(verified) == [6, 7]
    session.sync()
    assert session.streams.vault.head.seq == ITEMS + 2


@pytest.mark.parametrize("error", [DiskFullError("no room"), ProviderError("the token was pulled out")])
def test_a_device_goes_on_where_no_fold_can_be_kept(
    busy: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    fold_of(busy).unlink()
    monkeypatch.setattr(stream_copy, "save_fold", fail)
    session = busy.reopen("laptop")
    session.sync()
    assert session.streams.vault.head.seq == ITEMS + 2
    assert not fold_of(busy).exists()


def test_what_takes_long_is_shown(busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, int, int]] = []

    @contextmanager
    def watch(what: str):
        yield lambda done, total: shown.append((what, done, total))

    monkeypatch.setattr(streams, "WATCHED_EVENTS", 5)
    for name in ("vault.jsonl", "vault.fold"):
        (profile(busy) / "streams" / name).unlink()
    session = busy.reopen("laptop")
    session.connection.runtime = replace(session.connection.runtime, watch=watch)
    session.sync()
    assert shown == [("Verifying vault", ITEMS + 2, ITEMS + 2)]


def test_the_label_is_in_the_table_of_the_specification() -> None:
    assert f"`{LABEL[:-1].decode()}`" in (ROOT / "spec" / "conventions.md").read_text()
    assert kept_fold.name_fold(Stream.VAULT) == "streams/vault.fold"


def test_two_processes_share_the_files(busy: World) -> None:
    first, second = busy.reopen("laptop"), busy.reopen("laptop")
    with first.unlock(busy.key()) as vault:
        for number in range(4):
            vault.put(f"by the first {number}", "x")
    second.sync()
    assert second.streams.vault == first.streams.vault
    assert len(second.streams.events(Stream.VAULT)) == ITEMS + 6
