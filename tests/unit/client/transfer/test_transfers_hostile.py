"""Altered ciphertext: by the server behind a signed commit, and by a device that signs what it has altered.

The first is told by the digests that the commit names, the second by the envelope's own seal. Each
alteration, each way to read, each attacker: a named error, nothing at the target, and nothing unauthentic on
standard output.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import httpx
import pytest

from solekey import Vault
from solekey.cli.commands import items as items_module
from solekey.errors import OpenError, SwappedObjectError, UnsupportedFormatError
from solekey.transfer import objects as objects_module
from solekey.transfer import upload_spool as spool_module
from solekey.transfer import uploader as uploader_module
from solekey_protocol.envelope import HEADER_BYTES, TAG_BYTES
from solekey_protocol.limits import KIB
from tests.support.client.transfers import find_digests, list_files, make_command
from tests.support.client.world import World, build_world

CHUNK = 64 * KIB + TAG_BYTES
PART = 3 * CHUNK - 1000
"""Small parts, which chunks lie across."""

OLD = b"what stood there before"
MISBEHAVED = 6
"""The exit code."""


@dataclass(frozen=True)
class Envelopes:
    """The item's envelope, another item's, and the one of the version before."""

    own: bytes
    other: bytes
    older: bytes

    def chunk(self, index: int) -> bytes:
        return self.own[HEADER_BYTES + index * CHUNK : HEADER_BYTES + (index + 1) * CHUNK]


def flip(offset: int) -> Callable[[Envelopes], bytes]:
    def alter(envelopes: Envelopes) -> bytes:
        data = bytearray(envelopes.own)
        data[offset] ^= 1
        return bytes(data)

    return alter


def swap_chunks(envelopes: Envelopes) -> bytes:
    first, second = envelopes.chunk(1), envelopes.chunk(2)
    start = HEADER_BYTES + CHUNK
    return envelopes.own[:start] + second + first + envelopes.own[start + 2 * CHUNK :]


def repeat_chunk(envelopes: Envelopes) -> bytes:
    start = HEADER_BYTES + 2 * CHUNK
    return envelopes.own[:start] + envelopes.chunk(1) + envelopes.own[start + CHUNK :]


def swap_parts(envelopes: Envelopes) -> bytes:
    own = envelopes.own
    return own[:PART] + own[2 * PART : 3 * PART] + own[PART : 2 * PART] + own[3 * PART :]


def cut_at_a_chunk(envelopes: Envelopes) -> bytes:
    chunks = (len(envelopes.own) - HEADER_BYTES - 1) // CHUNK
    return envelopes.own[: HEADER_BYTES + chunks * CHUNK]


ALTERATIONS: dict[str, Callable[[Envelopes], bytes]] = {
    "header: family": flip(0),
    "header: format version": flip(3),
    "header: suite": flip(4),
    "header: chunk size": flip(5),
    "header: epoch": flip(9),
    "header: salt": flip(10),
    "header: commitment": flip(42),
    "first chunk": flip(HEADER_BYTES),
    "first tag": flip(HEADER_BYTES + CHUNK - 1),
    "a chunk in the middle": flip(HEADER_BYTES + 5 * CHUNK + 7),
    "final chunk": flip(-TAG_BYTES - 1),
    "final tag": flip(-1),
    "cut by a byte": lambda envelopes: envelopes.own[:-1],
    "cut at a chunk": cut_at_a_chunk,
    "cut to its beginning": lambda envelopes: envelopes.own[: HEADER_BYTES + CHUNK],
    "appended": lambda envelopes: envelopes.own + b"\x00",
    "chunks swapped": swap_chunks,
    "chunk repeated": repeat_chunk,
    "parts swapped": swap_parts,
    "another item": lambda envelopes: envelopes.other,
    "an older version": lambda envelopes: envelopes.older,
}
NEWER = {"header: format version", "header: suite"}
"""Signed by a device, they are not a forgery but of a newer release."""

READERS: dict[str, Callable[[Vault], bytes]] = {
    "get": lambda vault: vault.get("film").content,
    "iter_content": lambda vault: b"".join(vault.iter_content("film")),
    "open": lambda vault: vault.open("film").read(),
    "get_range": lambda vault: vault.get_range("film", 0, 10**9),
}


@pytest.fixture(scope="module", autouse=True)
def small_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool_module, "MAX_PART_BYTES", PART)
        yield


@pytest.fixture(scope="module")
def content() -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in range(200_000))


def read_envelope(home, vault, name: str) -> bytes:
    return b"".join(home.account.objects[digest] for digest in find_digests(vault, name))


@pytest.fixture(scope="module")
def first_film(first_home: World, content, tmp_path_factory) -> tuple[World, Envelopes]:
    """A world with the item ``film`` in version 2, and what the server has to play with."""
    with build_world(tmp_path_factory.mktemp("film"), first_home) as first:
        vault = first.unlock("laptop")
        vault.put("film", content[::-1])
        older = read_envelope(first, vault, "film")
        vault.put("film", content)
        vault.put("other", content)
        assert len(find_digests(vault, "film")) > 4
        own, other = read_envelope(first, vault, "film"), read_envelope(first, vault, "other")
    assert len(own) == len(other) == len(older)
    return first, Envelopes(own, other, older)


@pytest.fixture
def home(world: World, first_film: tuple[World, Envelopes]) -> World:
    world.move_in(first_film[0])
    return world


@pytest.fixture
def film(home: World, first_film: tuple[World, Envelopes]) -> tuple[Vault, Envelopes]:
    return home.unlock("laptop"), first_film[1]


def serve(home, digests: list[str], envelope: bytes) -> None:
    """Put an envelope behind digests that name another one: the last part takes what is left over."""
    starts = [index * PART for index in range(len(digests))]
    stops = [*starts[1:], len(envelope)]
    for digest, start, stop in zip(digests, starts, stops, strict=True):
        home.account.objects[digest] = envelope[start : max(start, stop)]


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_what_the_server_alters_is_refused_by_every_reader(home, film, content, tmp_path, alteration):
    vault, envelopes = film
    digests = find_digests(vault, "film")
    altered = ALTERATIONS[alteration](envelopes)
    assert altered != envelopes.own
    target = tmp_path / "target" / "film.bin"
    target.parent.mkdir()
    for round_ in ("honest", "altered", "honest again"):
        serve(home, digests, altered if round_ == "altered" else envelopes.own)
        target.write_bytes(OLD)
        if round_ != "altered":
            assert all(read(vault) == content for read in READERS.values())
            vault.get_file("film", target)
            assert target.read_bytes() == content
            continue
        for name in ("get", "iter_content"):
            with pytest.raises(SwappedObjectError):
                READERS[name](vault)
        with pytest.raises(SwappedObjectError):
            vault.get_file("film", target)
        assert target.read_bytes() == OLD
        assert list_files(target.parent) == ["film.bin"]
        for name in ("open", "get_range"):
            if alteration == "appended":  # what is not asked for does not come
                assert READERS[name](vault) == content
            else:
                with pytest.raises((OpenError, SwappedObjectError)):
                    READERS[name](vault)


def sign_altered(monkeypatch, vault: Vault, film: bytes, envelopes: Envelopes, alter) -> None:
    """Commit the next version as a device does that alters what it has sealed."""
    item, real = vault.find("film").id, uploader_module.seal_bytes

    def seal(plain, *, context, **options):
        envelope = real(plain, context=context, **options)
        return alter(replace(envelopes, own=envelope)) if context.item == item else envelope

    with monkeypatch.context() as patched:
        patched.setattr(uploader_module, "seal_bytes", seal)
        vault.put("film", film)


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_what_a_device_alters_before_it_signs_is_refused_by_every_reader(
    film, content, tmp_path, monkeypatch, alteration
):
    """The commit's digests are right; the seal alone is left."""
    vault, envelopes = film
    target = tmp_path / "film.bin"
    sign_altered(monkeypatch, vault, content, envelopes, lambda honest: honest.own)
    assert all(read(vault) == content for read in READERS.values())
    vault.get_file("film", target)
    assert target.read_bytes() == content
    sign_altered(monkeypatch, vault, content, envelopes, ALTERATIONS[alteration])
    target.write_bytes(OLD)
    expected = UnsupportedFormatError if alteration in NEWER else OpenError
    for read in (*READERS.values(), lambda vault: vault.get_file("film", target)):
        with pytest.raises(expected):
            read(vault)
    assert target.read_bytes() == OLD
    assert not [name for name in list_files(tmp_path) if name.startswith(".")]


def test_the_first_layer_is_the_digest_of_each_part(home, film, content, monkeypatch):
    """Without it the seal still refuses: two layers, each shown to be there."""
    vault, envelopes = film
    serve(home, find_digests(vault, "film"), swap_chunks(envelopes))
    with pytest.raises(SwappedObjectError):
        vault.get("film")
    monkeypatch.setattr(objects_module, "verify_object", lambda _, data: data)
    with pytest.raises(OpenError) as refusal:
        vault.get("film")
    assert refusal.value.stage == "chunk"


def test_pieces_come_only_after_the_end_is_known_to_be_there(home, film, content, monkeypatch):
    """Nothing is yielded of a cut envelope, and nothing unauthentic of one that is altered far behind."""
    vault, envelopes = film
    sign_altered(monkeypatch, vault, content, envelopes, cut_at_a_chunk)
    with pytest.raises(OpenError):
        next(vault.iter_content("film"))
    sign_altered(monkeypatch, vault, content, envelopes, flip(HEADER_BYTES + 5 * CHUNK))
    released = bytearray()

    def release() -> None:
        for piece in vault.iter_content("film"):
            released.extend(piece)

    with pytest.raises(OpenError):
        release()
    assert content.startswith(released)
    assert 0 < len(released) < len(content)


def test_a_server_that_ignores_ranges_is_no_harm(home, film, content):
    vault, _ = film

    def ignore(request, response):
        if request.headers.get("Range"):
            return httpx.Response(200, content=home.account.objects[request.url.path.rpartition("/")[2]])
        return response

    home.server.tamper = ignore
    assert vault.get_range("film", 300_000, 1000) == content[300_000:301_000]


def test_a_server_that_sends_other_ranges_is_refused(home, film, content):
    vault, _ = film

    def shift(request, response):
        if asked := request.headers.get("Range"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            data = home.account.objects[request.url.path.rpartition("/")[2]]
            return httpx.Response(206, content=data[int(first) + 16 : int(last) + 17])
        return response

    home.server.tamper = shift
    with pytest.raises((OpenError, SwappedObjectError)):
        vault.get_range("film", 300_000, 1000)


@pytest.fixture
def command(home, monkeypatch, capfdbinary):
    return make_command(home, monkeypatch, capfdbinary)


@pytest.mark.parametrize("alteration", ALTERATIONS)
@pytest.mark.parametrize("in_memory", [True, False], ids=["in memory", "streamed"])
def test_the_command_ends_in_6_and_prints_nothing_unauthentic(
    home, film, content, tmp_path, monkeypatch, command, alteration, in_memory
):
    vault, envelopes = film
    item = vault.find("film").id
    digests, target = find_digests(vault, "film"), tmp_path / "film.bin"
    if not in_memory:
        monkeypatch.setattr(items_module, "_IN_MEMORY_BYTES", 1000)
    assert command("get", item) == (0, content, "")
    target.write_bytes(OLD)
    serve(home, digests, ALTERATIONS[alteration](envelopes))
    code, out, err = command("get", item)
    assert code == MISBEHAVED
    assert len(out) < len(content)
    assert content.startswith(out)
    assert in_memory <= (out == b"")
    assert "Error:" in err
    code, out, err = command("get", item, "-o", str(target))
    assert (code, out) == (MISBEHAVED, b"")
    assert target.read_bytes() == OLD
    code, out, err = command("get", item, "--json")
    assert (code, out) == (MISBEHAVED, b"")
    assert json.loads(err)["error"]["code"] in {"object_swapped", "open_failed"}
    code, out, err = command("get", item, "--range", "0-")
    if alteration == "appended":
        assert (code, out) == (0, content)
    else:
        assert code == MISBEHAVED
        assert content.startswith(out)
        assert out != content
