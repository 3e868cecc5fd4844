"""A server that cheats is found out by the client, each way of cheating by its own error. Positive controls
are the same worlds without the cheating: every other test of this folder.
"""

import json

import httpx
import pytest

from solekey import Runtime, Server, UserKey
from solekey.account.device_names import DeviceName
from solekey.account.enrolment import trust_device
from solekey.account.sign_up import SignUp
from solekey.connection.transport import Transport
from solekey.crypto import SoftwareDeviceKey
from solekey.errors import (
    BadAnswerError,
    ForgedEventError,
    HistoryForkError,
    InsecureServerError,
    KdfDowngradeError,
    PhraseChecksumError,
    RedirectError,
    RollbackError,
    SwappedObjectError,
    TamperedWrapError,
    UnknownWordError,
    UnreachableError,
    WrongUserKeyError,
)
from solekey_protocol.encoding import parse_cbor
from solekey_protocol.event import encode_event
from solekey_protocol.events import Signer, Stream
from solekey_protocol.events.devices import DeviceCertificate, DeviceEnrolled, DeviceTrusted
from solekey_protocol.events.fields import Platform
from solekey_protocol.events.vault import ItemsCommitted
from solekey_protocol.ids import Timestamp
from solekey_protocol.limits import MIB
from solekey_protocol.statements import SignedStatement, Statement
from tests.support.client.fake_parts import cbor
from tests.support.client.fake_server import ORIGIN
from tests.support.client.world import forget_streams


def roll_back(world, stream, count):
    """The server forgets the last events of a stream."""
    del world.account.events[stream][-count:]


def test_a_rollback_is_detected(home):
    vault = home.unlock("laptop")
    vault.put("a", "1")
    vault.put("a", "2")
    roll_back(home, Stream.VAULT, 1)
    with pytest.raises(RollbackError):
        vault.list()
    with pytest.raises(RollbackError):
        home.reopen("laptop").sync()


def test_a_stream_that_disappears_is_detected(home):
    home.account.events[Stream.DEVICES].clear()
    with pytest.raises(RollbackError):
        home.reopen("laptop").sync()


def test_deleting_the_copies_does_not_let_a_rollback_pass(home):
    home.unlock("laptop").put("a", "1")
    (home.folder / "laptop" / "streams" / "vault.jsonl").unlink()
    roll_back(home, Stream.VAULT, 1)
    with pytest.raises(RollbackError):
        home.reopen("laptop").sync()


def test_a_fork_is_detected_and_both_records_are_kept(home):
    session = home.sessions["laptop"]
    events = home.account.events[Stream.AUTH]
    before = events[-2]
    later = Timestamp.from_datetime(home.server.now.replace(year=2027))
    events[-1] = encode_event(events[-1].body, account=session.account, after=before.head, time=later)
    with pytest.raises(HistoryForkError):
        session.sync()
    evidence = json.loads((home.folder / "laptop" / "fork-evidence.json").read_text())
    assert evidence["ours"] != evidence["theirs"] == events[-1].raw.decode()


def test_an_older_device_list_is_detected_by_what_others_have_signed(home):
    """The phone is shown a devices stream that ends before what the laptop has signed to have seen."""
    home.add_device("tablet")
    laptop = home.unlock("laptop")
    laptop.put("a", "1")
    events = home.account.events[Stream.DEVICES]
    hidden = events[2:]
    assert len(hidden) == 1
    phone = home.log_in("phone")
    assert phone.devices.own_status.value == "pending"
    forget_streams(home.folder / "phone")
    del events[2:]
    with pytest.raises(RollbackError):
        home.reopen("phone").sync()


def test_a_swapped_wrap_is_detected_and_differs_from_a_wrong_phrase(home):
    [(digest, wrap)] = home.account.wraps.items()
    home.account.wraps[digest] = wrap[:-1] + bytes([wrap[-1] ^ 1])
    with pytest.raises(TamperedWrapError), home.sessions["laptop"].unlock(home.key()):
        pass
    home.account.wraps[digest] = wrap
    with home.sessions["laptop"].unlock(home.key()):
        pass
    wrong = UserKey.make()
    with pytest.raises(WrongUserKeyError), home.sessions["laptop"].unlock(wrong):
        pass


def test_a_mistyped_phrase_names_the_word(home):
    words = home.phrase.split()
    with pytest.raises(UnknownWordError, match="word 3") as refusal:
        UserKey.from_phrase(" ".join([*words[:2], "slekey", *words[3:]]))
    assert "word 3" in refusal.value.diagnostics()
    with pytest.raises(PhraseChecksumError):
        UserKey.from_phrase(" ".join([*words[:-1], "zoo" if words[-1] != "zoo" else "abandon"]))


def test_a_swapped_object_is_detected(home):
    vault = home.unlock("laptop")
    vault.put("a", "1")
    vault.put("b", "2")
    first, second = [change.parts[0].digest for change in vault.unlocked.index.items.values()]
    objects = home.account.objects
    objects[first], objects[second] = objects[second], objects[first]
    with pytest.raises(SwappedObjectError):
        vault.get("a")
    with home.reopen_without_index("laptop").unlock(home.key()) as fresh:
        listing = fresh.list()
    assert listing == []
    assert {item.error.code for item in listing.unreadable} == {"object_swapped"}


def test_a_lost_object_is_detected(home):
    vault = home.unlock("laptop")
    vault.put("a", "1")
    del home.account.objects[next(iter(vault.unlocked.index.items.values())).parts[0].digest]
    with pytest.raises(SwappedObjectError):
        vault.get("a")


def test_a_swapped_change_list_is_detected(home):
    vault = home.unlock("laptop")
    vault.put("a", "1")
    body = home.account.events[Stream.VAULT][-1].body
    assert isinstance(body, ItemsCommitted)
    home.account.objects[body.changes] += b"\x00"
    with home.reopen_without_index("laptop").unlock(home.key()) as vault, pytest.raises(SwappedObjectError):
        vault.list()


def ghost(world, *, signed_by):
    """A device that the server adds, certified by whatever key it has."""
    account, device_key = world.account, SoftwareDeviceKey.make(Runtime().random)
    commitment = DeviceName("ghost", bytes(16)).derive_commitment(device_key.device_id)
    certificate = DeviceCertificate(device_key.device_id, device_key.public_key, Platform.LINUX, commitment)
    state = account.states[Stream.DEVICES]
    for body in (DeviceEnrolled(certificate), DeviceTrusted(state.account_key, certificate)):
        head = account.events[Stream.DEVICES][-1].head
        statement = Statement(
            account.account, head.seq + 1, head.digest, state.chain.seen, device_key.device_id, body
        )
        message = statement.signing_bytes()
        signatures = {Signer.DEVICE: device_key.sign(message)}
        if isinstance(body, DeviceTrusted):
            signatures[Signer.ACCOUNT] = signed_by.sign(message)
        event = encode_event(
            SignedStatement(statement, signatures),
            account=account.account,
            after=head,
            time=Timestamp.from_datetime(world.server.now),
        )
        account.events[Stream.DEVICES].append(event)


def test_a_ghost_device_is_refused(home):
    ghost(home, signed_by=SoftwareDeviceKey.make(Runtime().random))
    with pytest.raises(ForgedEventError):
        home.reopen("laptop").sync()


def test_the_ghost_is_refused_for_its_signature_alone(home):
    with home.key() as user_key:
        ghost(home, signed_by=user_key.derive_account_signing_key(home.account.account))
    session = home.reopen("laptop")
    session.sync()
    assert len(session.streams.devices.trusted) == 2


def test_a_foreign_account_key_is_refused_on_a_new_device(home):
    """The server founds an account of its own making and shows it to a new device."""
    phone = home.log_in("phone")
    stranger = UserKey.make()
    with pytest.raises(WrongUserKeyError):
        trust_device(phone, stranger)
    assert "phone" not in [info.name for info in phone.devices.list() if info.status.value == "trusted"]


def test_a_kdf_downgrade_is_refused_before_the_password_is_used(home):
    home.account.kdf = {**home.account.kdf, "memory_kib": 1024}
    home.server.requests.clear()
    with pytest.raises(KdfDowngradeError):
        home.log_in("phone")
    assert ("POST", "/v1/auth/sessions") not in home.server.requests


def test_a_name_that_the_certificate_does_not_vouch_for_is_not_shown(home):
    home.add_device("phone")
    devices = home.sessions["laptop"].devices
    known = home.account.names[0]["name"]
    home.account.names[1]["name"] = "my trusted tablet"
    home.sessions["laptop"].sync()
    assert [info.name for info in devices.list()] == [known, None]


def test_a_name_that_was_verified_once_is_remembered(home):
    devices = home.sessions["laptop"].devices
    assert [info.name for info in devices.list()] == ["laptop"]
    home.account.names[0]["name"] = "my trusted phone"
    assert [info.name for info in devices.list()] == ["laptop"]


def test_plain_http_is_refused():
    with pytest.raises(InsecureServerError):
        Server("http://solekey.test")
    with pytest.raises(InsecureServerError):
        Server("https://solekey.test/path")


def test_a_redirect_is_not_followed(home):
    home.server.tamper = lambda *_: httpx.Response(307, headers={"Location": "https://evil.test/v1"})
    home.server.requests.clear()
    with pytest.raises(RedirectError):
        home.sessions["laptop"].sync()
    assert len(home.server.requests) == 1


def test_a_session_for_another_device_or_account_is_refused(home):
    def swap(request, response):
        if request.url.path == "/v1/auth/sessions":
            document = json.loads(response.content) | {"device": "dev_" + "a" * 26}
            return httpx.Response(201, content=json.dumps(document).encode())
        return response

    home.server.tamper = swap
    with pytest.raises(BadAnswerError):
        home.log_in("phone")


def test_another_event_in_answer_to_a_statement_is_refused(home):
    vault = home.unlock("laptop")
    vault.put("a", "1")
    old = home.account.events[Stream.VAULT][-1]

    def swap(request, response):
        ours = request.url.path == "/v1/vault/statements"
        return httpx.Response(201, content=old.raw) if ours else response

    home.server.tamper = swap
    with pytest.raises(ForgedEventError):
        vault.put("a", "2")


def test_an_endless_answer_is_cut_off():
    endless = Runtime(http=httpx.MockTransport(lambda _: httpx.Response(200, stream=Endless())))
    with pytest.raises(BadAnswerError, match="longer"):
        Transport(Server(ORIGIN), endless).send("GET", "/v1/auth/health", max_bytes=MIB)


class Endless(httpx.SyncByteStream):
    def __iter__(self):
        while True:
            yield bytes(64 * 1024)


def test_an_answer_from_another_wrap_place_is_refused(home):
    """Two honest wraps, shown in each other's place."""

    def swap(request, response):
        if request.url.path == "/v1/vault/wraps":
            wraps = parse_cbor(response.content, max_bytes=MIB)["wraps"]
            return cbor({"wraps": [wrap[:6] + b"\x00\x00\x00\x02" + wrap[10:] for wrap in wraps]})
        return response

    home.server.tamper = swap
    with pytest.raises(TamperedWrapError), home.sessions["laptop"].unlock(home.key()):
        pass


def test_a_server_that_is_away_is_asked_again_only_where_that_is_safe(home):
    def away(request):
        raise httpx.ConnectError("refused")

    home.server.before = away
    home.server.requests.clear()
    with pytest.raises(UnreachableError):
        home.sessions["laptop"].sync()
    assert len(home.server.requests) == 6
    home.server.requests.clear()
    transport = Transport(Server(ORIGIN), home.runtime)
    with pytest.raises(UnreachableError):
        transport.send("POST", "/v1/auth/sessions", repeatable=False)
    assert len(home.server.requests) == 1


def test_another_authority_is_not_trusted(tmp_path):
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(InsecureServerError):
        Transport(Server(ORIGIN, tmp_path / "ca.pem"), Runtime())


def test_signing_up_under_a_taken_name_is_refused(home):
    from solekey.errors import TakenError

    with (
        SignUp(
            home.folder / "other", Server(ORIGIN), username="ada@example.org", runtime=home.runtime
        ) as other,
        pytest.raises(TakenError) as refusal,
    ):
        other.register("another password")
    assert refusal.value.code == "username_taken"


def test_a_lost_answer_to_a_statement_does_no_harm(home):
    """The commit went through, the answer was lost, the same statement is taken once."""
    lost: list[str] = []

    def lose_once(request, response):
        if request.url.path == "/v1/vault/statements" and not lost:
            lost.append(request.url.path)
            raise httpx.ReadError("connection reset")
        return response

    home.server.tamper = lose_once
    vault = home.unlock("laptop")
    assert vault.put("a", "1").version == 1
    assert len(home.account.events[Stream.VAULT]) == 2
    assert [info.version for info in vault.list()] == [1]
