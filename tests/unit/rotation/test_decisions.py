"""Statements that were held back, and a thief with a locked device, at the three real services.

Each service knows only what it was delivered. What is refused stands beside what is accepted.
"""

import pytest

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.errors import StalePositionError
from solekey_protocol.change_list import encode_change_list
from solekey_protocol.errors import LineageError, SignatureError, TransitionError
from solekey_protocol.events import Stream, devices
from solekey_protocol.events import rotation as events
from solekey_protocol.events.vault import ObjectsPurged
from solekey_protocol.ids import ItemId, compute_digest
from solekey_protocol.streams import VaultStream
from solekey_rotation.definition import DEFINITION as ROTATION
from solekey_service.refusals import RevokedDevice, WrapInUse
from solekey_vault.definition import DEFINITION as VAULT
from tests.support.actors import Actor, UserKey
from tests.support.content import change_of, commit_of, content_of, seal_wrap_like, wrapped_as
from tests.support.saga import Saga, retired

LAPTOP, PHONE = Actor("ana", "laptop"), Actor("ana", "phone")
NEW = UserKey("new")
ITEM = ItemId.from_raw(bytes(16))


class Platform(Saga):
    """The three services of an account with two devices, asked over their real APIs."""

    def __init__(self, rig, folder):
        apis = [rig.build(DEVICES), rig.build(ROTATION)]
        vault = rig.build(VAULT, object_store_url=f"file://{folder}/objects")
        self.vault = vault
        self.apis = {Stream.DEVICES: apis[0], Stream.ROTATION: apis[1], Stream.VAULT: vault}
        super().__init__(rig, LAPTOP, NEW, folder)
        for actor in (LAPTOP, PHONE):
            rig.log_in(actor)
        for actor, body in ((LAPTOP, LAPTOP.founded()), (PHONE, PHONE.enrolled()), (PHONE, PHONE.trusted())):
            self.put(actor.sign(body, rig.head(Stream.DEVICES, LAPTOP.account)))

    def post(self, signed, actor=LAPTOP, *, deliver=True):
        """Send a statement to its service."""
        answer = self.apis[signed.statement.stream].post_statement(actor.request(signed.to_json()))
        assert answer.status == 201
        if deliver:
            self.rig.deliver()
        return answer

    def post_wrap(self, version, key, rotation=None):
        wrap = seal_wrap_like(1, version, key.key_id)
        self.vault.put_wrap(LAPTOP.request(wrap, method="PUT"), compute_digest(wrap))
        return self.post(self.sign(wrapped_as(wrap, rotation)))

    def retire(self, version, key):
        """The body that retires a wrap of ``post_wrap``."""
        body = wrapped_as(seal_wrap_like(1, version, key.key_id))
        return type(retired(1))(body.secret, 1, version, body.wrap)

    def live(self):
        with self.vault.kernel.store.read() as uow:
            stream = self.vault.kernel.streams.fold(uow, LAPTOP.account, VaultStream)
        return [wrap.wrapped.wrap_version for wrap in stream.live_wraps()]


@pytest.fixture
def platform(rig, tmp_path):
    """A user key change is verified; everybody knows everything."""
    platform = Platform(rig, tmp_path)
    platform.post_wrap(1, LAPTOP.user_key)
    platform.post(platform.sign(platform.started()))
    platform.post_wrap(2, NEW, platform.rotation)
    new = wrapped_as(seal_wrap_like(1, 2, NEW.key_id))
    digest = compute_digest(bytes.fromhex(new.wrap))
    platform.post(platform.sign(events.RotationVerified(platform.rotation, 1, digest)))
    return platform


def test_a_key_change_that_comes_after_the_abort_is_refused(platform):
    """F1: B's account_key_changed is on its way while A gives the rotation up."""
    changed = LAPTOP.key_changed(NEW, platform.rotation, PHONE)
    held_back = platform.sign(changed, next_account=NEW.signing)
    platform.post(platform.sign(platform.abandoned()))
    platform.post(platform.sign(platform.retire(2, NEW)))
    platform.post(platform.sign(events.RotationAborted(platform.rotation, events.AbortReason.USER_REQUEST)))
    with pytest.raises(StalePositionError):
        platform.post(held_back)
    with pytest.raises((LineageError, TransitionError)):  # and signed anew, in the stream's next place
        platform.post(platform.sign(changed, next_account=NEW.signing))
    assert platform.live() == [1]  # the old key opens everything


def test_an_abort_that_comes_after_the_key_change_is_refused(platform):
    """F1, the other way round: A's abort is on its way while B's change is taken."""
    abandoned = platform.sign(platform.abandoned())
    retire_new = platform.sign(platform.retire(2, NEW))
    abort = events.RotationAborted(platform.rotation, events.AbortReason.USER_REQUEST)
    aborted = platform.sign(abort)
    changed = LAPTOP.key_changed(NEW, platform.rotation, PHONE)
    platform.post(platform.sign(changed, next_account=NEW.signing), deliver=False)
    for held_back in (retire_new, aborted):  # the vault and rotation services do not know yet
        with pytest.raises(LineageError):
            platform.post(held_back, deliver=False)
    with pytest.raises(StalePositionError):
        platform.post(abandoned)
    platform.rig.deliver()
    for held_back in (retire_new, aborted):
        with pytest.raises(LineageError):
            platform.post(held_back)
    with pytest.raises(LineageError) as refused:
        platform.post(platform.sign(abort, account=NEW.signing))
    assert refused.value.code == "rotation_irrevocable"
    committed = events.RotationCommitted(platform.rotation, ())
    platform.post(platform.sign(committed, account=NEW.signing))  # positive control: on it goes
    platform.post(platform.sign(platform.retire(1, LAPTOP.user_key), account=NEW.signing))
    platform.post(platform.sign(events.RotationCompleted(platform.rotation), account=NEW.signing))
    assert platform.live() == [2]


def test_a_wrap_that_comes_after_the_abort_frees_nothing(platform):
    """It is under the abandoned key, so it can be retired; the old one stays."""
    wrap = seal_wrap_like(1, 3, NEW.key_id)
    platform.vault.put_wrap(LAPTOP.request(wrap, method="PUT"), compute_digest(wrap))
    held_back = platform.sign(wrapped_as(wrap, platform.rotation))
    platform.post(platform.sign(platform.abandoned()))
    platform.post(held_back)  # its author had not seen the decision
    for version in (2, 3):
        platform.post(platform.sign(platform.retire(version, NEW)))
    with pytest.raises((LineageError, WrapInUse)):
        platform.post(platform.sign(platform.retire(1, LAPTOP.user_key)))
    assert platform.live() == [1]


def test_a_thief_with_a_locked_device_shreds_no_key(platform):
    """F2: it has the device's key and session. It signs as the account with what it has."""
    wrap = seal_wrap_like(1, 3, LAPTOP.user_key.key_id)
    platform.vault.put_wrap(PHONE.request(wrap, method="PUT"), compute_digest(wrap))
    heads = platform.rig.heads(LAPTOP.account, Stream.DEVICES, Stream.ROTATION)
    head = platform.rig.head(Stream.VAULT, LAPTOP.account)
    for body in (wrapped_as(wrap), platform.retire(1, LAPTOP.user_key)):
        for stolen in ({"account": PHONE.key}, {"account": PHONE.key, "commit": PHONE.key}):
            with pytest.raises(SignatureError):
                platform.post(PHONE.sign(body, head, heads, **stolen), PHONE)
    assert platform.live() == [1, 2]
    platform.post(PHONE.sign(wrapped_as(wrap), head, heads), PHONE)  # positive control: unlocked
    with pytest.raises(LineageError):  # and even so, no sound wrap goes for a fresh one
        platform.post(platform.sign(platform.retire(1, LAPTOP.user_key)))


def test_a_thief_with_a_locked_device_starts_stops_and_revokes_nothing(platform):
    """F2 and F3 in the other two streams."""
    lost = devices.DeviceRevoked(LAPTOP.device, devices.RevocationReason.LOST)
    abort = events.RotationAborted(platform.rotation, events.AbortReason.USER_REQUEST)
    bodies = (lost, platform.abandoned(), abort, events.PolicySet(1, 1))
    for body in bodies:
        after = platform.rig.head(body.STREAM, LAPTOP.account)
        others = [s for s in platform.apis if s is not body.STREAM]
        heads = platform.rig.heads(LAPTOP.account, *others)
        with pytest.raises(SignatureError):
            platform.post(PHONE.sign(body, after, heads, account=PHONE.key), PHONE)
    after = platform.rig.head(Stream.DEVICES, LAPTOP.account)
    heads = platform.rig.heads(LAPTOP.account, Stream.VAULT, Stream.ROTATION)
    platform.post(PHONE.sign(platform.abandoned(), after, heads), PHONE)  # positive control: unlocked


def test_a_thief_with_a_locked_device_removes_and_purges_nothing(platform):
    """F3: a removal is a commit, and a commit shows the data key."""
    change = change_of(ITEM, 1)
    for body in (content_of(ITEM, 1), encode_change_list([change])):
        platform.vault.put_object(LAPTOP.request(body, method="PUT"), compute_digest(body))
    platform.post(platform.sign(commit_of(change)))
    removal = change_of(ITEM, 2, epoch=0, size=0)
    listed = encode_change_list([removal])
    platform.vault.put_object(PHONE.request(listed, method="PUT"), compute_digest(listed))
    head = platform.rig.head(Stream.VAULT, LAPTOP.account)
    heads = platform.rig.heads(LAPTOP.account, Stream.DEVICES, Stream.ROTATION)
    removed = commit_of(removal, commit=2)
    with pytest.raises(SignatureError):
        platform.post(PHONE.sign(removed, head, heads, commit=PHONE.key), PHONE)
    with pytest.raises(SignatureError):
        platform.post(PHONE.sign(ObjectsPurged(1), head, heads, account=PHONE.key), PHONE)
    platform.post(PHONE.sign(removed, head, heads), PHONE)  # positive control: unlocked


def test_a_statement_held_back_until_after_the_revocation_is_refused(platform):
    """F12, the services' half: whatever it claims to have seen, and though it is signed in full."""
    change = change_of(ITEM, 1)
    for body in (content_of(ITEM, 1), encode_change_list([change])):
        platform.vault.put_object(PHONE.request(body, method="PUT"), compute_digest(body))
    head = platform.rig.head(Stream.VAULT, LAPTOP.account)
    seen = platform.rig.heads(LAPTOP.account, Stream.DEVICES, Stream.ROTATION)
    commit = PHONE.sign(commit_of(change), head, seen)
    unseen = platform.rig.heads(LAPTOP.account, Stream.DEVICES, Stream.VAULT)
    revoked = devices.DeviceRevoked(PHONE.device, devices.RevocationReason.STOLEN)
    platform.post(platform.sign(revoked))
    after = platform.rig.head(Stream.ROTATION, LAPTOP.account)  # which has said that rotations are due
    policy = PHONE.sign(events.PolicySet(1, 1), after, unseen)
    for held_back in (commit, policy):
        with pytest.raises(RevokedDevice):
            platform.post(held_back, PHONE)
    [event] = platform.rig.events(Stream.DEVICES, LAPTOP.account)[-1:]
    assert event.signed.statement.heads[Stream.VAULT] == head  # where what it says later is behind
    platform.post(platform.sign(commit_of(change)))  # positive control: the laptop goes on
