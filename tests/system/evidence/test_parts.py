"""What the evidence rests on, each part with something that it must notice."""

import hashlib
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from evidence.bundle import BundleError, verify_bundle, write_bundle
from evidence.canaries import SHORT_FILES_BYTES, commit, make_canaries, make_twin
from evidence.channels import Channel
from evidence.clean_run import CleanRun
from evidence.document import judge_all, make_document
from evidence.exchanges import Exchange, Message, UnreadableTranscriptError, read_exchanges
from evidence.explained import Explanation
from evidence.normal import is_repeated, leave_out_timely, normalise
from evidence.page import write_page
from evidence.plants import FIELD, PLANTS, Control, careless_client, mask
from evidence.processes import (
    ServerProcess,
    dump_core,
    find_processes,
    read_deleted,
    read_environment,
    read_memory,
)
from evidence.recorder import Line
from evidence.search import Captured, Found, SearchResult, search
from evidence.server_view import find_unlisted, list_fields
from solekey.connection.transport import Transport
from solekey.runtime import Runtime
from solekey.server import Server
from tests.support.repository import ROOT
from tests.support.scripts import load_script

SECRET = b"\x8f" + hashlib.sha256(b"a secret").digest()
CLEAN = CleanRun({}, SearchResult(1), (), {"x": True}, Explanation(), {}, frozenset(), (), {}, 0)
CAUGHT = [Control(plant, ("raw",), (plant.channel,)) for plant in PLANTS]
LEAK = Found(Channel.REQUESTS, "user key", "raw", "connection 1")


def make_line(up: bytes, down: bytes) -> Line:
    return Line(bytearray(up), bytearray(down), [(0, 1.0)])


REQUEST = b"PUT /v1/vault/objects/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" % (b"ab" * 32)
ANSWER = b"HTTP/1.1 204 No Content\r\nDate: today\r\n\r\n"


def test_the_verdict_is_clean_only_if_everything_holds():
    assert judge_all(CLEAN, CAUGHT).clean


@pytest.mark.parametrize(
    ("clean", "controls", "why"),
    [
        (replace(CLEAN, search=SearchResult(1, found=[LEAK])), CAUGHT, "leak"),
        (CLEAN, [*CAUGHT[:-1], Control(PLANTS[-1], (), (Channel.REQUESTS,))], "was missed"),
        (CLEAN, CAUGHT[:13], "13 planted leaks, need 14"),
        (replace(CLEAN, twin_controls={"x": False}), CAUGHT, "control was missed"),
        (replace(CLEAN, explanation=Explanation(unexplained=["1 byte"])), CAUGHT, "unexplained"),
        (replace(CLEAN, unlisted_fields=("X-Name",)), CAUGHT, "threat model"),
    ],
)
def test_whatever_does_not_hold_fails(clean, controls, why):
    verdict = judge_all(clean, controls)
    assert not verdict.clean
    assert why in verdict.failures[0]


def test_a_plant_is_in_each_channel_and_has_a_secret_of_its_own():
    assert {plant.channel for plant in PLANTS} == set(Channel)
    spoken = [(plant.channel, plant.secret) for plant in PLANTS]
    assert len(set(spoken)) == len(spoken)
    typed = make_canaries(SHORT_FILES_BYTES).by_name().keys()
    assert {secret for _, secret in spoken if " of item " in secret or "password" in secret} <= typed
    in_services = load_script(ROOT / "evidence" / "planted" / "sitecustomize.py")
    assert {plant.name for plant in PLANTS if plant.request is None} == in_services.LEAKS.keys()
    assert "HTTP_" + FIELD.upper().replace("-", "_") == in_services.FIELD
    assert in_services.unmask(mask({"text": "ff"})) == {"text": "ff"}
    sys.meta_path[:] = [each for each in sys.meta_path if type(each).__name__ != "Planter"]


def test_a_search_finds_a_secret_wherever_it_is_cut_and_however_often_it_stands():
    window = os.urandom(300_000)
    pieces = [
        (Channel.BUS, "cut", window[: 32768 - 9] + SECRET + window),
        (Channel.OBJECTS, "again", window[: 32768 - 9] + SECRET + window),
        (Channel.CORE, "elsewhere", bytes(200_000) + SECRET.hex().encode()),
        (Channel.HEALTH, "not here", window[7:]),
    ]
    captured = Captured()
    captured.add(pieces)
    result = search({"secret": SECRET}, captured, workers=1)
    spelt = {(each.channel, each.spelling.split(" in ")[0]) for each in result.found}
    assert spelt >= {(Channel.BUS, "raw"), (Channel.OBJECTS, "raw"), (Channel.CORE, "hex")}
    assert Channel.HEALTH not in {each.channel for each in result.found}
    amounts = result.amounts
    assert amounts[Channel.OBJECTS].bytes == amounts[Channel.BUS].bytes
    assert amounts[Channel.OBJECTS].searched == 0  # the same bytes as before
    assert amounts[Channel.CORE].searched < 50_000  # zeros hold nothing


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_environment_and_deleted_files_of_a_process_are_read():
    area = mmap.mmap(-1, 8192)
    area[4090 : 4090 + len(SECRET)] = SECRET  # across two pages
    own = next(each for each in find_processes([os.getpid()]) if each.pid == os.getpid())
    assert any(SECRET in piece for piece in read_memory(own))
    with tempfile.TemporaryFile() as file:
        file.write(SECRET)
        file.flush()
        assert SECRET in [content for _, content in read_deleted(own)]
    assert SECRET not in [content for _, content in read_deleted(own)]
    program = [sys.executable, "-c", "input()"]
    with subprocess.Popen(program, env={"PLANTED": "a secret"}, stdin=subprocess.PIPE) as child:
        found = {each.pid: each for each in find_processes([os.getpid()])}
        deadline_s = time.monotonic() + 10
        while b"PLANTED=a secret" not in read_environment(found[child.pid]):  # until it is its own program
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        child.communicate(b"\n")


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    deadline_s = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "tT":
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


KEEPING = (
    "import sys; kept = bytes.fromhex(sys.stdin.readline()); print('kept', flush=True); sys.stdin.read()"
)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("by_gcore", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_core_holds_what_the_process_holds_in_the_same_pieces(tmp_path, by_gcore):
    program = [sys.executable, "-c", KEEPING]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(SECRET.hex() + "\n")
        child.stdin.flush()
        assert child.stdout.readline() == "kept\n"
        stop(child.pid)  # so that nothing changes between the two readings
        process = ServerProcess(child.pid, "child")
        pieces = {piece for piece in read_memory(process) if SECRET in piece}
        core = dump_core(process, tmp_path / "cores", by_gcore=by_gcore)
        assert core.made_by == ("gcore" if by_gcore and shutil.which("gcore") else "own reader")
        read = list(core.read())
        assert any(SECRET in piece for piece in read)
        assert any(piece.startswith(each) for each in pieces for piece in read)
        os.kill(child.pid, signal.SIGCONT)
        child.communicate()


def test_recorded_bytes_are_read_as_exchanges():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    first, second = read_exchanges([make_line(REQUEST * 2, ANSWER + chunked)])
    assert (first.method, first.status, first.request.body) == ("PUT", "204", b"abc")
    assert second.response is not None
    assert second.response.body == b"abc"
    with pytest.raises(UnreadableTranscriptError):
        read_exchanges([make_line(REQUEST[:30], b"")])


@pytest.mark.parametrize(
    ("planted", "same"),
    [
        (REQUEST.replace(b"ab" * 32, b"cd" * 32), True),  # another digest
        (REQUEST.replace(b"ab" * 32, b"ab" * 33), False),
        (REQUEST.replace(b"abc", b"abd"), False),  # its media type says nothing: it is compared as text
        (REQUEST.replace(b"Host: x", b"Host: x\r\nSolekey-Length: 12"), False),
        (REQUEST.replace(b"Length: 3", b"Length: 2").replace(b"\r\n\r\nabc", b"\r\n\r\nab"), False),
    ],
)
def test_only_what_is_random_is_taken_out(planted, same):
    one, other = (read_exchanges([make_line(each, ANSWER)])[0] for each in (REQUEST, planted))
    assert (normalise(one, "ada") == normalise(other, "ada")) is same
    assert not is_repeated(one)


def test_a_request_that_came_too_early_is_told_from_others():
    busy = Message("HTTP/1.1 503 Busy", (), b"")
    [exchange] = read_exchanges([make_line(REQUEST, ANSWER)])
    assert is_repeated(replace(exchange, response=busy))


LOOK = b"GET /v1/%s/events?after=7&limit=1 HTTP/1.1\r\nHost: x\r\n\r\n"
LATE = b'HTTP/1.1 503 Busy\r\nContent-Length: %d\r\n\r\n{"code":"%s"}'


def answer_late(code: bytes) -> bytes:
    return LATE % (len(code) + 11, code)


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ((REQUEST, answer_late(b"not_yet_applied")), [LOOK % b"vault", LOOK % b"auth"], 0),
        ((REQUEST, answer_late(b"not_yet_applied")), [LOOK % b"vault"] * 2, 1),
        ((REQUEST, answer_late(b"not_yet_applied")), [LOOK.replace(b"1 HTTP", b"2 HTTP") % b"vault"], 1),
        (
            (REQUEST, answer_late(b"not_yet_applied")),
            [LOOK.replace(b"Host", b"Solekey-After") % b"vault"],
            1,
        ),
        ((REQUEST, answer_late(b"not_yet_applied")), [(LOOK % b"vault").replace(b"GET", b"PUT")], 1),
        ((REQUEST, answer_late(b"trust_stale")), [LOOK % b"vault"], 1),
        ((REQUEST, ANSWER), [LOOK % b"vault"], 2),
    ],
)
def test_a_look_is_left_out_where_a_service_was_late_and_only_there(before, after, kept):
    """Found by a loaded machine: a re-key waited for the bus in one life, and looked at all streams then."""
    up, down = before[0] + b"".join(after), before[1] + ANSWER * len(after)
    assert len(list(leave_out_timely(read_exchanges([make_line(up, down)])))) == kept


def test_a_field_that_the_threat_model_does_not_list_is_found():
    [exchange] = read_exchanges(
        [make_line(REQUEST.replace(b"Host", b"Content-Type: text/plain\r\nHost"), ANSWER)]
    )
    assert find_unlisted(list_fields([exchange])) == ["a body of text/plain"]
    statement = b'{"statement":{"body":{"description":"x","epoch":1,"item_name":"x"}}}'
    fields = (("Content-Type", "application/json"), ("X-Item", "x"))
    asked = Message("POST /v1/vault/statements?name=x HTTP/1.1", fields, statement)
    assert find_unlisted(list_fields([Exchange(0.0, asked, None)])) == [
        "?name",
        "X-Item",
        "statement.body.description",
        "statement.body.item_name",
    ]


def test_twins_differ_in_everything_but_padded_sizes():
    original = make_canaries([2000])
    twin = make_twin(original)
    assert not set(original.by_name().values()) & set(twin.by_name().values())
    for one, other in zip(original.notes + original.files, twin.notes + twin.files, strict=True):
        assert one.padded_size == other.padded_size
    assert original.files[0].content != twin.files[0].content


def test_a_commitment_opens_to_its_secret_alone():
    commitments, nonces = commit({"key": SECRET})
    assert commitments["key"] == hashlib.sha256(bytes.fromhex(nonces["key"]) + SECRET).hexdigest()
    assert commit({"key": SECRET})[0] != commitments


def test_the_page_says_what_failed_and_runs_no_script():
    clean = replace(CLEAN, search=SearchResult(1, found=[replace(LEAK, secret="<script>")]))
    missed = Control(PLANTS[0], (), ())
    verdict = judge_all(clean, [missed])
    page = write_page(make_document("a site", clean, [missed], verdict, {"secret": "00"}))
    assert "Verdict: violations" in page
    assert "MISSED" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page


@pytest.mark.parametrize("file", ["evidence.json", "index.html", "manifest.json", "manifest.sig"])
def test_a_bundle_that_was_changed_is_refused(tmp_path, file):
    name = write_bundle(tmp_path, {"verdict": "clean"}, "<p>clean</p>")
    assert verify_bundle(tmp_path, name) == name
    with pytest.raises(BundleError, match="this bundle is"):
        verify_bundle(tmp_path, "0" * 64)
    changed = (tmp_path / file).read_bytes().replace(b"e", b"f", 1)
    (tmp_path / file).write_bytes(
        changed if changed != (tmp_path / file).read_bytes() else b"00" + changed[2:]
    )
    with pytest.raises(BundleError):
        verify_bundle(tmp_path)


def test_the_client_s_own_requests_carry_what_is_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[httpx.Request] = []

    def answer(_: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={})

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    known = {plant.secret: SECRET for plant in PLANTS}
    transport = Transport(Server("https://solekey.test"), Runtime())
    with careless_client(lambda: known), closing(transport):
        transport.send("GET", "/v1/auth/health")
    asked, request = sent
    assert (asked.method, asked.url.host) == ("GET", "solekey.test")
    assert asked.url.path.startswith("/v1/vault/")
    assert {FIELD, "Solekey-Trace", "Solekey-Debug"} <= {name.title() for name in request.headers}
    assert request.headers[FIELD] == mask(
        {plant.name: SECRET.hex() for plant in PLANTS if plant.request is None}
    )
    assert httpx.HTTPTransport.handle_request is answer


def test_a_client_that_sends_in_another_way_plants_nothing_and_says_so() -> None:
    with pytest.raises(RuntimeError, match="nothing was planted"), careless_client(dict):
        pass
