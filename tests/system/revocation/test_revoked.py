"""A device is revoked while it holds something: on real Kafka, at four processes, everything is refused.

Each test has its control: the same act is taken before, or from a device that was not revoked.
"""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection

import pytest

from solekey_protocol.change_list import Change, encode_change_list
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import ItemId, compute_digest
from solekey_protocol.services import Service
from solekey_protocol.statements import Head, SignedStatement
from tests.support.content import change_of, commit_of, content_of, seal_wrap_like, wrapped_as
from tests.support.people.household import SERVICES, Answer, Device, Household
from tests.system.revocation.town import Town

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.timeout(240),  # counts the start of the services for the first test
]

REFUSED = {"401 session_ended", "403 device_revoked"}
DEADLINE_S = 30
PAUSE_S = 0.02
PART_BYTES = 4 * 1024 * 1024


@pytest.fixture
def home(town: Town) -> Iterator[Household]:
    household = Household(town.site)
    household.sign_up()
    yield household
    household.close()


def refusal(device: Device, service: Service) -> str:
    """Ask a service until it refuses, and tell how."""
    deadline_s = time.monotonic() + DEADLINE_S
    while (told := device.ask(service).told) == "200":
        assert time.monotonic() < deadline_s, f"{service} does not refuse"
        time.sleep(PAUSE_S)
    return told


def known(device: Device) -> None:
    """Every service serves the device."""
    for service in SERVICES:
        assert device.ask_until_known(service).told == "200"


def test_an_open_connection_and_an_unexpired_token(home: Household) -> None:
    phone, tablet = home.add_phone("phone"), home.add_phone("tablet")
    known(phone)
    known(tablet)
    sockets = {service: line.sock for service, line in phone.lines.items()}
    home.revoke(phone)
    assert {service: refusal(phone, service) for service in SERVICES}.items() <= {
        (service, told) for service in SERVICES for told in REFUSED
    }
    assert {service: line.sock for service, line in phone.lines.items()} == sockets  # still the same ones
    assert None not in sockets.values()

    phone.hang_up()
    for service in SERVICES:
        claims = phone.tokens[service].split(".")[1]
        expires_s = json.loads(base64.urlsafe_b64decode(claims + "=="))["exp"]
        assert expires_s > time.time()
        assert phone.ask(service).told in REFUSED
    assert phone.refresh().told == "401 session_ended"
    assert home.log_in(phone).told == "403 device_revoked"
    known(tablet)
    assert tablet.refresh().told == "200"


def begin_upload(device: Device, body: bytes) -> HTTPConnection:
    """Send the head of an upload and half of its body, on a new connection; the service has admitted it."""
    path = f"objects/{compute_digest(body)}"
    fields = device.prove(Service.VAULT, "PUT", path, token=device.tokens[Service.VAULT])
    line = device.site.connect(Service.VAULT)
    line.putrequest("PUT", f"/v1/vault/{path}")
    for name, value in fields.items():
        line.putheader(name, value)
    line.putheader("Content-Type", "application/octet-stream")
    line.putheader("Content-Length", str(len(body)))
    line.putheader("Expect", "100-continue")  # the service asks for the body once it has admitted the head
    line.endheaders()
    told = b""
    while not told.endswith(b"\r\n\r\n"):
        byte = line.sock.recv(1)
        assert byte, told
        told += byte
    assert told.startswith(b"HTTP/1.1 100 "), told
    line.send(body[: len(body) // 2])
    return line


def finish_upload(line: HTTPConnection, body: bytes) -> Answer:
    line.send(body[len(body) // 2 :])
    response = line.getresponse()
    answer = Answer(response.status, response.read(), time.monotonic())
    line.close()
    return answer


def has_object(device: Device, body: bytes) -> bool:
    digest = compute_digest(body)
    answer = device.ask(Service.VAULT, "POST", "objects/missing", {"digests": [digest]})
    assert answer.told == "200", answer
    return digest not in answer.document["missing"]


def test_a_running_upload(home: Household) -> None:
    phone, tablet = home.add_phone("phone"), home.add_phone("tablet")
    known(phone)
    known(tablet)
    lost, kept = (letter * PART_BYTES for letter in (b"l", b"k"))
    uploads = [begin_upload(phone, lost), begin_upload(tablet, kept)]
    home.revoke(phone)
    assert refusal(phone, Service.VAULT) in REFUSED
    assert finish_upload(uploads[0], lost).told in REFUSED
    assert finish_upload(uploads[1], kept).told == "204"
    assert has_object(tablet, kept)
    assert not has_object(tablet, lost)


class Shelf:
    """What devices of an account put into the vault."""

    def __init__(self, home: Household) -> None:
        self.home = home
        wrap = seal_wrap_like(1, 1, home.laptop.actor.user_key.key_id)
        self.send(home.laptop, "PUT", f"wraps/{compute_digest(wrap)}", wrap, "204")
        body = wrapped_as(wrap)
        heads = {Stream.DEVICES: home.head}
        taken = self.post(home.laptop, home.laptop.actor.sign(body, heads=heads))
        assert taken.told == "201", taken
        self.head: Head = parse_event(taken.raw).head

    def send(self, device: Device, method: str, path: str, body: bytes, expected: str) -> None:
        answer = device.ask_until_known(Service.VAULT, method, path, body)
        assert answer.told == expected, answer

    def upload(self, device: Device, change: Change) -> None:
        content = content_of(change.item, change.version)
        for body in (content, encode_change_list((change,))):
            self.send(device, "PUT", f"objects/{compute_digest(body)}", body, "204")

    def sign(self, device: Device, change: Change, number: int) -> SignedStatement:
        heads = {Stream.DEVICES: self.home.head}
        return device.actor.sign(commit_of(change, commit=number), self.head, heads)

    def post(self, device: Device, signed: SignedStatement) -> Answer:
        return device.ask_until_known(Service.VAULT, "POST", "statements", signed.to_json())


def test_a_queued_commit(home: Household) -> None:
    """Prepared and uploaded while the device was trusted; sent when it is not."""
    phone, tablet = home.add_phone("phone"), home.add_phone("tablet")
    shelf = Shelf(home)
    item = ItemId.from_raw(bytes(16))
    first, second = (change_of(item, version) for version in (1, 2))
    for change in (first, second):
        shelf.upload(phone, change)
    taken = shelf.post(phone, shelf.sign(phone, first, 1))
    assert taken.told == "201", taken
    shelf.head = parse_event(taken.raw).head

    queued = shelf.sign(phone, second, 2)
    home.revoke(phone)
    assert refusal(phone, Service.VAULT) in REFUSED
    assert shelf.post(phone, queued).told in REFUSED
    assert shelf.post(tablet, queued).told == "403 forbidden"  # nor does another device bring it in
    taken = shelf.post(tablet, shelf.sign(tablet, second, 2))
    assert taken.told == "201", taken


def test_a_queued_commit_that_is_sent_at_once_is_taken_or_refused_and_never_after_a_refusal(
    home: Household,
) -> None:
    """Nobody waits for the revocation to arrive: what the vault says is consistent all the same."""
    phone = home.add_phone("phone")
    shelf = Shelf(home)
    change = change_of(ItemId.from_raw(bytes(16)), 1)
    shelf.upload(phone, change)
    queued = shelf.sign(phone, change, 1)
    other = replace(phone, lines={})
    home.revoke(phone)
    first = shelf.post(phone, queued)
    assert first.told in REFUSED | {"201"}
    assert refusal(other, Service.VAULT) in REFUSED
    assert shelf.post(phone, queued).told in REFUSED
    other.hang_up()
