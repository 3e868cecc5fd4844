"""Attacks on the streams: what a hostile server leaves out, repeats, reorders, rewrites or adds."""

import json
from dataclasses import replace

import httpx

from solekey import Runtime, UserKey
from solekey.account.device_names import DeviceName
from solekey.crypto import SoftwareDeviceKey
from solekey.rotation.rotation import rekey_data
from solekey_protocol.change_list import Change
from solekey_protocol.encoding import encode_json
from solekey_protocol.event import Event, encode_event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.events.devices import (
    DeviceCertificate,
    DeviceEnrolled,
    DeviceRevoked,
    DeviceTrusted,
    RevocationReason,
)
from solekey_protocol.events.fields import Platform
from solekey_protocol.events.vault import WrapRetired
from solekey_protocol.ids import AccountId, ItemId, compute_digest
from solekey_protocol.statements import Head
from tests.support.client.fake_parts import problem
from tests.system.adversary.reading.scene import Scene, attack


def rewrite(event: Event, raw: bytes) -> Event:
    """An event with other bytes, which nobody has checked."""
    assert raw != event.raw
    return replace(event, raw=raw)


@attack("events omitted at the end")
def omit_at_the_end(scene: Scene) -> None:
    del scene.events[-2:]


@attack("an event omitted in the middle")
def omit_in_the_middle(scene: Scene) -> None:
    del scene.events[3]


@attack("a stream omitted")
def omit_stream(scene: Scene) -> None:
    scene.account.events[Stream.DEVICES].clear()


@attack("an older copy of everything")
def roll_back_all(scene: Scene) -> None:
    older = scene.history.older
    for name in ("events", "states", "wraps", "objects", "names"):
        setattr(scene.account, name, getattr(older, name))


@attack("an older copy, said to be late")
def roll_back_busily(scene: Scene) -> None:
    omit_at_the_end(scene)

    def wait(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        late = "vault=" in request.headers.get("Solekey-After", "")
        return problem(503, "not_yet_applied") if late else response

    scene.tamper("/v1/vault/events", wait)


@attack("older devices beside newer commits")
def hide_a_device(scene: Scene) -> None:
    """What was committed since was signed by who had seen the tablet trusted."""
    del scene.account.events[Stream.DEVICES][-2:]
    for device in ("phone", "tablet"):
        profile = scene.world.folder / device
        copy = profile / "streams" / "devices.jsonl"
        records = copy.read_bytes().splitlines(keepends=True)
        copy.write_bytes(b"".join(records[:3]))
        pins = json.loads((profile / "heads.json").read_bytes())
        pins["devices"] = {"digest": compute_digest(records[2].rstrip(b"\n")), "seq": 3}
        (profile / "heads.json").write_bytes(encode_json(pins))


@attack("two events in each other's place")
def reorder(scene: Scene) -> None:
    scene.events[-2], scene.events[-1] = scene.events[-1], scene.events[-2]


@attack("two events in each other's place, renumbered")
def renumber(scene: Scene) -> None:
    first, second = scene.events[-2:]
    head = scene.events[-3].head
    del scene.events[-2:]
    for event in (second, first):
        document = json.loads(event.raw) | {"seq": head.seq + 1, "prev": head.digest}
        document["id"] = f"{event.account}:vault:{head.seq + 1}"
        raw = encode_json(document)
        scene.events.append(rewrite(event, raw))
        head = Head(head.seq + 1, compute_digest(raw))


@attack("an event twice")
def repeat(scene: Scene) -> None:
    scene.events.append(scene.events[-1])


@attack("another past")
def fork(scene: Scene) -> None:
    """The last event that the phone has seen carries another time."""
    event = scene.events[-2]
    assert event.signed is not None
    scene.events[-2] = encode_event(
        event.signed, account=event.account, after=Head(event.seq - 1, event.prev), time=scene._time()
    )


@attack("the stream of another account")
def swap_account(scene: Scene) -> None:
    other = AccountId.from_raw(bytes(range(16)))
    for index, event in enumerate(scene.events):
        raw = event.raw.replace(event.account.encode(), other.encode())
        scene.events[index] = rewrite(event, raw)


@attack("events of another stream")
def swap_stream(scene: Scene) -> None:
    scene.account.events[Stream.VAULT] = list(scene.account.events[Stream.DEVICES])


@attack("a signed commit altered")
def alter_commit(scene: Scene) -> None:
    event = scene.events[-1]
    scene.events[-1] = rewrite(event, event.raw.replace(b'"count":1', b'"count":2'))


@attack("an event of an older format")
def downgrade_event(scene: Scene) -> None:
    event = scene.events[-1]
    scene.events[-1] = rewrite(event, event.raw.replace(b"items_committed.v1", b"items_committed.v0"))


@attack("an event with one member more")
def widen_event(scene: Scene) -> None:
    event = scene.events[-1]
    document = json.loads(event.raw) | {"note": "from the operator"}
    scene.events[-1] = rewrite(event, encode_json(document))


@attack("an event that ends in the middle")
def cut_event(scene: Scene) -> None:
    event = scene.events[-1]
    scene.events[-1] = rewrite(event, event.raw[: len(event.raw) // 2])


def make_ghost(scene: Scene) -> SoftwareDeviceKey:
    return SoftwareDeviceKey.make(Runtime().random)


def certify(scene: Scene, ghost: SoftwareDeviceKey) -> DeviceCertificate:
    commitment = DeviceName("ghost", bytes(16)).derive_commitment(ghost.device_id)
    return DeviceCertificate(ghost.device_id, ghost.public_key, Platform.LINUX, commitment)


@attack("a ghost device, certified by a key of the server's")
def add_ghost(scene: Scene) -> None:
    ghost, state = make_ghost(scene), scene.account.states[Stream.DEVICES]
    certificate = certify(scene, ghost)
    scene.show(scene.sign(DeviceEnrolled(certificate), device=ghost), Stream.DEVICES)
    with UserKey.make() as stranger:
        key = stranger.derive_account_signing_key(scene.account.account)
        trusted = DeviceTrusted(state.account_key, certificate)
        scene.show(scene.sign(trusted, device=ghost, account=key), Stream.DEVICES)


@attack("a ghost device's commit")
def commit_as_ghost(scene: Scene) -> None:
    """It injects an item: the ghost has even learned the data key, and nobody has certified it."""
    item = ItemId.from_raw(bytes(range(16)))
    scene.commit(scene.seal(b"injected", "injected", item, 1), device=make_ghost(scene))


@attack("a pending device's commit")
def commit_as_pending(scene: Scene) -> None:
    ghost = make_ghost(scene)
    scene.show(scene.sign(DeviceEnrolled(certify(scene, ghost)), device=ghost), Stream.DEVICES)
    head = scene.account.events[Stream.DEVICES][-1].head
    seen = {**scene.account.states[Stream.VAULT].chain.seen, Stream.DEVICES: head}
    removal = Change(scene.find_change("note").item, 3, 0, ())
    scene.commit(removal, device=ghost, heads=seen)


@attack("a commit by a locked device")
def commit_without_data_key(scene: Scene) -> None:
    """The thief of a locked device signs with its device key; the commit key's signature is another's."""
    removal = Change(scene.find_change("note").item, 3, 0, ())
    scene.commit(removal, commit=make_ghost(scene))


@attack("a commit under an epoch that was left")
def commit_under_old_epoch(scene: Scene) -> None:
    vault = scene.open_vault("laptop")
    account = scene.account.account
    old_key = vault.unlocked.keyring.data_key(1).derive_commit_key(account)
    rekey_data(vault)
    assert scene.account.states[Stream.VAULT].epoch == 2
    scene.commit(Change(scene.find_change("note").item, 4, 0, ()), epoch=1, commit=old_key)


@attack("a commit by a device that was revoked before")
def commit_as_revoked(scene: Scene) -> None:
    vault = scene.open_vault("laptop")
    scene.seal(b"", "unused", ItemId.from_raw(bytes(16)), 1)
    tablet = scene.world.reopen("tablet").devices.own_id
    scene.world.say(scene.world.sessions["laptop"], DeviceRevoked(tablet, RevocationReason.LOST))
    vault.put("after", "the owner goes on, and has seen the revocation")
    head = scene.account.events[Stream.DEVICES][-1].head
    seen = {**scene.account.states[Stream.VAULT].chain.seen, Stream.DEVICES: head}
    scene.commit(Change(scene.find_change("note").item, 3, 0, ()), by="tablet", heads=seen)


@attack("a commit by a revoked device, behind its revocation")
def commit_backdated(scene: Scene) -> None:
    removal = Change(scene.find_change("note").item, 3, 0, ())
    laptop = scene.world.sessions["laptop"]
    tablet = scene.world.reopen("tablet").devices.own_id
    scene.world.say(laptop, DeviceRevoked(tablet, RevocationReason.LOST))
    scene.commit(removal, by="tablet")


@attack("the last wrap retired")
def retire_last_wrap(scene: Scene) -> None:
    """Signed by the account itself, which a server cannot do: the rules hold for whoever signs."""
    (record,) = scene.account.states[Stream.VAULT].live_wraps()
    wrapped = record.wrapped
    body = WrapRetired(wrapped.secret, wrapped.epoch, wrapped.wrap_version, wrapped.wrap)
    scene.show(scene.sign(body))


@attack("another event in answer to a commit")
def answer_with_another(scene: Scene) -> None:
    old = scene.events[-1]
    parse_event(old.raw)
    scene.tamper("/v1/vault/statements", lambda *_: httpx.Response(201, content=old.raw))
