"""The evidence in short, from end to end: a clean run, leaks planted in each channel, a signed bundle.

`make evidence` does the same with long lives at four services on Kafka and PostgreSQL. Here it is the
embedded platform. Spec: threat-model.md §2 (P1), §6.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evidence.bundle import BundleError, verify_bundle
from evidence.channels import Channel
from evidence.document import LEAST_PLANTS
from tests.support.repository import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # one processor minute; a busy machine takes many times that
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; Solekey's CI is Linux"),
]

_TIMEOUT_S = 580


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the evidence of one short run stands."""
    output = tmp_path_factory.mktemp("evidence") / "out"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOLEKEY_")}
    command = [sys.executable, "-m", "evidence.run", "--embedded", "--short", "--output", str(output)]
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-3000:]
    return output


@pytest.fixture(scope="module")
def document(output: Path) -> dict:
    return json.loads((output / "bundle" / "evidence.json").read_bytes())


def test_nothing_is_found_where_nothing_was_planted(document):
    assert document["verdict"] == "clean"
    channels = {each["channel"]: each for each in document["channels"]}
    assert set(channels) == {channel.value for channel in Channel}
    assert all(each["found"] == 0 for each in channels.values())
    empty = {Channel.OTHER_LOGS, Channel.METRICS, Channel.TEMPORARY, Channel.DELETED}  # nothing is there
    assert all(channels[each]["bytes"] > 0 for each in set(Channel) - empty)
    assert min(each["secrets"] for each in channels.values()) > 100


def test_each_planted_leak_is_caught_in_its_channel(document):
    controls = document["controls"]
    assert len(controls) >= LEAST_PLANTS
    assert [each["planted"] for each in controls if not each["caught"]] == []
    assert {each["channel"] for each in controls} == set(Channel) - {Channel.OTHER_LOGS, Channel.METRICS}


def test_two_lives_look_the_same_to_the_server(document):
    assert [step["step"] for step in document["twin"]["steps"] if not step["same"]] == []
    assert len(document["twin"]["steps"]) > 8
    assert all(document["twin"]["controls"].values())


def test_every_stored_byte_is_explained(document):
    assert document["stored"]["unexplained"] == []
    kinds = [each["kind"].split(",")[0] for each in document["stored"]["explained"]]
    assert {"wraps", "change lists", "parts of envelopes"} <= set(kinds)
    assert all(document["stored"]["controls"].values())


def test_the_bundle_is_signed_and_keeps_no_secret(output, document):
    bundle = output / "bundle"
    name = verify_bundle(bundle)
    assert verify_bundle(bundle, name) == name
    openings = json.loads((output / "openings.json").read_text())
    assert openings.keys() == document["commitments"].keys()
    files = b"".join(file.read_bytes() for file in bundle.iterdir())
    assert not [name for name, opening in openings.items() if opening["secret"].encode() in files]
    page = bundle / "index.html"
    page.write_text(page.read_text().replace("clean", "spotless", 1))
    with pytest.raises(BundleError, match=r"index\.html was changed"):
        verify_bundle(bundle)
