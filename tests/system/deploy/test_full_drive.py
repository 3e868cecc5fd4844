"""The whole deployment, driven by the program ``solekey``: a user's life, what breaks, what an auditor sees.

docker-compose.yml's four services are four processes with its commands and environment, on the Kafka and the
PostgreSQL that deploy/ prepares, behind nginx with the proxy's template. Each test is an account of its own.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from solekey.audit import find_leaks
from solekey.audit.leaks import read_places
from solekey_eventlog.bus import open_bus
from solekey_protocol.events import Stream
from solekey_protocol.services import TOPICS
from solekey_service.config import ServiceConfig
from tests.support.deployment.platform import Platform, run_platform
from tests.support.engines.engine import required
from tests.support.engines.waiting import wait_until
from tests.support.people.command_user import CommandUser, run_solekey
from tests.support.people.life import MIB, NOTE, live, make_file

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.timeout(400),  # counts the start of the platform for the first test
]

UPLOADED = r'"PUT","path":"/v1/vault/objects/\w+","status":204'
UNLOCKED = r'"GET","path":"/v1/vault/wraps","status":200'
(FRESHNESS_S,) = (field.default for field in fields(ServiceConfig) if field.name == "freshness_s")
VIOLATIONS, NO_ITEM, TRY_AGAIN = 1, 7, 8  # exit codes, as `solekey --help` says

SignUp = Callable[[str], CommandUser]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, postgres_server: URL) -> Iterator[Platform]:
    with required(run_platform(tmp_path_factory.mktemp("platform"), postgres_server)) as running:
        yield running


@pytest.fixture(scope="module")
def people() -> list[CommandUser]:
    """Everybody who has signed up in this module: an auditor pins the keys of all."""
    return []


@pytest.fixture
def sign_up(platform: Platform, people: list[CommandUser], tmp_path: Path) -> SignUp:
    """Give a function that signs somebody up, on a laptop."""

    def sign_up(name: str) -> CommandUser:
        person = CommandUser(name, tmp_path, platform.proxy)
        person.sign_up("laptop")
        people.append(person)
        return person

    return sign_up


def test_a_user_s_life_from_sign_up_to_a_lost_phone(sign_up: SignUp, tmp_path: Path) -> None:
    live(sign_up("ada"), tmp_path)


def test_a_service_killed_during_an_upload(platform: Platform, sign_up: SignUp, tmp_path: Path) -> None:
    """The vault dies between two parts; after its restart the same command brings the rest."""
    bob = sign_up("bob")
    film = make_file(tmp_path / "film", 32 * MIB)
    vault = platform.services["vault"]
    before = platform.find_requests(UPLOADED)
    with bob.start("laptop", "put", film) as upload:
        platform.wait_for_request(UPLOADED, before)
        vault.kill()
        _, errors = upload.communicate()
    assert upload.returncode == TRY_AGAIN, errors
    in_log = platform.find_requests(UPLOADED)
    vault.start()
    vault.wait_until_healthy()
    assert bob.do("laptop", "put", film)["version"] == 1
    acknowledged, later = in_log[len(before) :], platform.find_requests(UPLOADED)[len(in_log) :]
    assert acknowledged
    assert later
    assert not set(acknowledged) & set(later)  # what was acknowledged is not sent again
    bob.do("laptop", "get", "film", "--output", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == film.read_bytes()


def test_the_broker_gone_during_a_write(platform: Platform, sign_up: SignUp) -> None:
    """Within the freshness bound a write succeeds; then requests are refused until the broker is back."""
    eve = sign_up("eve")
    vault = platform.services["vault"]
    before = platform.find_requests(UNLOCKED)
    with eve.start("laptop", "put", "-", "--name", "note") as writing:
        platform.wait_for_request(UNLOCKED, before)
        killed_s = time.monotonic()
        platform.broker.kill()
        output, errors = writing.communicate(NOTE)
    is_written = writing.returncode == 0
    try:
        if is_written:
            assert json.loads(output)["version"] == 1
        else:  # on a machine on which it took longer than the news is fresh
            assert time.monotonic() - killed_s > FRESHNESS_S, errors
            assert json.loads(errors.splitlines()[-1])["error"]["code"] == "trust_stale"
        wait_until(lambda: vault.health() is None)
        wait_until(lambda: platform.services["auth"].health() is None)  # whose health a reader asks for first
        refused = eve.try_("laptop", "get", "note")  # neither kept here, nor sent by a service
        expected = (TRY_AGAIN, "item_not_kept") if is_written else (NO_ITEM, "item_missing")
        assert (refused.exit_code, refused.error_code()) == expected
        refused = eve.try_("laptop", "sessions", "list")
        assert (refused.exit_code, refused.error_code()) == (TRY_AGAIN, "trust_stale")
    finally:
        platform.broker.start()
    platform.wait_until_healthy()
    if not is_written:
        eve.do("laptop", "put", "--name", "note", "--text", NOTE)
    wait_until(lambda: vault.wait_until_healthy()["unpublished"] == 0)
    assert eve.do("laptop", "get", "note")["text"] == NOTE
    with open_bus(platform.broker.bus_config("auditor")) as bus:
        written = [record for record in bus.read(TOPICS[Stream.VAULT]) if record.key == eve.account]
    assert sum(b"items_committed" in record.value for record in written) == 1


def test_events_delivered_twice(platform: Platform, sign_up: SignUp) -> None:
    """Records come again behind newer ones, byte for byte, in every stream: nothing happens a second time."""
    joe = sign_up("joe")
    joe.do("laptop", "put", "--name", "note", "--text", NOTE)
    before = joe.do("laptop", "status")
    for service, topic in (
        ("auth", TOPICS[Stream.AUTH]),
        ("devices", TOPICS[Stream.DEVICES]),
        ("vault", TOPICS[Stream.VAULT]),
    ):
        with open_bus(platform.broker.bus_config(service)) as bus:
            for record in [record for record in bus.read(topic) if record.key == joe.account]:
                bus.publish(topic, record.key, record.value)
    assert joe.do("laptop", "status") == before
    phrase = joe.new_phrase()  # a change that every service must follow behind the repeated records
    joe.do("laptop", "rotate", "user-key", "--new-user-key", phrase, "--accept-risk")
    joe.phrase = phrase
    assert joe.do("laptop", "get", "note")["text"] == NOTE
    for follower in platform.services.values():
        assert follower.wait_until_healthy()["parked"] == 0


def test_an_auditor_finds_the_log_clean(
    platform: Platform, sign_up: SignUp, people: list[CommandUser], tmp_path: Path
) -> None:
    sign_up("ann").do("laptop", "put", "--name", "note", "--text", NOTE)
    pins = [argument for one in people for argument in ("--pins", one.vouch())]
    source = f"kafka://localhost:{platform.broker.port}?ca_file={platform.broker.ca_file}"
    auditor = {
        "HOME": str(tmp_path),
        "SOLEKEY_AUDIT_USERNAME": "auditor",
        "SOLEKEY_AUDIT_PASSWORD": platform.broker.environ["AUDITOR_BUS_PASSWORD"],
    }
    verdict = run_solekey("audit", "verify", source, *pins, "--json", environ=auditor)
    assert verdict.exit_code == 0, verdict
    report = json.loads(verdict.output)
    assert report["verdict"] == "clean"
    assert report["pinned_accounts"] == len(people)

    log = tmp_path / "log.jsonl"
    exported = run_solekey("audit", "export", source, log, environ=auditor)
    assert exported.exit_code == 0, exported
    records = log.read_bytes().splitlines(keepends=True)
    assert len(records) == report["records"]
    founded = next(line for line in records if b"account_founded" in line)
    log.write_bytes(b"".join(line for line in records if line != founded))
    assert run_solekey("audit", "verify", log, *pins, environ=auditor).exit_code == VIOLATIONS


def test_the_business_holds_no_secret(platform: Platform, sign_up: SignUp) -> None:
    zoe = sign_up("zoe")
    zoe.do("laptop", "put", "--name", "zoe's note", "--text", NOTE)
    secrets = {"password": zoe.password, "user key": zoe.phrase, "note": NOTE, "name": "zoe's note"}
    places = [*read_places(platform.find_records()), *platform.read_tables()]
    assert find_leaks({name: secret.encode() for name, secret in secrets.items()}, places) == []
    held = {leak.place for leak in find_leaks({"account": zoe.account.encode()}, places)}
    assert "vault.events" in held  # what they may hold is found
    assert any("solekey.vault.v1" in place for place in held)
