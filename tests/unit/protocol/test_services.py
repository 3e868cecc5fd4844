"""A service that comes later changes nothing of version 1: no schema, and no byte that anybody has signed."""

import subprocess
import sys

import pytest

from solekey_protocol.services import SERVICES, TOPICS, V1_STREAMS, WRITERS, Service, Stream
from tests.support.repository import ROOT

WITH_A_FIFTH = """
import sys
from pathlib import Path
import solekey_protocol.services as services

class Stream(services.StrEnum):
    AUTH = "auth"
    DEVICES = "devices"
    VAULT = "vault"
    ROTATION = "rotation"
    TRANSPARENCY = "transparency"

services.Stream = Stream
services.V1_STREAMS = {frozen}
sys.path.insert(0, "spec")
import generate_events
from solekey_protocol.events import BODIES, Stream as seen
assert "transparency" in set(seen)
assert all(type(body.STREAM) is Stream for body in BODIES.values())
sys.argv = ["generate_events.py", "--check"]
sys.exit(generate_events.main())
"""
"""Generates every schema, and every signed example, in a process whose ``Stream`` has a fifth member."""

FROZEN = "(Stream.AUTH, Stream.DEVICES, Stream.VAULT, Stream.ROTATION)"


def generate_with_a_fifth(heads: str) -> subprocess.CompletedProcess[str]:
    program = WITH_A_FIFTH.replace("{frozen}", heads)
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)


def test_a_fifth_stream_changes_no_schema_and_no_signed_byte_of_version_1() -> None:
    done = generate_with_a_fifth(FROZEN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_positive_control_heads_that_follow_the_enum_rewrite_every_signed_schema() -> None:
    done = generate_with_a_fifth("tuple(Stream)")
    signed = sum('"statement"' in path.read_text() for path in (ROOT / "spec" / "events").glob("*.json"))
    assert done.stdout.count("differs") == signed > 10


def test_the_list_that_is_frozen_is_the_one_that_the_test_freezes() -> None:
    assert V1_STREAMS == (Stream.AUTH, Stream.DEVICES, Stream.VAULT, Stream.ROTATION)


def test_each_stream_has_one_writer_and_one_topic() -> None:
    written = [entry.stream for entry in SERVICES.values() if entry.stream is not None]
    assert sorted(written) == sorted(Stream) == sorted(WRITERS) == sorted(TOPICS)
    assert {entry.topic for entry in SERVICES.values()} - {None} == set(TOPICS.values())


@pytest.mark.parametrize("service", Service)
def test_an_entry_stands_under_its_name_and_follows_no_stream_of_its_own(service: Service) -> None:
    entry = SERVICES[service]
    assert entry.service is service
    assert entry.stream not in entry.follows
    assert len(set(entry.follows)) == len(entry.follows)


def test_a_bare_interpreter_reads_the_registry() -> None:
    """deploy/make_secrets.py runs where nothing of ours is installed."""
    program = "from solekey_protocol.services import SERVICES; print(*SERVICES)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, 'libs/protocol'); {program}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [service.value for service in Service], done.stderr
