"""On which side of a bound content is, inside one padded size, shows in nothing that the server sees."""

import io
import re
from itertools import groupby

import httpx
import pytest

from solekey.crypto import envelope
from solekey.crypto.inner_plaintext import measure_inner
from solekey.transfer import uploader
from solekey.vault import edits
from solekey_protocol.limits import MIB

BOUNDS = [MIB, pytest.param(16 * MIB, marks=pytest.mark.slow)]
WAYS = {
    "bytes": lambda vault, name, content, _: vault.put(name, content),
    "a file": lambda vault, name, content, folder: vault.put_file(write(folder, content), name=name),
    "a stream": lambda vault, name, content, _: vault.put_stream(name, io.BytesIO(content).read),
}


def write(folder, content):
    path = folder / "source.bin"
    path.write_bytes(content)
    return path


def look(home, way, size, folder):
    """What the server sees of content of this size: each request, and the first bytes of the envelope."""
    seen, vault = [], home.unlock("laptop")

    def note(request: httpx.Request) -> None:
        path = re.sub("[0-9a-f]{64}", "DIGEST", request.url.path)
        seen.append((request.method, path, len(request.content) if path.endswith("DIGEST") else None))

    home.server.before = note
    item = WAYS[way](vault, "n" * 9, bytes(size), folder).id
    home.server.be_honest()
    change = vault.unlocked.index.items[item]
    header = home.account.objects[change.parts[0].digest][:10]
    vault.remove("n" * 9)
    return order(seen), [part.size for part in change.parts], header


def order(seen):
    """The requests in their order; parts that are sent at the same time come in any, and are sorted."""
    runs = groupby(seen, key=lambda request: request[0] == "PUT")
    return [request for is_sending, run in runs for request in (sorted(run) if is_sending else run)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bound", BOUNDS)
def test_the_side_of_a_bound_does_not_show(home, tmp_path, way, bound):
    below, above = (look(home, way, bound + distance, tmp_path) for distance in (-60, 60))
    assert below == above
    assert any(method == "PUT" or path.endswith("batch") for method, path, _ in below[0])


@pytest.mark.parametrize("bound", BOUNDS)
def test_control_a_client_that_decides_by_the_exact_size_is_seen(home, tmp_path, bound, monkeypatch):
    monkeypatch.setattr(edits, "measure_inner", lambda _, size: size + 1)
    monkeypatch.setattr(envelope, "measure_inner", lambda _, size: size)
    below, above = (look(home, "a file", bound + distance, tmp_path) for distance in (-60, 60))
    assert (below != above) == (bound == 16 * MIB)
    below, above = (look(home, "a stream", bound + distance, tmp_path) for distance in (-60, 60))
    assert (below != above) == (bound == MIB)


def test_a_larger_envelope_is_asked_for_first_wherever_it_comes_from(home, tmp_path):
    for way in WAYS:
        paths = [path for _, path, _ in look(home, way, 3 * MIB // 2, tmp_path)[0]]
        assert any(path.endswith("objects/missing") for path in paths), way
        paths = [path for _, path, _ in look(home, way, MIB // 2, tmp_path)[0]]
        assert not any(path.endswith("objects/missing") for path in paths), way


def test_the_bounds_are_bounds_of_padded_sizes(home):
    vault = home.unlock("laptop")
    vault.put("small", b"content")
    metadata = vault.find("small").metadata
    empty = len(envelope.encode_head(metadata)) + envelope.TRAILER_BYTES
    for bound in (uploader.ASK_FROM_BYTES, envelope.LARGE_INNER_BYTES, edits.SPOOL_FROM_BYTES):
        assert measure_inner(metadata, bound - empty) == bound  # a Padmé size
        assert measure_inner(metadata, bound - empty + 1) > bound
