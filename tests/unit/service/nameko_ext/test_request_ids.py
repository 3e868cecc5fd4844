"""Every line about a request has its id, in every thread that works on it, and no other line has."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.actors import Actor
from tests.support.demo_process import run_demo

pytestmark = pytest.mark.slow  # starts a process

ADA = Actor("ada", "laptop")
CANARY = "canary7f3a"


def test_the_lines_of_a_request_have_its_id(tmp_path: Path) -> None:
    ids = {name: f"{number:032x}" for number, name in enumerate(("append", "boom", "fast"), start=1)}
    hostile = f"/{CANARY}%1b%0a%22,%22level%22:%22CRITICAL"
    with run_demo(tmp_path, log_format="json", trusted_proxies="127.0.0.1") as demo:
        with demo.client() as client:
            client.post(f"/v1/auth/failures/{ADA.account}", headers={"X-Request-Id": ids["append"]})
            client.get("/v1/vault/boom", headers={"X-Request-Id": ids["boom"], "DPoP": CANARY})
            client.get(f"/v1/vault/peer?{CANARY}=1", headers={"X-Request-Id": ids["fast"]})
            client.get("/v1/vault/peer", headers={"X-Request-Id": CANARY})
            client.get(hostile)
        assert demo.stop() == 0
        raw = demo.log.read_text()
    lines: list[dict[str, Any]] = [json.loads(line) for line in raw.splitlines()]
    assert raw.isascii()

    def find(**members: object) -> list[dict[str, Any]]:
        return [line for line in lines if members.items() <= line.items()]

    appended, access = find(request_id=ids["append"])
    assert appended["message"] == f"appended {ADA.account}/auth/1"
    assert (access["operation"], access["service"], access["status"]) == ("fail", "auth", 201)
    boom = find(request_id=ids["boom"])
    assert [line["level"] for line in boom] == ["ERROR", "INFO"]
    assert "swordfish" in boom[0]["exception"]
    assert (boom[1]["code"], boom[1]["status"]) == ("internal_error", 500)
    assert len(find(request_id=ids["fast"])) == 1
    others = find(operation="peer")
    assert len({line["request_id"] for line in others} - set(ids.values())) == 1  # made here
    assert find(level="CRITICAL") == []
    assert raw.count(CANARY) == 2  # the path of the hostile one: as text, and as a field of its own
    assert not any("request_id" in line for line in lines if "listening" in line["message"])
