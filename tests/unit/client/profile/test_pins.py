"""Pins are there from the beginning, never go back, and are damage where they are missing."""

import json
from pathlib import Path

import pytest

from solekey.errors import DamagedProfileError, RollbackError
from solekey.files.private_folder import PrivateFolder
from solekey.profile.pins import PINS_FILE, load_pin, save_pins
from solekey_protocol.events import Stream
from solekey_protocol.ids import Digest
from solekey_protocol.services import V1_STREAMS
from solekey_protocol.statements import Head
from tests.support.client.world import World

PINS = {stream: Head(seq, Digest(f"{seq:064x}")) for seq, stream in enumerate(V1_STREAMS, start=1)}


def without_vault(data: bytes) -> bytes:
    return json.dumps({name: pin for name, pin in json.loads(data).items() if name != "vault"}).encode()


DAMAGES = {
    "empty": lambda _: b"",
    "an empty object": lambda _: b"{}",
    "an empty list": lambda _: b"[]",
    "zeroed": lambda data: bytes(len(data)),
    "cut": lambda data: data[:-1],
    "without one stream": without_vault,
    "a pin without a digest": lambda data: data.replace(b'"digest"', b'"digests"'),
    "a pin of no number": lambda data: data.replace(b'"seq":', b'"seq":-'),
}


@pytest.fixture
def folder(tmp_path: Path) -> PrivateFolder:
    folder = PrivateFolder(tmp_path / "profile")
    folder.make()
    save_pins(folder, PINS)
    return folder


def test_control_whole_pins_are_read(folder: PrivateFolder) -> None:
    assert {stream: load_pin(folder, stream) for stream in V1_STREAMS} == PINS


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_has_never_pinned_nothing(folder: PrivateFolder, damage: str) -> None:
    folder.write(PINS_FILE, DAMAGES[damage](folder.read(PINS_FILE)))
    with pytest.raises(DamagedProfileError, match="damaged"):
        load_pin(folder, Stream.VAULT)


def test_pins_that_are_missing_are_damage(folder: PrivateFolder) -> None:
    folder.delete(PINS_FILE)
    with pytest.raises(DamagedProfileError, match="missing"):
        load_pin(folder, Stream.VAULT)


def test_a_device_without_its_pins_does_not_go_on(home: World) -> None:
    pins = home.folder / "laptop" / PINS_FILE
    whole = pins.read_bytes()
    for damaged in (b"", None):
        pins.unlink() if damaged is None else pins.write_bytes(damaged)
        with pytest.raises(DamagedProfileError):
            home.reopen("laptop").sync()
    pins.write_bytes(whole)
    pins.chmod(0o600)
    home.reopen("laptop").sync()


def test_a_pin_stays_while_its_records_are_fetched_again(home: World) -> None:
    """Another stream is followed and pinned meanwhile; then the server shows less than was pinned."""
    home.unlock("laptop").put("a", "x")
    home.reopen("laptop").sync()
    pinned = load_pin(PrivateFolder(home.folder / "laptop"), Stream.VAULT)
    assert pinned.seq == 2
    (home.folder / "laptop" / "streams" / "vault.jsonl").unlink()
    home.log_in("phone")  # one more event in auth
    home.reopen("laptop").streams.sync(Stream.AUTH)
    assert load_pin(PrivateFolder(home.folder / "laptop"), Stream.VAULT) == pinned
    del home.account.events[Stream.VAULT][-1:]
    with pytest.raises(RollbackError):
        home.reopen("laptop").sync()
    assert load_pin(PrivateFolder(home.folder / "laptop"), Stream.VAULT) == pinned


def test_records_that_are_not_those_that_were_pinned_are_damage(home: World) -> None:
    folder = PrivateFolder(home.folder / "laptop")
    home.reopen("laptop").sync()
    heads = {stream: load_pin(folder, stream) for stream in V1_STREAMS}
    assert home.reopen("laptop").streams.vault.head == heads[Stream.VAULT]  # the control
    for seq in (1, heads[Stream.VAULT].seq):
        save_pins(folder, {**heads, Stream.VAULT: Head(seq, Digest("7" * 64))})
        with pytest.raises(DamagedProfileError, match="differ"):
            home.reopen("laptop")


def test_an_older_pin_that_the_records_hold_does_no_harm(home: World) -> None:
    folder = PrivateFolder(home.folder / "laptop")
    older = {stream: load_pin(folder, stream) for stream in V1_STREAMS}
    home.unlock("laptop").put("a", "x")
    save_pins(folder, older)
    session = home.reopen("laptop")
    assert session.streams.vault.head.seq == older[Stream.VAULT].seq + 1
    session.sync()
