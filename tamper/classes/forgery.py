"""A, continued: statements replayed and forged, signatures, and two histories of one account."""

import json
from collections.abc import Callable
from typing import Any, Final

from solekey_protocol.encoding import encode_json
from solekey_protocol.event import Event, encode_event
from solekey_protocol.events import Body, Signer, Stream, auth, devices, rotation, vault
from solekey_protocol.ids import SignatureHex
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement
from tamper.classes.editing import add, recompute, replace_record
from tamper.classes.history import HISTORY, flip, put
from tamper.people import Device
from tamper.stories import ADA, LAPTOP, PHONE
from tamper.tampering import Exhibit, honest
from tamper.writing import moment
from tests.support.keys import Key, sign_statement

_add = HISTORY.add
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_MALLORY: Final = Device("mallory")
_FORGED: Final = Key("a user key of the operator's")
_SIGNATURES = ("data", "signatures")


def replay(name: str, *, rewrite: bool) -> Callable[[], Exhibit]:
    """Put a statement that was made once at the end of its stream."""

    def make() -> Exhibit:
        event = honest().find(name)
        head = honest().heads(event.account)[event.stream]
        document = json.loads(event.raw)
        place = {"seq": head.seq + 1, "prev": head.digest}
        document |= {**place, "id": f"{event.account}:{event.stream}:{head.seq + 1}"}
        if rewrite:
            document["data"]["statement"] |= place
        return Exhibit(
            [*honest().records, encode_json(document)], (event.account, event.stream, head.seq + 1)
        )

    return make


_add("a commit again, at the end", replay("ada.commit 1", rewrite=False), "REC-02")
_add("a commit again, its place rewritten", replay("ada.last delta", rewrite=True), "SIG-01", "CHN-02")
_add("a retired wrap again", replay("ada.wrapped", rewrite=True), "SIG-01", "CHN-02", "SIG-02")
_add("a policy again", replay("ada.policy", rewrite=True), "SIG-01", "CHN-02")


def borrow() -> Exhibit:
    """A wrap of ben's in the place of ada's."""
    document = json.loads(honest().find("ada.wrapped").raw)
    document["data"] = json.loads(honest().find("ben.wrapped").raw)["data"]
    return replace_record("ada.wrapped", encode_json(document))


_add("another account's statement", borrow, "REC-02")


# Forged
def forge(body: Body, *, by: Device = LAPTOP, **keys: Key) -> Callable[[], Exhibit]:
    """The operator writes a statement at the end of a stream, with keys that he has."""

    def make() -> Exhibit:
        heads = honest().heads(ADA.account)
        head = heads.pop(body.STREAM, EMPTY_HEAD)
        mine = {
            Signer.DEVICE: _MALLORY.key,
            Signer.ACCOUNT: _FORGED,
            Signer.NEXT_ACCOUNT: _FORGED,
            Signer.COMMIT: _FORGED,
        }
        signers = {**mine, **{Signer(name): key for name, key in keys.items()}}
        signed = sign_statement(ADA.account, body, head, heads, signers, device=by.certificate.device)
        event = encode_event(signed, account=ADA.account, after=head, time=moment(11 * 86_400 + 70))
        return Exhibit([*honest().records, event.raw], (ADA.account, body.STREAM, event.seq))

    return make


_LAPTOP_KEY = LAPTOP.key
_add("a commit by the operator's key", forge(ADA.commit(11, 1, 3)), "SIG-01")
_add("a commit without the epoch's key", forge(ADA.commit(11, 1, 3), device=_LAPTOP_KEY), "SIG-01")
_add("a wrap of the operator's", forge(ADA.wrap(3, 2, 2), device=_LAPTOP_KEY), "SIG-01")
_add("a retirement of the operator's", forge(ADA.retire(3, 1), device=_LAPTOP_KEY), "SIG-01")
_add("a purge of the operator's", forge(vault.ObjectsPurged(10), device=_LAPTOP_KEY), "SIG-01")
_add(
    "a revocation of the operator's",
    forge(devices.DeviceRevoked(LAPTOP.certificate.device, devices.RevocationReason.LOST), by=PHONE),
    "SIG-01",
)
_add(
    "a ghost device of the operator's",
    forge(devices.DeviceTrusted(ADA.user_key(2).public, _MALLORY.certificate), by=_MALLORY),
    "SIG-01",
    "SIG-02",
)
_add(
    "a user key of the operator's",
    forge(
        devices.AccountKeyChanged(
            ADA.user_key(2).public, _FORGED.public, ADA.key_id(6), ADA.saga("forged"), (LAPTOP.certificate,)
        ),
        device=_LAPTOP_KEY,
    ),
    "SIG-01",
)
_add(
    "a policy of the operator's",
    forge(rotation.PolicySet(3650, 3650, rotation.Enforcement.ADVISORY), device=_LAPTOP_KEY),
    "SIG-01",
)
_add("a rotation of the operator's", forge(ADA.start("forged", (2, 3), (3, 3)), device=_LAPTOP_KEY), "SIG-01")
_add(
    "a commit signed by the phone for the laptop",
    forge(ADA.commit(11, 1, 3), device=PHONE.key, commit=ADA.commit_key(3)),
    "SIG-01",
)
_add(
    "a purge signed by a user key that was replaced",
    forge(vault.ObjectsPurged(10), device=_LAPTOP_KEY, account=ADA.user_key(1)),
    "SIG-01",
)


# Signatures
def resign(change: Callable[[SignedStatement], dict[Signer, SignatureHex]]) -> Callable[[], Exhibit]:
    """Put other signatures under a commit."""

    def make() -> Exhibit:
        signed = honest().find("ada.phone commit").signed
        assert signed is not None  # a commit is a statement
        document = json.loads(honest().find("ada.phone commit").raw)
        document["data"]["signatures"] = {each.value: text for each, text in change(signed).items()}
        return replace_record("ada.phone commit", encode_json(document))

    return make


def _malleable(signed: SignedStatement) -> dict[Signer, SignatureHex]:
    raw = bytes.fromhex(signed.signatures[Signer.DEVICE])
    other = (int.from_bytes(raw[32:], "little") + _ORDER).to_bytes(32, "little")
    return {**signed.signatures, Signer.DEVICE: SignatureHex((raw[:32] + other).hex())}


def _swapped(signed: SignedStatement) -> dict[Signer, SignatureHex]:
    return {Signer.DEVICE: signed.signatures[Signer.COMMIT], Signer.COMMIT: signed.signatures[Signer.DEVICE]}


_ZERO = SignatureHex("0" * 128)
_add(
    "a signature is missing",
    resign(lambda signed: {Signer.DEVICE: signed.signatures[Signer.DEVICE]}),
    "REC-02",
    "SIG-01",
)
_add("no signature at all", resign(lambda _: {}), "REC-02", "SIG-01")
_add("two signatures change places", resign(_swapped), "SIG-01")
_add("a signature of zeros", resign(lambda signed: {**signed.signatures, Signer.DEVICE: _ZERO}), "SIG-01")
_add("the other form of a signature (S + L)", resign(_malleable), "SIG-01")


# Two histories
def fork(name: str, change: Callable[[dict[str, Any]], None]) -> Callable[[], Exhibit]:
    """Show a record, and another one of the same place."""

    def make() -> Exhibit:
        document = json.loads(honest().find(name).raw)
        change(document)
        return add(name, encode_json(document))

    return make


def refound() -> Exhibit:
    """Two foundings of one account: the operator's beside the real one."""
    body = devices.AccountFounded(_FORGED.public, ADA.key_id(0), _MALLORY.certificate)
    keys = {Signer.DEVICE: _MALLORY.key, Signer.ACCOUNT: _FORGED}
    signed = sign_statement(ADA.account, body, EMPTY_HEAD, {}, keys, device=_MALLORY.certificate.device)
    return add(
        "ada.founded", encode_event(signed, account=ADA.account, after=EMPTY_HEAD, time=moment(11)).raw
    )


_add("two facts at one place", fork("ada.codes", put("time", value=moment(21))), "CHN-02")
_add("two statements at one place", fork("ada.last delta", flip(*_SIGNATURES, "device")), "CHN-02")
_add("two foundings of one account", refound, "CHN-02")
_add("the ends of two histories", fork("ada.last login", put("time", value=moment(950_401))), "CHN-02")


def insert_fact() -> Exhibit:
    """A fact between two that clients have seen, all numbered anew."""
    after = honest().find("ada.codes")
    body = auth.LoginFailed(auth.LoginStage.LOGIN_KEY)
    made = encode_event(body, account=ADA.account, after=Head(after.seq, after.digest), time=moment(21))
    events: list[tuple[Event, bytes]] = []
    for event in honest().events:
        events.append((event, event.raw))
        if event is after:
            events.append((made, made.raw))
    return Exhibit(recompute(events), (ADA.account, Stream.AUTH, made.seq))


_add("a fact is put between two that clients have seen", insert_fact, "CHN-03")
